"""What the hub needs of a connection, and how it writes without waking a task."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Protocol


class Transport(Protocol):
    """One accepted WebSocket, whatever serves it.

    The hub has at most one `send` or `close` under way at a time, and sends nothing after `close`.
    It runs `send` up to its first wait outside any task, so `send` must not ask for the current task
    before that (as `asyncio.timeout` does). Any exception means that the peer is lost.

    A transport that can tell whether a write would have to wait may also have

        def send_now(self, data: str | bytes) -> bool

    which sends and returns True, or does nothing and returns False, whereupon `send` is used. It may be None.
    Where many get one message, each is given the same object, so a frame can be made once and kept for the
    next.
    """

    def send(self, data: str | bytes) -> Coroutine[Any, Any, None]:
        """Send one message, text or binary; wait while the peer is not reading."""

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame."""


class Suspended:
    """A coroutine that has run up to its first wait. Await it to run the rest."""

    __slots__ = ("_coroutine", "_handed_over", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._handed_over = False

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def __iter__(self) -> Suspended:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Pass on what the coroutine already waits for, then run it like any other."""
        if self._handed_over:
            return self._coroutine.send(value)
        self._handed_over = True
        return self._waits_for

    def throw(self, *error: Any) -> Any:
        """Throw into the coroutine, where it waits."""
        self._handed_over = True
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Give the coroutine up."""
        self._coroutine.close()


def start(coroutine: Coroutine[Any, Any, None]) -> Suspended | None:
    """Run a coroutine until it first waits. Return None if it never did, which is the usual case.

    A server's `send` waits only while the peer is behind. Running it here saves a task switch a message.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return Suspended(coroutine, waits_for)
