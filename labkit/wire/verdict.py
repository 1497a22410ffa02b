"""What became of a connection, in sentences: how it began, who closed it and with which code, what was wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from labkit.errors import CLOSE_CODE_NAMES
from labkit.wire.conversation import Conversation, Ending, Ping
from labkit.wire.frame import NO_CODE, Frame
from labkit.wire.handshake import Exchange
from labkit.wire.shown_text import counted, shown

Tone = Literal["plain", "quiet", "good", "warn", "bad"]
"""How a sentence is to be taken."""

SIGNS: dict[Tone, str] = {"plain": "·", "quiet": "·", "good": "✓", "warn": "!", "bad": "✗"}
"""What stands before it, for who does not see the colour."""


def close_name(code: int) -> str:
    """Return a close code with its meaning, such as `1000 (normal closure)`."""
    return (
        f"{code} ({CLOSE_CODE_NAMES.get(code, 'private code' if 3000 <= code <= 4999 else 'unknown code')})"
    )


def verdict(talk: Conversation) -> Iterator[tuple[Tone, str]]:
    """Tell in sentences how a connection began and ended, and what was wrong with it."""
    shake = talk.handshake
    if shake is None:
        yield from _verdict_on_http(talk)
        return
    if shake.response is None:
        ended = "" if talk.is_open else f" before {how_it_ended(talk.endings[0])}"
        yield "bad", f"The handshake was never answered{ended}."
    elif not shake.accepted:
        told = status(shake)
        yield "bad", f"Refused: HTTP {told}. There never was a WebSocket; a browser's script sees only 1006."
    elif not shake.accept_is_right:
        yield "bad", "Sec-WebSocket-Accept does not belong to the key: the client must give up."
    if shake.accepted:
        yield _verdict_on_close(talk)
    yield from _verdict_on_pings(talk)
    problems = talk.problems
    for frame in problems[:3]:
        yield "bad", f"Frame {frame.number}, from the {frame.sender}, breaks a rule: {frame.problem}"
    if len(problems) > 3:
        yield "bad", f"{len(problems) - 3} more frames break rules."
    if faults := sum(bool(frame.note) for frame in talk.frames):
        yield "warn", f"{counted(faults, 'frame')} {'was' if faults == 1 else 'were'} touched by a fault."
    if talk.dropped_frames:
        yield "warn", f"The record was full: its first {counted(talk.dropped_frames, 'frame')} are gone."


def _verdict_on_http(talk: Conversation) -> Iterator[tuple[Tone, str]]:
    if talk.exchanges:
        yield "quiet", f"Plain HTTP: {counted(len(talk.exchanges), 'request')}, no WebSocket was asked for."
    elif talk.unread:
        yield "bad", "What came is no HTTP request."
    else:
        yield "quiet", "Connected, but nothing was asked."


def _verdict_on_close(talk: Conversation) -> tuple[Tone, str]:
    closes = talk.close_frames
    if not closes:
        if talk.is_open:
            return "quiet", "Still open."
        saw = what_the_app_saw(talk)
        return "bad", f"No close frame: this is your 1006; {how_it_ended(talk.endings[0])}.{saw}"
    first = closes[0]
    other = "server" if first.sender == "client" else "client"
    answer = next((frame for frame in closes if frame.sender == other), None)
    reason = first.close[1] if first.close else ""
    said = f", reason {shown(reason, 60)!r}" if reason else ""
    began = f"Closed first by the {first.sender}, {_with_code(first)}{said}."
    if answer is None:
        waiting = " The {} has not answered yet." if talk.is_open else " The {} sent no close frame back."
        return "warn", began + waiting.format(other)
    return "good", f"{began} The {other} answered {_with_code(answer, named=False)}."


def _with_code(frame: Frame, *, named: bool = True) -> str:
    code = frame.close[0] if frame.close else NO_CODE
    if code == NO_CODE and len(frame.payload) < 2:
        return "without a code (reported as 1005)" if named else "without a code"
    return f"with {close_name(code) if named else code}"


def _verdict_on_pings(talk: Conversation) -> Iterator[tuple[Tone, str]]:
    pings = talk.pings
    unanswered = [ping for ping in pings if ping.pong is None]
    lost = [ping for ping in pings if ping.pong is not None and not arrived(ping.pong)]
    for sender in ("client", "server"):
        yield from _said_of_pings(
            [ping for ping in unanswered if ping.sender == sender],
            "{} of the {sender} ({frames}) {was} "
            + ("so far not answered." if talk.is_open else "never answered."),
        )
        yield from _said_of_pings(
            [ping for ping in lost if ping.sender == sender],
            "{} of the {sender} ({frames}) {was} answered, but the pong never arrived.",
        )
    if pings and not unanswered and not lost:
        yield "good", f"Every ping was answered ({len(pings)})."


def _said_of_pings(pings: list[Ping], sentence: str) -> Iterator[tuple[Tone, str]]:
    if pings:
        many = len(pings) > 1
        numbers = ", ".join(str(ping.frame.number) for ping in pings[:6]) + (", …" if len(pings) > 6 else "")
        frames = f"frame{'s' if many else ''} {numbers}"
        counts = counted(len(pings), "ping")
        yield (
            "bad",
            sentence.format(counts, sender=pings[0].sender, frames=frames, was="were" if many else "was"),
        )


def arrived(frame: Frame) -> bool:
    """Tell whether the other side got a frame, and got it whole."""
    return frame.complete and "drop" not in frame.note


def how_it_ended(ending: Ending) -> str:
    """Tell how one side let go of the TCP connection."""
    who = {"client": "the client", "server": "the server"}.get(ending.by, "the proxy")
    if ending.how.startswith("fault"):
        which = shown(ending.how.partition(":")[2].strip(), 40)
        return "a fault cut the connection" + (f" ({which})" if which != "cut" else "")
    return (
        f"{who} {'cut the TCP connection (RST)' if ending.how == 'rst' else 'ended the TCP connection (FIN)'}"
    )


def what_the_app_saw(talk: Conversation) -> str:
    """Tell the close code that the app was given, as a sentence with a space before it; empty if unknown."""
    for event in reversed(talk.asgi):
        if event.type == "websocket.disconnect" and (found := re.search(r"\b[1-4]\d{3}\b", event.detail)):
            return f" The app saw {found[0]}."
    return ""


def status(exchange: Exchange) -> str:
    """Return a response's status and phrase, such as `403 Forbidden`."""
    response = exchange.response
    return f"{response.status} {shown(response.reason, 40)}".strip() if response else ""
