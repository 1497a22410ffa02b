"""What happened on one connection, told row by row: what each picture of it is drawn from.

Words and facts are decided here, once; `timeline_svg`, `timeline_text` and the live view only lay them out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from labkit.wire.conversation import AsgiEvent, Conversation
from labkit.wire.frame import CLOSE, CONTINUATION, PONG, Frame, Sender
from labkit.wire.handshake import Exchange, Handshake
from labkit.wire.shown_text import counted, seconds, shown, size
from labkit.wire.trace import FaultSpan
from labkit.wire.verdict import Tone, arrived, close_name, how_it_ended, status, verdict, what_the_app_saw

Kind = Literal["request", "response", "frame", "ending", "app", "fold", "note"]

PREVIEW_COLUMNS = 44
TITLE_COLUMNS = 90


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened.

    Attributes:
        kind: what it is; a `fold` stands for rows that are left out, a `note` is a remark of ours.
        at_s: when, in seconds since the connection began.
        sender: who sent it, where it went over the wire; None for what did not.
        label: its name, such as `text` or `101 Switching Protocols`.
        detail: its content in a few characters, already fit to be shown.
        size: its length, such as `5 bytes`.
        notes: what there is to say about it, a line each, with its tone.
        tone: how it is to be taken.
        number: the frame's number, if it is one.
        arrives: False for what the other side never got, or not whole.
    """

    kind: Kind
    at_s: float
    label: str
    sender: Sender | None = None
    detail: str = ""
    size: str = ""
    notes: tuple[tuple[Tone, str], ...] = ()
    tone: Tone = "plain"
    number: int | None = None
    arrives: bool = True


