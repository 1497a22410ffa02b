"""A trace as lines of text: one for each thing that happened, in order."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.errors import describe_close
from labkit.wire.conversation import Conversation
from labkit.wire.handshake import Exchange
from labkit.wire.shown_text import shown
from labkit.wire.trace import Trace

Timed = tuple[float, int, str]
"""When, in seconds since the trace began; the conversation's id; what happened."""


def log_lines(trace: Trace, *, max_chars: int = 60) -> list[str]:
    """Return the trace as lines, oldest first, each with its time and its conversation's id."""
    timed = [each for talk in trace.conversations for each in happenings(talk, max_chars=max_chars)]
    timed.sort(key=lambda each: each[0])
    lines = [log_line(each) for each in timed]
    if trace.dropped_frames or trace.dropped_conversations:
        dropped = f"{trace.dropped_frames} frames ({trace.dropped_bytes} bytes)"
        lines.insert(0, f"(the record is full: {dropped} were dropped, the oldest first)")
    return lines


def log_line(happening: Timed) -> str:
    """Return one thing that happened as a line."""
    at_s, id, text = happening
    return f"{at_s:9.4f} s  #{id} {text}"


def happenings(talk: Conversation, *, max_chars: int = 60, after: int = 0) -> Iterator[Timed]:
    """Yield what happened in one conversation, of its frames those with a number above `after`.

    Nothing in the texts can do more to a terminal than be seen, whatever came over the wire.
    """
    for at_s, text in _told(talk, max_chars, after):
        yield at_s, talk.id, shown(text)


def _told(talk: Conversation, max_chars: int, after: int) -> Iterator[tuple[float, str]]:
    for exchange in (*talk.exchanges, *([talk.handshake] if talk.handshake else [])):
        yield from _http(exchange)
    for frame in talk.frames:
        if frame.number <= after:
            continue
        arrow = "→" if frame.sender == "client" else "←"
        size = f"{frame.length_bytes} B"
        if frame.compressed:
            size += f", inflated {len(frame.payload)} B"
        flags = "".join(
            f" {name}"
            for name, there in (
                ("not-final", not frame.fin),
                ("compressed", frame.compressed),
                ("incomplete", not frame.complete),
            )
            if there
        )
        wrong = f"  ✗ {frame.problem}" if frame.problem else ""
        note = f"  ({frame.note})" if frame.note else ""
        preview = frame.preview(max_chars)
        yield frame.at_s, f"{arrow} {frame.opcode_name} [{size}]{flags} {preview}{note}{wrong}"
    for ending in talk.endings:
        how = {"fin": "ends TCP (FIN)", "rst": "cuts TCP (RST)"}.get(ending.how, ending.how)
        yield ending.at_s, f"■ {ending.by} {how}"
    if talk.endings and talk.closed_by is not None:
        told = describe_close(talk.close_code or 0, talk.close_reason, talk.closed_by)
        yield talk.endings[-1].at_s, f"= {told.replace(' (you)', '')}"


def _http(exchange: Exchange) -> Iterator[tuple[float, str]]:
    request, response = exchange.request, exchange.response
    at_s = 0.0
    if request is not None:
        at_s = request.at_s
        yield at_s, f"→ {request.method} {request.target} HTTP/{request.http_version}"
    if response is not None:
        at_s = response.at_s
        yield at_s, f"← HTTP/{response.http_version} {response.status} {response.reason}"
    if exchange.problem is not None:
        yield at_s, f"✗ {exchange.problem}"
