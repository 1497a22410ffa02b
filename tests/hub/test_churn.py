"""Two hundred clients come and go, half of them cut off: afterwards everything is as it was before.

`LABKIT_LONG=1` makes it thirty seconds instead of eight.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import itertools
import logging
import os
import random
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from labkit import serve
from labkit.apps import chat
from labkit.host import Lab
from labkit.hub import Hub
from labkit.hub.presence import Exit, Presence

pytestmark = pytest.mark.slow

CLIENTS = 200
CHURN_S = 30.0 if os.environ.get("LABKIT_LONG") == "1" else 8.0
LEAK_CLIENTS = 60
LEAK_S = 0.5
DEADLINE_S = 60.0
MEMORY_BOUND_BYTES = 512 * 1024
"""What may be left: caches that fill once, and lists that have grown. One connection takes some 20 KiB."""


# ---- the server, and what it holds ---------------------------------------------------------------


class Served:
    """The kit's chat behind `labkit.serve`, with a way to look inside."""

    def __init__(self, lab: Lab, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self.lab = lab
        self.hub = hub
        self.loop = loop

    def holdings(self) -> dict[str, int]:
        """Count what the server holds now: exactly what must be as before when the clients have gone."""

        async def count() -> dict[str, int]:
            stats = self.hub.stats()
            return {
                "tasks": len(asyncio.all_tasks()) - 1,
                "handlers": self.lab.running_handlers,
                "connections of the guard": self.lab.guard.open_connections,
                "connections of uvicorn": len(self.lab._server.server_state.connections),
                "connections of the hub": stats.connections,
                "users": stats.users,
                "members": self.hub.rooms().get(chat.ROOM, 0),
                "tasks of the hub": stats.tasks,
                "deadlines": stats.deadlines,
                "messages waiting": stats.outbox_messages,
                "bytes waiting": stats.outbox_bytes,
                "clients blocked": stats.blocked_now,
                "topics of the broker": len(self.hub._broker.topics),
                "open files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
            }

        return asyncio.run_coroutine_threadsafe(count(), self.loop).result(DEADLINE_S)

    def settled(self, expected: dict[str, int], *, within_s: float) -> dict[str, tuple[int, int]]:
        """Return what is not as expected, name by name, once it is nothing or time is up."""
        moment = threading.Event()
        end = time.monotonic() + within_s
        while True:
            now = self.holdings()
            differing = {name: (value, now[name]) for name, value in expected.items() if now[name] != value}
            if not differing or time.monotonic() > end:
                return differing
            moment.wait(0.02)


@pytest.fixture
def start(monkeypatch) -> Iterator[Callable[..., Served]]:
    """Return start(wrap), which serves a chat that `wrap(app)` may have put something around."""
    made: dict[str, Any] = {}

    def make_hub(**options: Any) -> Hub:
        made["hub"] = Hub(**options)
        return made["hub"]

    monkeypatch.setattr(chat, "Hub", make_hub)
    logging.disable(logging.WARNING)  # pytest keeps every line of every test, and that is memory too
    labs = []

    def start(wrap: Callable[[Any], Any] = lambda app: app) -> Served:
        app = wrap(chat.create_app())

        async def outermost(scope: Any, receive: Any, send: Any) -> None:
            made["loop"] = asyncio.get_running_loop()
            await app(scope, receive, send)

        lab = serve(outermost, name="churn")
        labs.append(lab)
        return Served(lab, made["hub"], made["loop"])

    yield start
    for lab in labs:
        lab.stop()
    logging.disable(logging.NOTSET)


# ---- the clients ---------------------------------------------------------------------------------


@dataclass
class Tally:
    arrived: int = 0
    cut: int = 0
    closed: int = 0
    lost: int = 0
    heard_bytes: int = 0


async def visit(port: int, name: str, dice: random.Random, tally: Tally) -> None:
    """Come, say something, hear a little, and go: politely, or with a reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await shake_hands(reader, writer, name, dice)
        tally.arrived += 1
        heard = b""
        for _ in range(dice.randrange(1, 12)):
            writer.write(Frame(Opcode.TEXT, f"hello from {name}".encode()).serialize(mask=True))
            data = await reader.read(4_096)
            tally.heard_bytes += len(data)
            opcodes, heard = frames_in(heard + data)
            if not data or Opcode.CLOSE in opcodes:  # replaced, or too slow
                break
        if dice.random() < 0.5:
            tally.cut += 1
            # With a linger time of 0 the kernel sends a reset, as for a laptop that has lost its network.
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            tally.closed += 1
            writer.write(Frame(Opcode.CLOSE, struct.pack("!H", 1000)).serialize(mask=True))
            while data := await reader.read(65_536):
                tally.heard_bytes += len(data)
    finally:
        writer.transport.abort()


def frames_in(data: bytes) -> tuple[set[int], bytes]:
    """Return the opcodes of the whole frames in what a server sent, and what is left of it."""
    opcodes, at = set(), 0
    while at + 4 <= len(data):
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = struct.unpack_from("!H", data, at + 2)[0], at + 4
        if start + size > len(data):
            break
        opcodes.add(data[at] & 0x0F)
        at = start + size
    return opcodes, data[at:]


async def shake_hands(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, dice: random.Random
) -> None:
    resume = "?resume=1" if dice.random() < 0.5 else ""
    key = base64.b64encode(dice.randbytes(16)).decode()
    writer.write(
        f"GET /ws/{name}{resume} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head


def churn(port: int, *, clients: int, seconds: float) -> Tally:
    """Have so many clients come and go for so long, each twice at least; return when the last has gone."""
    tally = Tally()
    visits_min = 2 if seconds else 1

    async def seat(number: int, end: float) -> None:
        dice = random.Random(number)
        visits = 0
        while time.monotonic() < end or visits < visits_min:
            visits += 1
            # Some come back by their old name, some by a new one, and some take another's place.
            name = f"user-{dice.choice([number, number + 1, f'{number}-{visits}'])}"
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await visit(port, name, dice, tally)
            except (ConnectionError, asyncio.IncompleteReadError):
                tally.lost += 1

    async def main() -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(seat(number, end) for number in range(clients)))

    asyncio.run(main())
    return tally


def memory_bytes() -> int:
    """Return what Python has allocated, without what is only waiting for the garbage collector."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def churn_and_look(
    served: Served, *, clients: int, seconds: float, within_s: float
) -> tuple[Tally, dict[str, Any]]:
    """Return what the clients did, and what of them is left in the server."""
    churn(served.lab.port, clients=10, seconds=0.0)
    assert served.settled({"members": 0, "connections of uvicorn": 0}, within_s=DEADLINE_S) == {}
    quiet = served.holdings()
    tracemalloc.start()
    try:
        # Once before it counts, so that caches, lists and the room's history are as large as they get.
        churn(served.lab.port, clients=clients, seconds=0.0)
        served.settled(quiet, within_s=within_s)
        before = memory_bytes()
        tally = churn(served.lab.port, clients=clients, seconds=seconds)
        left: dict[str, Any] = served.settled(quiet, within_s=within_s)
        grown = memory_bytes() - before
    finally:
        tracemalloc.stop()
    print(f"\n{tally}; memory grew by {grown / 1024:.0f} KiB; left: {left}")
    if grown > MEMORY_BOUND_BYTES:
        left["memory"] = grown
    return tally, left


