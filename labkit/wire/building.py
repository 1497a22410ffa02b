"""Frames made by hand, right or wrong on purpose (RFC 6455 section 5.2)."""

from __future__ import annotations

import struct
from typing import Literal

from labkit.errors import LabError, UnknownName
from labkit.wire import layout
from labkit.wire.frame import OPCODE_NAMES
from labkit.wire.masking import NORMAL_KEY, mask

LengthCoding = Literal["shortest", "16 bits", "64 bits"]

_OPCODES = {name: number for number, name in OPCODE_NAMES.items()}


def build(
    opcode: str | int,
    payload: str | bytes = b"",
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    masked: bool = True,
    key: bytes = NORMAL_KEY,
    length_bytes: int | None = None,
    length_coding: LengthCoding = "shortest",
) -> bytes:
    """Return a frame's bytes. Nothing is checked that a server should check.

    Args:
        opcode: a name such as `text`, or a number from 0 to 15.
        payload: a `str` is encoded as UTF-8.
        fin: whether it is the last frame of its message.
        rsv1: the first reserved bit; `rsv2` and `rsv3` are the others.
        masked: whether it is masked, as a client's frames must be.
        key: the masking key, 4 bytes.
        length_bytes: the length to announce, if it shall differ from the payload's: up to 2**64 - 1.
        length_coding: how to write the length.

    Raises:
        LabError: an opcode above 15, a key that has not 4 bytes, or a length that its coding cannot hold.
    """
    number = _opcode(opcode)
    data = payload.encode() if isinstance(payload, str) else bytes(payload)
    if masked and len(key) != 4:
        raise LabError(f"The masking key has {len(key)} bytes.", expected="4 (RFC 6455 section 5.3).")
    bits = (fin, layout.FIN), (rsv1, layout.RSV1), (rsv2, layout.RSV2), (rsv3, layout.RSV3)
    first = number | sum(bit for wanted, bit in bits if wanted)
    length = len(data) if length_bytes is None else length_bytes
    header = bytes([first]) + _length(length, length_coding, layout.MASK if masked else 0)
    return header + (key + mask(data, key) if masked else data)


def close_payload(code: int | None = None, reason: str | bytes = "") -> bytes:
    """Return a close frame's payload, whatever the code: nothing, or 2 bytes and the reason (section 5.5.1)."""
    if code is None:
        return b""
    if not 0 <= code <= 0xFFFF:
        raise LabError(f"The close code {code} does not fit into 2 bytes.", expected="0 to 65535.")
    return struct.pack("!H", code) + (reason.encode() if isinstance(reason, str) else reason)


def _opcode(opcode: str | int) -> int:
    if isinstance(opcode, str):
        if opcode not in _OPCODES:
            raise UnknownName("kind of frame", opcode, _OPCODES)
        return _OPCODES[opcode]
    if not 0 <= opcode <= layout.OPCODE_BITS:
        raise LabError(f"{opcode} is no opcode.", expected="0 to 15: it has 4 bits (RFC 6455 section 5.2).")
    return int(opcode)


def _length(length: int, coding: LengthCoding, mask_bit: int) -> bytes:
    if coding == "shortest":
        coding = "16 bits" if length > layout.CONTROL_MAX_BYTES else coding
        coding = "64 bits" if length > 0xFFFF else coding
    try:
        if coding == "16 bits":
            return struct.pack("!BH", mask_bit | layout.LENGTH_IN_16_BITS, length)
        if coding == "64 bits":
            return struct.pack("!BQ", mask_bit | layout.LENGTH_IN_64_BITS, length)
        return struct.pack("!B", mask_bit | length)
    except struct.error:
        raise LabError(f"A length of {length} cannot be written in {coding}.") from None
