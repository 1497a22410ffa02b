"""Hides what a trace should never show: cookies, Authorization, tokens and the like, in HTTP and in messages.

In a frame a secret is replaced by as many asterisks as it has bytes. So lengths, headers and fragments stay true,
and a secret that was split between two frames is hidden in both.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from typing import TypeVar

from labkit.host.logs import HIDDEN, redact
from labkit.wire.conversation import AsgiEvent, Conversation
from labkit.wire.frame import CONTINUATION, Frame, Sender
from labkit.wire.handshake import Exchange, Headers
from labkit.wire.masking import mask
from labkit.wire.trace import Secret, Trace

SECRET_HEADERS = frozenset({"cookie", "set-cookie", "authorization", "proxy-authorization"})

_ESCAPING = "surrogateescape"
_EMPTY_BLOCK = b"\x00\x00\xff\xff"

_ExchangeT = TypeVar("_ExchangeT", bound=Exchange)


def hide_secrets(trace: Trace) -> Trace:
    """Return the trace without its secrets, and with the places where they were. Doing it again changes nothing."""
    secrets = dict.fromkeys(trace.secrets)
    conversations = []
    for each in trace.conversations:
        hidden, places = hide_in_conversation(each)
        conversations.append(hidden)
        secrets.update(dict.fromkeys(Secret(each.id, place) for place in places))
    return dataclasses.replace(trace, conversations=tuple(conversations), secrets=tuple(secrets))


def hide_in_conversation(talk: Conversation) -> tuple[Conversation, list[str]]:
    """Return a conversation without its secrets, and where they were."""
    frames, places = hide_in_frames(talk.frames)
    talk, more = hide_beside_frames(talk)
    return dataclasses.replace(talk, frames=frames), [*more, *places]


def hide_beside_frames(talk: Conversation) -> tuple[Conversation, list[str]]:
    """Return a conversation without the secrets that are not in its frames, and where they were."""
    places: list[str] = []
    hidden = dataclasses.replace(
        talk,
        exchanges=tuple(_in_exchange(each, places) for each in talk.exchanges),
        handshake=_in_exchange(talk.handshake, places) if talk.handshake is not None else None,
        asgi=tuple(_in_event(event) for event in talk.asgi),
        unread=tuple((sender, hide_in_bytes(data)) for sender, data in talk.unread),
    )
    return hidden, places


def hide_in_bytes(data: bytes) -> bytes:
    """Return bytes of the same length in which each byte of a secret is an asterisk."""
    text = data.decode("utf-8", _ESCAPING)
    hidden = redact(text, lambda secret: "*" * len(secret.encode("utf-8", _ESCAPING)))
    return data if hidden == text else hidden.encode("utf-8", _ESCAPING)


def _in_exchange(exchange: _ExchangeT, places: list[str]) -> _ExchangeT:
    request, response = exchange.request, exchange.response
    if request is not None:
        target = redact(request.target)
        if target != request.target:
            places.append("the request's target")
        headers = _in_headers(request.headers, "request", places)
        request = dataclasses.replace(request, target=target, headers=headers)
    if response is not None:
        body = hide_in_bytes(response.body)
        if body != response.body:
            places.append("the response's body")
        headers = _in_headers(response.headers, "response", places)
        response = dataclasses.replace(response, headers=headers, body=body)
    return dataclasses.replace(exchange, request=request, response=response)


def _in_headers(headers: Headers, whose: str, places: list[str]) -> Headers:
    hidden = []
    for name, value in headers:
        shown = HIDDEN if name.lower() in SECRET_HEADERS else redact(value)
        if shown != value or name.lower() in SECRET_HEADERS:
            places.append(f"the {whose}'s {name} header")
        hidden.append((name, shown))
    return tuple(hidden)


def _in_event(event: AsgiEvent) -> AsgiEvent:
    detail = redact(event.detail)
    return event if detail == event.detail else dataclasses.replace(event, detail=detail)


def hide_in_frames(frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], list[str]]:
    """Return frames without their secrets, and where these were.

    Message by message: a secret may begin in one frame and end in the next.
    """
    shown, places = list(frames), list[str]()
    for group in _messages(frames):
        _hide_in_group(shown, group, places)
    return tuple(shown), places


def settled(frames: Sequence[Frame]) -> int:
    """Return how many of the frames come before the oldest message that is unfinished."""
    unfinished = [group[0] for group in _messages(frames) if not _finished(frames[group[-1]])]
    return min(unfinished, default=len(frames))


def _finished(last: Frame) -> bool:
    return last.is_control or last.fin


def _messages(frames: Sequence[Frame]) -> list[list[int]]:
    """Return the places of each message's frames; a control frame is alone."""
    messages: list[list[int]] = []
    open_of: dict[Sender, list[int]] = {}
    for place, frame in enumerate(frames):
        begun = open_of.get(frame.sender)
        if frame.is_control:
            messages.append([place])
            continue
        if begun is not None and frame.opcode == CONTINUATION:
            begun.append(place)
        else:
            begun = open_of[frame.sender] = [place]
            messages.append(begun)
        if frame.fin:
            del open_of[frame.sender]
    return messages


def _hide_in_group(shown: list[Frame], group: list[int], places: list[str]) -> None:
    data = b"".join(shown[place].payload for place in group)
    hidden = hide_in_bytes(data)
    if hidden == data:
        return
    start = 0
    for place in group:
        frame = shown[place]
        end = start + len(frame.payload)
        if hidden[start:end] != frame.payload:
            shown[place] = with_payload(frame, hidden[start:end])
            places.append(f"frame {frame.number}")
        start = end


def with_payload(frame: Frame, payload: bytes) -> Frame:
    """Return a frame with another payload of the same length, and what would then be on the wire.

    A compressed one is compressed anew, by itself; its length on the wire may differ from its header's then.
    """
    if frame.compressed:
        packer = zlib.compressobj(wbits=-15)
        plain = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
        on_wire = plain.removesuffix(_EMPTY_BLOCK)
    else:
        on_wire = payload
    return dataclasses.replace(frame, payload=payload, payload_on_wire=mask(on_wire, frame.mask_key))
