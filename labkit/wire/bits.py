"""A frame bit by bit: RFC 6455 section 5.2's box filled in, its length worked out, its mask undone byte by byte."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from labkit.wire.frame import OPCODE_NAMES, Frame
from labkit.wire.html_table import AMBER, BLUE, GREEN, GREY, MONO, PURPLE, RED, columns_of_text, table
from labkit.wire.layout import LENGTH_IN_16_BITS, LENGTH_IN_64_BITS
from labkit.wire.shown_text import counted, shown

WORD_BITS = 32
"""The RFC draws its box 32 bits wide."""

SHOWN_PAYLOAD_BYTES = 12

_TINTS = {"FIN": GREEN, "RSV1": GREY, "RSV2": GREY, "RSV3": GREY, "opcode": BLUE, "MASK": RED, "length": AMBER,
          "longer length": AMBER, "masking key": RED, "payload": PURPLE}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the box.

    Attributes:
        name: as the RFC names it.
        bits: its bits as `0` and `1`.
        value: what they amount to.
        meaning: what that says, in a clause.
    """

    name: str
    bits: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class MaskStep:
    """One byte of the payload unmasked: `on_wire ^ key = plain`."""

    place: int
    on_wire: int
    key: int
    plain: int

    def __str__(self) -> str:
        character = repr(chr(self.plain)) if 0x20 <= self.plain < 0x7F else ""
        return f"{self.on_wire:02x} ^ {self.key:02x} = {self.plain:02x} {character}".rstrip()


