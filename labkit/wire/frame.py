"""One WebSocket frame as it went over the wire (RFC 6455 section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from websockets.exceptions import ProtocolError
from websockets.frames import Close

from labkit.wire import layout

if TYPE_CHECKING:
    from labkit.wire.bits import FrameBits

Sender = Literal["client", "server"]

OPCODE_NAMES = {0x0: "continuation", 0x1: "text", 0x2: "binary", 0x8: "close", 0x9: "ping", 0xA: "pong"}
"""The opcodes that have a meaning, section 5.2; all others are reserved."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = OPCODE_NAMES

DROPPED = "dropped by a fault"
"""The note beside a frame that never arrived."""

NO_CODE = 1005
"""What a close frame without a code is reported as (section 7.1.5); never on the wire."""


class Segment(NamedTuple):
    """One read from a TCP connection, as far as it held bytes of one frame.

    Attributes:
        number: the read's number in its direction, from 1. Two frames that share it came in one piece (coalesced);
            a frame with several was split.
        at_s: when it was read, in seconds since the trace began.
        size_bytes: how many bytes of this frame it held, header and payload together.
    """

    number: int
    at_s: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a frame or a handshake.

    Attributes:
        text: what, in one sentence for a learner.
        section: where the rule stands, such as `5.1`: a section of RFC 6455, or of RFC 7692 if it starts with that.
        close_code: the close code that the receiver should answer with: 1002, 1007 or 1009.
    """

    text: str
    section: str
    close_code: int = 1002

    def __str__(self) -> str:
        return f"{self.text} ({self.source})"

    @property
    def source(self) -> str:
        """The document and the section, such as `RFC 6455 section 5.1`."""
        return f"RFC 6455 section {self.section}" if self.section[0] != "R" else self.section


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, with its bytes. Everything that the header says is read from `header`.

    Attributes:
        number: its number among the frames of its conversation, both directions together, from 1.
        at_s: when its last byte (so far) was recorded, in seconds since the trace began.
        began_s: when its first byte was recorded.
        sender: who sent it.
        header: its 2 to 14 bytes before the payload, masking key included, as on the wire (section 5.2).
        payload_on_wire: the payload as on the wire: masked if `masked`, deflated if `compressed`. Frames above
            16 MiB keep only their beginning: see `cut`.
        payload: the payload as its receiver understands it: unmasked, inflated.
        segments: the TCP reads in which it came.
        complete: whether all its bytes came; False for the last frame of a connection that was cut.
        problem: what is wrong with it, or None.
        note: what a fault of the proxy did with it, such as `dropped`; mostly empty.
    """

    number: int
    at_s: float
    began_s: float
    sender: Sender
    header: bytes
    payload_on_wire: bytes
    payload: bytes
    segments: tuple[Segment, ...] = ()
    complete: bool = True
    problem: Problem | None = None
    note: str = field(default="")

    # -- what the header says (section 5.2) --------------------------------------------------------

    @property
    def fin(self) -> bool:
        """Whether it is the last frame of its message."""
        return bool(self.header[0] & layout.FIN)

    @property
    def rsv1(self) -> bool:
        """The first reserved bit; with permessage-deflate it says "compressed" (RFC 7692 section 6)."""
        return bool(self.header[0] & layout.RSV1)

    @property
    def rsv2(self) -> bool:
        """The second reserved bit."""
        return bool(self.header[0] & layout.RSV2)

    @property
    def rsv3(self) -> bool:
        """The third reserved bit."""
        return bool(self.header[0] & layout.RSV3)

    @property
    def opcode(self) -> int:
        """The opcode, from 0 to 15."""
        return self.header[0] & layout.OPCODE_BITS

    @property
    def opcode_name(self) -> str:
        """`continuation`, `text`, `binary`, `close`, `ping`, `pong`, or `reserved 0x3` and the like."""
        return OPCODE_NAMES.get(self.opcode, f"reserved 0x{self.opcode:X}")

    @property
    def is_control(self) -> bool:
        """Whether it is a control frame: close, ping, pong or a reserved one (section 5.5)."""
        return self.opcode >= CLOSE

    @property
    def masked(self) -> bool:
        """Whether the MASK bit is set: it must be from a client, and must not be from a server (section 5.1)."""
        return bool(self.header[1] & layout.MASK)

    @property
    def mask_key(self) -> bytes:
        """The masking key, 4 bytes, or nothing (section 5.3)."""
        return layout.mask_key(self.header)

    @property
    def length_code(self) -> int:
        """The 7-bit length field: the length itself up to 125, else 126 (16 bits follow) or 127 (64 bits)."""
        return self.header[1] & layout.LENGTH_BITS

    @property
    def length_bytes(self) -> int:
        """The payload length that the header announces."""
        return layout.payload_length_bytes(self.header)

    # -- what it amounts to ------------------------------------------------------------------------

    @property
    def wire_bytes(self) -> int:
        """How many bytes it takes on the wire: header and payload, as announced."""
        return len(self.header) + self.length_bytes

    @property
    def dropped(self) -> bool:
        """Whether a fault of the proxy dropped it: its receiver never got it."""
        return self.note == DROPPED

    @property
    def compressed(self) -> bool:
        """Whether its payload was deflated: what came out differs from what went over the wire."""
        return len(self.payload) != len(self.payload_on_wire) or self.unmasked != self.payload

    @property
    def unmasked(self) -> bytes:
        """The payload as on the wire, but unmasked: still deflated, if it was."""
        if not self.masked:
            return self.payload_on_wire
        from labkit.wire.masking import mask

        return mask(self.payload_on_wire, self.mask_key)

    @property
    def cut(self) -> bool:
        """Whether `payload_on_wire` holds less than the header announces: lost, or too long to be kept."""
        return len(self.payload_on_wire) < self.length_bytes

    @property
    def text(self) -> str | None:
        """The payload as text, or None if it is not UTF-8. A fragment may end within a character."""
        try:
            return self.payload.decode()
        except UnicodeDecodeError:
            return None

    @property
    def close(self) -> tuple[int, str] | None:
        """Code and reason of a close frame (section 5.5.1), 1005 for one without a code; None for other frames.

        A code that may not be sent is returned as it is; a reason that is not UTF-8 with replacement characters.
        """
        if self.opcode != CLOSE:
            return None
        if len(self.payload) < 2:
            return NO_CODE, ""
        try:
            told = Close.parse(self.payload)
        except (ProtocolError, UnicodeDecodeError):
            return int.from_bytes(self.payload[:2], "big"), self.payload[2:].decode("utf-8", "replace")
        return int(told.code), told.reason

    def bits(self) -> FrameBits:
        """Return the frame taken apart bit by bit, for a cell to display: header, length, and the mask undone."""
        from labkit.wire.bits import frame_bits

        return frame_bits(self)

    def __str__(self) -> str:
        arrow = "→" if self.sender == "client" else "←"
        more = "" if self.fin else ", not final"
        return f"{arrow} {self.opcode_name} {self.preview()} [{self.length_bytes} bytes{more}]"

    def preview(self, max_chars: int = 60) -> str:
        """Return the payload in a few characters: text in quotation marks, code and reason, or hexadecimal."""
        if self.close is not None:
            code, reason = self.close
            return f"{code} {reason}".strip()
        beginning = self.payload[: 4 * max_chars]
        if self.opcode != BINARY and (text := _as_text(beginning)) is not None:
            shown = repr(text[:max_chars])
            cut = len(text) > max_chars
        else:
            shown = beginning[: max_chars // 3].hex(" ")
            cut = len(self.payload) > max_chars // 3
        return f"{shown}…" if cut or len(self.payload) > len(beginning) else shown


def _as_text(data: bytes) -> str | None:
    """Decode a piece of a text whose ends may lie within a character; None if it is none."""
    for skipped in range(min(4, len(data) + 1)):
        try:
            return data[skipped:].decode()
        except UnicodeDecodeError as error:
            if error.start and len(data) - skipped - error.start < 4 and "end of data" in error.reason:
                return data[skipped : skipped + error.start].decode()
    return None
