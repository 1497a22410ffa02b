"""What one sender's frames mean, and which rules they break: RFC 6455, and RFC 7692 for compression.

The library `websockets` inflates, and checks the codes of a close frame; what it would refuse is named here
instead, with the section that says so, and the reading goes on.
"""

from __future__ import annotations

import codecs

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.base import Extension
from websockets.frames import Close, Opcode
from websockets.frames import Frame as LibraryFrame

from labkit.wire import layout
from labkit.wire.frame import BINARY, CLOSE, CONTINUATION, OPCODE_NAMES, TEXT, Frame, Problem, Sender
from labkit.wire.frame_reader import KEPT_PAYLOAD_MAX_BYTES, RawFrame
from labkit.wire.masking import mask

INVALID_DATA = 1007

UNMASKED_CLIENT = Problem("A frame from a client must be masked, and this one is not", "5.1")
MASKED_SERVER = Problem("A frame from a server must not be masked, and this one is", "5.1")
RESERVED_BITS = Problem(
    "A reserved bit is set, and no extension was agreed on that gives it a meaning", "5.2"
)
RESERVED_OPCODE = Problem("The opcode is reserved: it has no meaning", "5.2")
LONG_CONTROL = Problem("A control frame carries at most 125 bytes, and this one announces more", "5.5")
FRAGMENTED_CONTROL = Problem("A control frame must not be fragmented, and FIN is not set", "5.5")
LONGER_CODING = Problem("The length must be coded in the fewest bytes, and is not", "5.2")
TOP_BIT = Problem("The topmost bit of a 64-bit length must be 0", "5.2")
NOTHING_TO_CONTINUE = Problem("A continuation frame needs a message to continue, and there is none", "5.4")
MESSAGE_UNFINISHED = Problem("A new message begins before the fragmented one before has ended", "5.4")
AFTER_CLOSE = Problem("A frame comes after its sender's close frame", "5.5.1")
HALF_A_CODE = Problem(
    "A close frame has no payload, or a code of 2 bytes and a reason: 1 byte is neither", "5.5.1"
)
BAD_CODE = Problem("This close code may not be on the wire", "7.4")
REASON_NOT_UTF8 = Problem("The reason of a close frame must be UTF-8", "5.5.1", INVALID_DATA)
NOT_UTF8 = Problem("A text message must be UTF-8", "8.1", INVALID_DATA)
CONTINUED_RSV1 = Problem("RSV1 may be set on a message's first frame only", "RFC 7692 section 6.1")
NOT_DEFLATED = Problem(
    "The payload says that it is compressed, and cannot be inflated", "RFC 7692 section 7.2.2"
)
INFLATES_TOO_FAR = Problem("The payload inflates to more than 16 MiB: it was left compressed", "10.4", 1009)