# ---- and the tests -------------------------------------------------------------------------------


def test_nothing_is_left_of_two_hundred_clients_that_came_and_went(start):
    served = start()
    tally, left = churn_and_look(served, clients=CLIENTS, seconds=CHURN_S, within_s=DEADLINE_S)
    assert tally.arrived >= 2 * CLIENTS
    assert min(tally.cut, tally.closed) >= tally.arrived // 4
    assert left == {}
    assert not served.lab.logs.errors


def leak_tasks(app: Any) -> Any:
    tasks = set()

    async def leaking(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            tasks.add(asyncio.create_task(asyncio.Event().wait()))
        await app(scope, receive, send)

    return leaking


def leak_memory(app: Any) -> Any:
    kept = []

    async def leaking(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            kept.append(bytearray(16_384))
        await app(scope, receive, send)

    return leaking


def keep_handlers(app: Any) -> Any:
    async def leaking(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        if scope["type"] == "websocket":
            await asyncio.Event().wait()

    return leaking


@pytest.mark.parametrize(
    ("wrap", "found"),
    [
        (leak_tasks, {"tasks"}),
        (leak_memory, {"memory"}),
        (keep_handlers, {"tasks", "handlers", "connections of the guard"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_leak_is_found(start, wrap, found):
    _, left = churn_and_look(start(wrap), clients=LEAK_CLIENTS, seconds=LEAK_S, within_s=3.0)
    assert found <= set(left)


def test_a_user_who_never_leaves_the_room_is_found(start, monkeypatch):
    leave = Presence.exit
    calls = itertools.count()

    def forgetful(self: Presence, *args: Any) -> Exit:
        return leave(self, *args) if next(calls) % 50 != 49 else Exit.UNKNOWN

    monkeypatch.setattr(Presence, "exit", forgetful)
    _, left = churn_and_look(start(), clients=LEAK_CLIENTS, seconds=LEAK_S, within_s=3.0)
    assert "members" in left