@dataclass(frozen=True, slots=True)
class Tie:
    """Rows that belong together: a ping with its pong, the fragments of a message.

    Attributes:
        kind: what they are.
        side: whose lane it is drawn at: who waits for the pong, who sent the message.
        rows: their indexes, in order.
        label: such as `0.4 ms` or `1 message`.
    """

    kind: Literal["ping", "message"]
    side: Sender
    rows: tuple[int, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Story:
    """A connection, told.

    Attributes:
        title: such as `connection 1: /ws/ada`.
        verdict: what became of it, a sentence each, with its tone.
        rows: what happened, oldest first.
        ties: which rows belong together.
        port: the client's port.
    """

    title: str
    verdict: tuple[tuple[Tone, str], ...]
    rows: tuple[Row, ...]
    ties: tuple[Tie, ...]
    port: int


def tell(talk: Conversation, *, faults: tuple[FaultSpan, ...] = (), app: bool = False) -> Story:
    """Return the story of a connection.

    Args:
        talk: the connection.
        faults: the faults of its trace; those of other connections and other times are left out.
        app: tell also what the app received and sent, where that was recorded.
    """
    spans = [span for span in faults if _was_at_work(span, talk)]
    rows = [*_fault_rows(spans, talk), *_Rows(talk).all(app)]
    placed = sorted(enumerate(rows), key=lambda item: (item[1].at_s, item[0]))
    ordered = tuple(row for _, row in placed)
    place_of = {row.number: index for index, row in enumerate(ordered) if row.number is not None}
    path = shown(talk.path, TITLE_COLUMNS)
    title = f"connection {talk.id}" + (f": {path}" if path else "")
    judged: list[tuple[Tone, str]] = [
        *verdict(talk),
        *(("warn", f"A fault was at work: {_fault_told(span)}.") for span in spans),
    ]
    return Story(title, tuple(judged), ordered, tuple(_ties(talk, place_of)), talk.client_port)


# -- row by row ----------------------------------------------------------------------------------------


class _Rows:
    """Makes the rows of one connection."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        pings, closes = talk.pings, talk.close_frames
        self._ping_of = {ping.pong.number: ping for ping in pings if ping.pong}
        self._pong_lost = {ping.frame.number for ping in pings if ping.pong and not arrived(ping.pong)}
        self._unanswered = {ping.frame.number for ping in pings if ping.pong is None}
        self._bad_pings = self._unanswered | self._pong_lost
        self._closer = closes[0].sender if closes else None
        self._first_close = closes[0].number if closes else None
        self._first_answer = next((each.number for each in closes if each.sender != self._closer), None)
        self._last_read: dict[Sender, tuple[int, int]] = {}

    def all(self, app: bool) -> Iterator[Row]:
        """Yield all rows, each kind in its own order."""
        for exchange in self._talk.exchanges:
            yield from self._of_exchange(exchange)
        if self._talk.handshake is not None:
            yield from self._of_exchange(self._talk.handshake)
        for sender, data in self._talk.unread:
            text = shown(repr(data)[2:-1], PREVIEW_COLUMNS)
            yield Row("note", 0, "unreadable", sender, text, size(len(data)), tone="bad")
        if self._talk.dropped_frames:
            gone = counted(self._talk.dropped_frames, "frame")
            at_s = self._talk.frames[0].at_s if self._talk.frames else self._talk.opened_at_s
            yield Row("fold", self._since(at_s), f"{gone} dropped: the record was full", tone="warn")
        for frame in self._talk.frames:
            yield self._of_frame(frame)
        if app:
            for event in self._talk.asgi:
                yield self._of_event(event)
        yield from self._of_end()

    def _since(self, at_s: float) -> float:
        return at_s - self._talk.opened_at_s

    def _of_exchange(self, exchange: Exchange) -> Iterator[Row]:
        is_handshake = isinstance(exchange, Handshake)
        request, response = exchange.request, exchange.response
        problem = _told("bad", str(exchange.problem) if exchange.problem else "")
        if request is not None:
            target = f"{shown(request.method, 10)} {shown(request.target, PREVIEW_COLUMNS)}"
            asks = "asks to become a WebSocket" if is_handshake else ""
            yield Row(
                "request", self._since(request.at_s), "HTTP", "client", target, size(request.size_bytes),
                notes=_told("plain", asks) + problem, tone="bad" if problem else "plain",
            )  # fmt: skip
        if response is not None:
            notes = () if request is not None else problem
            tone: Tone = "plain"
            if isinstance(exchange, Handshake):
                tone = "good" if exchange.accepted and exchange.accept_is_right else "bad"
                notes += tuple(_on_answer(exchange))
            yield Row(
                "response", self._since(response.at_s), "HTTP", "server", status(exchange),
                size(response.size_bytes), notes=notes, tone=tone,
            )  # fmt: skip

    def _of_frame(self, frame: Frame) -> Row:
        notes = [*self._on_role(frame), *self._on_segments(frame)]
        if not frame.fin and not frame.is_control:
            notes.append(("quiet", "not final: the message goes on"))
        if not frame.complete:
            came = len(frame.payload_on_wire)
            notes.append(("bad", f"incomplete: {came} of {size(frame.length_bytes)} of payload came"))
        if frame.problem is not None:
            notes.append(("bad", str(frame.problem)))
        if frame.note:
            notes.append(("warn", shown(frame.note, PREVIEW_COLUMNS)))
        tone: Tone = "plain"
        if frame.problem is not None or not frame.complete or frame.number in self._bad_pings:
            tone = "bad"
        elif frame.note:
            tone = "warn"
        return Row(
            "frame", self._since(frame.at_s), frame.opcode_name, frame.sender, _content(frame), _length(frame),
            notes=tuple(notes), tone=tone, number=frame.number,
            arrives=arrived(frame),
        )  # fmt: skip

    def _on_role(self, frame: Frame) -> Iterator[tuple[Tone, str]]:
        if frame.number in self._unanswered:
            yield "bad", "not answered so far" if self._talk.is_open else "NEVER ANSWERED: no pong came"
        elif frame.number in self._pong_lost:
            yield "bad", "answered, but the pong never arrived"
        elif frame.opcode == PONG:
            ping = self._ping_of.get(frame.number)
            if ping is not None and not arrived(frame):
                yield "bad", f"answers ping {ping.frame.number}, but NEVER ARRIVES"
            elif ping is not None:
                yield "good", f"answers ping {ping.frame.number}, round trip {seconds(ping.rtt_s or 0)}"
            else:
                yield "quiet", "answers no ping: unasked, which is allowed"
        elif frame.number == self._first_close:
            yield "plain", f"the {frame.sender} closes first"
        elif frame.number == self._first_answer:
            yield "plain", f"the {frame.sender} answers the close"
        elif frame.opcode == CLOSE:
            yield "quiet", "one more close frame"
        elif (
            self._first_close is not None
            and frame.number > self._first_close
            and frame.sender == self._closer
        ):
            yield "bad", "sent after its own close frame"

    def _on_segments(self, frame: Frame) -> Iterator[tuple[Tone, str]]:
        if not frame.segments:
            return
        before = self._last_read.get(frame.sender)
        if len(frame.segments) > 1:
            yield "quiet", f"came in {len(frame.segments)} pieces (TCP reads)"
        elif before is not None and before[0] == frame.segments[0].number:
            yield "quiet", f"in one piece with frame {before[1]} (one TCP read)"
        self._last_read[frame.sender] = (frame.segments[-1].number, frame.number)

    def _of_event(self, event: AsgiEvent) -> Row:
        waited = event.waited_s
        notes: list[tuple[Tone, str]] = []
        if waited is None and event.direction != "handler":
            notes.append(("warn", "still waiting"))
        elif waited is not None and waited >= 0.001 and event.direction != "handler":
            notes.append(("quiet", f"waited {seconds(waited)}"))
        for value, text in (
            (event.receive_queue, "waiting to be received: {}"),
            (event.write_buffer_bytes, "waiting to be sent: {} bytes"),
        ):
            if value and event.direction != "handler":  # at its start the connect event waits, as it should
                notes.append(("warn", text.format(value)))
        if event.loop_lag_s is not None and event.loop_lag_s >= 0.05:
            notes.append(("bad", f"event loop late by {seconds(event.loop_lag_s)}"))
        at_s = event.done_s if event.direction == "receive" and event.done_s is not None else event.at_s
        tone: Tone = "bad" if event.type.startswith("raised") else "plain"
        name = shown(event.type, PREVIEW_COLUMNS)
        detail = shown(f"{name} {event.detail}".strip(), PREVIEW_COLUMNS)
        label = "handler" if event.direction == "handler" else f"{event.direction}()"
        return Row("app", self._since(at_s), label, None, detail, notes=tuple(notes), tone=tone)

    def _of_end(self) -> Iterator[Row]:
        talk = self._talk
        accepted = talk.handshake is not None and talk.handshake.accepted
        for place, ending in enumerate(talk.endings):
            if place == 0 and accepted and not talk.close_frames:
                text = f"no close frame: this is your 1006.{what_the_app_saw(talk)}"
                yield Row("note", self._since(ending.at_s), text, tone="bad")
            tone: Tone = (
                "quiet" if ending.how == "fin" else "warn" if ending.how.startswith("fault") else "bad"
            )
            yield Row("ending", self._since(ending.at_s), how_it_ended(ending), tone=tone)


def _on_answer(shake: Handshake) -> Iterator[tuple[Tone, str]]:
    if not shake.accepted:
        yield "bad", "refused: a browser sees only 1006"
        if shake.response is not None and shake.response.body:
            yield "plain", f"body: {shown(shake.response.body[:400].decode('utf-8', 'replace'), 60)}"
        return
    yield ("good", "the accept key is right") if shake.accept_is_right else ("bad", "the accept key is WRONG")
    if shake.subprotocol:
        yield "plain", f"subprotocol {shown(shake.subprotocol, PREVIEW_COLUMNS)}"
    for extension in shake.extensions:
        yield "plain", f"extension {shown(extension, PREVIEW_COLUMNS)}"


def _told(tone: Tone, text: str) -> tuple[tuple[Tone, str], ...]:
    return ((tone, text),) if text else ()


def _content(frame: Frame) -> str:
    if frame.close is not None:
        code, reason = frame.close
        if len(frame.payload) < 2:
            return "no code (reported as 1005)"
        return close_name(code) + (f" {shown(reason, PREVIEW_COLUMNS)!r}" if reason else "")
    if frame.is_control and (frame.text is None or not frame.text.isprintable()):
        return shown(frame.payload.hex(" "), PREVIEW_COLUMNS)
    return shown(frame.preview(PREVIEW_COLUMNS), PREVIEW_COLUMNS) if frame.payload else ""


def _length(frame: Frame) -> str:
    if frame.compressed and frame.complete:
        return f"{size(len(frame.payload))}, {frame.length_bytes} deflated"
    return size(frame.length_bytes)


def _was_at_work(span: FaultSpan, talk: Conversation) -> bool:
    """Tell whether a fault concerned a conversation while it lasted."""
    last_s = talk.endings[-1].at_s if talk.endings else math.inf
    ended_s = math.inf if span.ended_s is None else span.ended_s
    return span.conversation in (None, talk.id) and span.began_s <= last_s and ended_s >= talk.opened_at_s


def _fault_rows(spans: list[FaultSpan], talk: Conversation) -> Iterator[Row]:
    last_s = talk.endings[-1].at_s if talk.endings else math.inf
    for span in spans:
        began_s = max(span.began_s - talk.opened_at_s, 0.0)
        yield Row("note", began_s, f"fault: {_fault_told(span)}", tone="warn")
        if span.ended_s is not None and span.ended_s <= last_s and span.ended_s > span.began_s:
            yield Row("note", span.ended_s - talk.opened_at_s, "the fault is over", tone="warn")


def _fault_told(span: FaultSpan) -> str:
    toward = "" if span.toward == "both" else f", toward the {span.toward}"
    return f"{shown(span.text, PREVIEW_COLUMNS)}{toward}"


def _ties(talk: Conversation, place_of: dict[int, int]) -> Iterator[Tie]:
    tied: dict[int, list[int]] = {}
    pings = talk.pings
    for ping in pings:
        if ping.pong is not None and arrived(ping.pong):
            tied.setdefault(ping.pong.number, []).append(ping.frame.number)
    for ping in pings:
        if ping.pong is not None and tied.get(ping.pong.number, [0])[-1] == ping.frame.number:
            rows = (place_of[ping.frame.number], place_of[ping.pong.number])
            yield Tie("ping", ping.sender, rows, seconds(ping.rtt_s or 0))
    begun: dict[Sender, list[Frame]] = {"client": [], "server": []}
    for frame in talk.frames:
        parts = begun[frame.sender]
        if frame.is_control or (frame.opcode == CONTINUATION) != bool(parts):
            continue
        parts.append(frame)
        if frame.fin:
            if len(parts) > 1:
                label = f"1 message, {len(parts)} frames"
                yield Tie("message", frame.sender, tuple(place_of[part.number] for part in parts), label)
            parts.clear()