@dataclass(frozen=True, slots=True)
class FrameBits:
    """A frame taken apart; a cell shows the box, `print()` says the same in words.

    Attributes:
        title: such as `frame 3, from the client`.
        fields: the header's fields in order, and the first bytes of the payload.
        length: how the length is coded, in a sentence.
        mask: the mask undone for the first bytes; empty if there is none.
        mask_text: what the mask does, or why there is none, in a sentence.
        problem: what is wrong with the frame, in words; mostly empty.
        payload: what comes out, in a few characters.
    """

    title: str
    fields: tuple[Field, ...]
    length: str
    mask: tuple[MaskStep, ...]
    mask_text: str
    problem: str
    payload: str

    def __str__(self) -> str:
        lines = [self.title]
        lines += columns_of_text([(f.name, _beginning(f.bits), f.value, f.meaning) for f in self.fields])
        lines += ["", self.length, self.mask_text, *(f"  byte {step.place}: {step}" for step in self.mask)]
        lines.append(f"payload: {self.payload}")
        if self.problem:
            lines.append(f"✗ {self.problem}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        parts = [f"<div><b>{escape(self.title)}</b></div>{self._box()}"]
        parts.append(
            table([(f.name, f.value, f.meaning) for f in self.fields], head=("field", "value", "says"))
        )
        parts.append(f"<div>{escape(self.length)}</div><div>{escape(self.mask_text)}</div>")
        if self.mask:
            rows = [
                ("on the wire", *(f"{step.on_wire:02x}" for step in self.mask)),
                ("^ masking key", *(f"{step.key:02x}" for step in self.mask)),
                ("= payload", *(f"{step.plain:02x}" for step in self.mask)),
                ("as text", *(chr(s.plain) if 0x20 <= s.plain < 0x7F else "·" for s in self.mask)),
            ]
            parts.append(table(rows, mono=True))
        parts.append(f"<div>payload: <code>{escape(self.payload)}</code></div>")
        if self.problem:
            parts.append(f'<div style="{RED}; padding: 4px 8px">✗ {escape(self.problem)}</div>')
        return "".join(parts)

    def _box(self) -> str:
        border = "border: 1px solid rgba(127, 127, 127, 0.6)"
        numbers = "".join(
            f'<th scope="col" style="padding: 0 3px; font-weight: normal; opacity: 0.7; text-align: center; '
            f'font-size: 11px">{bit}</th>'
            for bit in range(WORD_BITS)
        )
        rows = []
        for word in words_of(self.fields):
            cells = "".join(
                f'<td colspan="{len(bits)}" style="{border}; {_TINTS[field.name]}; padding: 3px 2px; '
                f'text-align: center; white-space: nowrap"><span style="{MONO}; font-size: 13px">'
                f'{_grouped(bits)}</span><br><span style="font-size: 11px">{escape(field.name)}</span></td>'
                for field, bits in word
            )
            rows.append(f'<tr style="background: none">{cells}</tr>')
        return (
            '<table style="border-collapse: collapse; margin: 6px 0"><thead><tr style="background: none">'
            f"{numbers}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )


def frame_bits(frame: Frame) -> FrameBits:
    """Return a frame taken apart."""
    header = "".join(f"{byte:08b}" for byte in frame.header)
    fields = [_flag("FIN", frame.fin, "the last frame of its message", "more frames of this message follow")]
    for place, name in enumerate(("RSV1", "RSV2", "RSV3"), start=1):
        is_set = header[place] == "1"
        compressed = (
            "compressed (permessage-deflate)"
            if name == "RSV1" and frame.compressed
            else "reserved: should be 0"
        )
        fields.append(_flag(name, is_set, compressed, "reserved"))
    kind = "a control frame" if frame.is_control else "part of a message"
    opcode = frame.opcode_name if frame.opcode in OPCODE_NAMES else "reserved: nobody may send it"
    fields.append(Field("opcode", header[4:8], f"0x{frame.opcode:X}", f"{opcode}, {kind}"))
    fields.append(
        _flag("MASK", frame.masked, "masked, as every client must", "not masked, as every server's frame")
    )
    code = frame.length_code
    coded = {
        LENGTH_IN_16_BITS: "the length is in the next 16 bits",
        LENGTH_IN_64_BITS: "the length is in the next 64 bits",
    }
    fields.append(Field("length", header[9:16], str(code), coded.get(code, "bytes of payload")))
    key_bits = len(frame.mask_key) * 8
    if longer := header[16 : len(header) - key_bits]:
        fields.append(Field("longer length", longer, str(frame.length_bytes), "bytes of payload"))
    if frame.masked:
        fields.append(
            Field("masking key", header[-32:], frame.mask_key.hex(" "), "chosen at random for this frame")
        )
    beginning = frame.payload_on_wire[:SHOWN_PAYLOAD_BYTES]
    if beginning:
        more = len(frame.payload_on_wire) > len(beginning)
        which = f"the first {len(beginning)} bytes, " if more else ""
        how = "masked" if frame.masked else "as it is"
        bits = "".join(f"{byte:08b}" for byte in beginning)
        fields.append(
            Field("payload", bits, beginning.hex(" ") + (" …" if more else ""), f"{which}{how} on the wire")
        )
    return FrameBits(
        f"Frame {frame.number}, from the {frame.sender}: {counted(len(frame.header), 'byte')} of header, "
        f"{counted(frame.length_bytes, 'byte')} of payload",
        tuple(fields),
        _length_told(frame),
        tuple(_mask_steps(frame, len(beginning))),
        _mask_told(frame),
        str(frame.problem) if frame.problem else "",
        shown(frame.preview(), 80) or "empty",
    )


def _flag(name: str, is_set: bool, if_set: str, if_not: str) -> Field:
    return Field(name, str(int(is_set)), str(int(is_set)), if_set if is_set else if_not)


def _length_told(frame: Frame) -> str:
    coded, length = frame.length_code, frame.length_bytes
    if coded == LENGTH_IN_16_BITS:
        return f"Length: the 7 bits say 126, which means that the next 16 bits hold it: {length}."
    if coded == LENGTH_IN_64_BITS:
        return f"Length: the 7 bits say 127, which means that the next 64 bits hold it: {length}."
    return f"Length: up to 125 the 7 bits hold it themselves: {length}. 126 and 127 would announce 16 or 64 more bits."


def _mask_told(frame: Frame) -> str:
    if not frame.masked:
        return "Mask: none. A server's frames are never masked (section 5.1)."
    if not frame.payload_on_wire:
        return "Mask: a key, but no payload to mask."
    still = ", which is still compressed" if frame.compressed else ""
    return (
        f"Mask: byte i of the payload is byte i of the wire ^ byte (i mod 4) of the key (section 5.3){still}."
    )


def _mask_steps(frame: Frame, count: int) -> list[MaskStep]:
    key = frame.mask_key
    plain = frame.unmasked
    if not key:
        return []
    return [
        MaskStep(place, frame.payload_on_wire[place], key[place % 4], plain[place]) for place in range(count)
    ]


def words_of(fields: tuple[Field, ...]) -> list[list[tuple[Field, str]]]:
    """Return the fields cut into words of 32 bits, as the RFC's drawing has them: each part with its field."""
    words: list[list[tuple[Field, str]]] = [[]]
    room = WORD_BITS
    for field in fields:
        bits = field.bits
        while bits:
            if not room:
                words.append([])
                room = WORD_BITS
            part, bits = bits[:room], bits[room:]
            words[-1].append((field, part))
            room -= len(part)
    return words


def _grouped(bits: str) -> str:
    """Return bits in bytes, with a space between."""
    return " ".join(bits[place : place + 8] for place in range(0, len(bits), 8)) if len(bits) > 8 else bits


def _beginning(bits: str) -> str:
    """Return what fits into one line: a word at most."""
    return _grouped(bits[:WORD_BITS]) + (" …" if len(bits) > WORD_BITS else "")