class Judge:
    """Reads the frames of one sender in turn: unmasks, inflates, and names what is wrong.

    Args:
        sender: whose frames.
        extension: the permessage-deflate of this direction, if it was agreed on.
    """

    def __init__(self, sender: Sender, extension: Extension | None = None) -> None:
        self._sender = sender
        self._extension = extension
        self._begun = 0  # the opcode of the message that is being continued
        self._compressed = False
        self._decoder: codecs.IncrementalDecoder | None = None  # for a fragmented text
        self._closed = False

    def read(self, raw: RawFrame, number: int) -> Frame:
        """Return the frame with its payload and with the first rule that it breaks."""
        header = raw.header
        unmasked = mask(raw.payload_on_wire, layout.mask_key(header))
        problem = self._header_problem(header)
        payload = unmasked
        if raw.complete:
            payload, inflating = self._inflate(header, unmasked, len(raw.payload_on_wire))
            problem = problem or inflating or self._meaning_problem(header, payload)
        return Frame(
            number,
            raw.at_s,
            raw.began_s,
            self._sender,
            header,
            raw.payload_on_wire,
            payload,
            raw.segments,
            raw.complete,
            problem,
        )

    # -- the header ------------------------------------------------------------------------------

    def _header_problem(self, header: bytes) -> Problem | None:
        first, second = header[0], header[1]
        opcode, coded = first & layout.OPCODE_BITS, second & layout.LENGTH_BITS
        masked = bool(second & layout.MASK)
        if first & (layout.RSV2 | layout.RSV3) or (first & layout.RSV1 and not self._may_compress(opcode)):
            return RESERVED_BITS
        if opcode not in OPCODE_NAMES:
            return RESERVED_OPCODE
        if masked != (self._sender == "client"):
            return MASKED_SERVER if masked else UNMASKED_CLIENT
        if opcode >= CLOSE:
            if coded > layout.CONTROL_MAX_BYTES:
                return LONG_CONTROL
            if not first & layout.FIN:
                return FRAGMENTED_CONTROL
        elif coded >= layout.LENGTH_IN_16_BITS:
            return _length_problem(coded, layout.payload_length_bytes(header))
        return None

    def _may_compress(self, opcode: int) -> bool:
        return self._extension is not None and opcode in (CONTINUATION, TEXT, BINARY)

    # -- the payload -----------------------------------------------------------------------------

    def _inflate(self, header: bytes, data: bytes, kept: int) -> tuple[bytes, Problem | None]:
        """Return the payload inflated, if it is compressed."""
        first = header[0]
        opcode = first & layout.OPCODE_BITS
        if self._extension is None or opcode > BINARY:
            return data, None
        if opcode != CONTINUATION:
            self._compressed = bool(first & layout.RSV1)
        elif first & layout.RSV1:
            return data, CONTINUED_RSV1
        if not self._compressed:
            return data, None
        if kept < layout.payload_length_bytes(header):
            return data, NOT_DEFLATED
        frame = LibraryFrame(
            Opcode(opcode), data, bool(first & layout.FIN), opcode != CONTINUATION, False, False
        )
        try:
            return bytes(self._extension.decode(frame, max_size=KEPT_PAYLOAD_MAX_BYTES).data), None
        except PayloadTooBig:
            return data, INFLATES_TOO_FAR
        except (
            ProtocolError,
            AttributeError,
        ):  # AttributeError: the library lets go of a decoder that failed
            return data, NOT_DEFLATED

    def _meaning_problem(self, header: bytes, payload: bytes) -> Problem | None:
        opcode, fin = header[0] & layout.OPCODE_BITS, bool(header[0] & layout.FIN)
        if self._closed:
            return AFTER_CLOSE
        if opcode == CLOSE:
            self._closed = True
            return _close_problem(payload)
        return self._message_problem(opcode, fin, payload) if opcode < CLOSE else None

    def _message_problem(self, opcode: int, fin: bool, payload: bytes) -> Problem | None:
        problem = None
        if opcode == CONTINUATION:
            if not self._begun:
                return NOTHING_TO_CONTINUE
        else:
            problem = MESSAGE_UNFINISHED if self._begun else None
            self._begun = opcode
            self._decoder = None if fin else codecs.getincrementaldecoder("utf-8")()
        if self._begun == TEXT:
            try:
                if self._decoder is None:
                    payload.decode()
                else:
                    self._decoder.decode(payload, fin)
            except UnicodeDecodeError:
                problem = problem or NOT_UTF8
        if fin:
            self._begun = 0
        return problem


def _length_problem(coded: int, length: int) -> Problem | None:
    if coded == layout.LENGTH_IN_64_BITS and length >> 63:
        return TOP_BIT
    fewest = layout.CONTROL_MAX_BYTES if coded == layout.LENGTH_IN_16_BITS else 0xFFFF
    return LONGER_CODING if length <= fewest else None


def _close_problem(payload: bytes) -> Problem | None:
    if len(payload) == 1:
        return HALF_A_CODE
    try:
        Close.parse(payload)
    except ProtocolError:
        return BAD_CODE
    except UnicodeDecodeError:
        return REASON_NOT_UTF8
    return None
