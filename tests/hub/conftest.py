"""A transport whose every send the test decides, a clock that the test moves, and clients made of both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from labkit.hub import Connection, Hub, Joined, Position

DEADLINE_S = 10.0
TURNS = 20


async def turns(count: int = TURNS) -> None:
    """Let everything that is ready run. Not a wait for time: each turn is one pass of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class FakeTransport:
    """Sends at once while `reading` is set, waits while it is not, fails with `error` if there is one."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None
        self.close_calls = 0
        self.reading = asyncio.Event()
        self.reading.set()
        self.error: Exception | None = None
        self.busy = 0
        self.overlapped = False

    async def send(self, data: str | bytes) -> None:
        self.overlapped |= self.busy > 0 or self.closed is not None
        self.busy += 1
        try:
            await self.reading.wait()
            if self.error is not None:
                raise self.error
            self.sent.append(data)
        finally:
            self.busy -= 1

    async def close(self, code: int, reason: str) -> None:
        self.overlapped |= self.busy > 0
        self.close_calls += 1
        await self.reading.wait()
        if self.error is not None:
            raise self.error
        self.closed = (code, reason)

    def messages(self, type_: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for data in self.sent for line in str(data).split("\n")]
        return [message for message in found if type_ is None or message.get("type") == type_]

    def values(self, key: str = "n") -> list[Any]:
        return [message[key] for message in self.messages() if key in message]


class Client:
    """A client and the handler that serves it: `say` is a frame from it, `leave` its end."""

    def __init__(self, hub: Hub, user: str) -> None:
        self.hub = hub
        self.user = user
        self.transport = FakeTransport()
        self.connection: Connection | None = None
        self.joined: Joined | None = None
        self.finished = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def serve(
        self,
        room: str | None,
        since: Position | None,
        welcome: Any,
        options: dict[str, Any],
        entered: asyncio.Event,
    ) -> None:
        try:
            async with self.hub.connect(self.transport, user=self.user, **options) as self.connection:
                if room is not None:
                    self.joined = await self.connection.join(room, since=since, welcome=welcome)
                entered.set()
                await self.finished.wait()
        finally:
            entered.set()

    async def leave(self, code: int = 1000) -> None:
        """Go, as the server sees it: the handler reads the close code and returns."""
        if self.connection is not None:
            self.connection.gone(code)
        self.finished.set()
        await self.over()

    async def over(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([self.task])
        await turns()

    @property
    def numbers(self) -> list[Any]:
        return self.transport.values()


Arrive = Callable[..., Awaitable[Client]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arrive() -> Arrive:
    """Connect a user to a hub and, if named, a room; return when that is done or refused."""

    async def arrive(
        hub: Hub,
        user: str,
        room: str | None = "room",
        *,
        since: Position | None = None,
        welcome: Any = None,
        transport: FakeTransport | None = None,
        wait: bool = True,
        **options: Any,
    ) -> Client:
        client = Client(hub, user)
        client.transport = transport or client.transport
        entered = asyncio.Event()
        client.task = asyncio.create_task(client.serve(room, since, welcome, options, entered))
        if wait:
            async with asyncio.timeout(DEADLINE_S):
                await entered.wait()
        await turns()
        return client

    return arrive


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a story on a fresh loop, with a deadline; nothing may be left of it."""

    def run(story: Coroutine[Any, Any, None]) -> None:
        problems: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
            async with asyncio.timeout(DEADLINE_S):
                await story
            await turns()

        asyncio.run(main())
        assert problems == []

    return run


@pytest.fixture
def settle() -> Callable[..., Awaitable[None]]:
    return turns
