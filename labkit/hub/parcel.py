"""A message as it travels: serialised once, with its way of delivery."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Encode = Callable[[Any], str | bytes]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message is treated when a client is behind. Use `RELIABLE`, `VOLATILE` or `latest(key)`."""

    kind: Literal["reliable", "latest", "volatile"]
    key: str = ""


RELIABLE = Delivery("reliable")
"""Every message arrives, in order; in a room it is numbered and stored. Chat, finished strokes."""
VOLATILE = Delivery("volatile")
"""Dropped for a client that is behind. Effects, reactions."""


def latest(key: str) -> Delivery:
    """Only the newest message of a key waits, in the place of the one before. Cursors, figures, typing."""
    return Delivery("latest", key)


class Parcel:
    """One message, shared by every outbox that holds it. `seq` is its number in its room, if it has one."""

    __slots__ = ("data", "delivery", "joins", "reliable", "seq", "size")

    def __init__(self, data: str | bytes, delivery: Delivery = RELIABLE, seq: int | None = None) -> None:
        self.data = data if seq is None else numbered(data, seq)
        self.delivery = delivery
        self.reliable = delivery.kind == "reliable"
        self.seq = seq
        # str.encode() makes bytes only to be counted, but once a message and not once a client.
        self.size = size_of(self.data)
        self.joins = isinstance(data, str) and "\n" not in data


def to_json(message: Any) -> str | bytes:
    """Serialise a message compactly; `str` and `bytes` pass as they are.

    A lone surrogate, which no UTF-8 can carry, is escaped in JSON and becomes ``?`` in plain text.

    Raises:
        ValueError: the message holds NaN or an infinity, which JSON does not have.
        TypeError: the message is not made of what JSON has.
    """
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return message if _encodable(message) else message.encode("utf-8", "replace").decode()
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text if _encodable(text) else json.dumps(message, allow_nan=False, separators=(",", ":"))


def size_of(data: str | bytes) -> int:
    """Return how many bytes this is on the wire, without the frame's header."""
    return len(data) if isinstance(data, bytes) else len(data.encode())


def numbered(data: str | bytes, seq: int) -> str | bytes:
    """Write ``"seq"`` into a message that is a JSON object; anything else passes unnumbered.

    The room's order is known only when a message comes back from the broker, and by then it is
    serialised; so the number is spliced in, once a message.
    """
    if isinstance(data, bytes) or not data.startswith("{"):
        return data
    rest = data[1:]
    return f'{{"seq":{seq}{rest}' if rest.lstrip().startswith("}") else f'{{"seq":{seq},{rest}'


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
