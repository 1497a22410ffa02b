"""Where a frame's fields lie in its bytes: RFC 6455 section 5.2, and nothing else.

`websockets` parses frames too, but it gives up at the first thing that is wrong and keeps neither the header nor
the masking key. Here every header can be read, the malformed ones too.
"""

from __future__ import annotations

import struct

FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
OPCODE_BITS = 0x0F
MASK = 0x80
LENGTH_BITS = 0x7F

LENGTH_IN_16_BITS, LENGTH_IN_64_BITS = 126, 127
"""Values of the 7-bit length that say: the length follows, in so many bits."""

CONTROL_MAX_BYTES = 125
"""What a control frame may carry (section 5.5)."""


def header_size_bytes(second_byte: int) -> int:
    """Return how long a frame's header is, from 2 to 14 bytes, given its second byte."""
    coded = second_byte & LENGTH_BITS
    extended = {LENGTH_IN_16_BITS: 2, LENGTH_IN_64_BITS: 8}.get(coded, 0)
    return 2 + extended + (4 if second_byte & MASK else 0)


def payload_length_bytes(header: bytes) -> int:
    """Return the payload length that a whole header announces, from 0 to 2**64 - 1."""
    coded = header[1] & LENGTH_BITS
    if coded == LENGTH_IN_16_BITS:
        return int(struct.unpack_from("!H", header, 2)[0])
    if coded == LENGTH_IN_64_BITS:
        return int(struct.unpack_from("!Q", header, 2)[0])
    return coded


def mask_key(header: bytes) -> bytes:
    """Return the 4 bytes of the masking key in a whole header, or nothing if there is none."""
    return header[-4:] if header[1] & MASK else b""


def with_mask_key(header: bytes, key: bytes) -> bytes:
    """Return a header with another masking key; one without a key stays as it is."""
    return header[:-4] + key if header[1] & MASK else header
