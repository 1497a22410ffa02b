"""What fan-out costs the server, what one client that never reads does to the others, what an idle one costs.

    python tests/bench/hub_fanout.py                          # all of it, in about four minutes
    python tests/bench/hub_fanout.py --clients 200 --rounds 1 --only throughput

Each server runs in a process of its own and, where there are two cores, on a core of its own; the clients are
on the other. Every figure of a table is from one run, the variants take turns in each round, and the median
of the rounds counts. A machine's speed drifts, so only ratios within a run say something.

The kit is measured as its apps use it: hub, `labkit.apps.socket_transport`, labkit's guard and protocols.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import importlib.util
import multiprocessing
import os
import platform
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from labkit.apps.messages.session import read_pong
from labkit.apps.socket_transport import BATCH_PROTOCOL, accept, incoming
from labkit.host.guard import Guard
from labkit.host.identity import IdentifiedApp, Identity
from labkit.host.protocol import protocol_options
from labkit.hub import Hub

CORES = sorted(os.sched_getaffinity(0))

SIZE = 120
BATCH = 16
BURST = 32
DELIVERIES = 64_000
SIZES = (50, 200, 1_000)

STALL_CLIENTS = 20
STALL_HZ = 100
STALL_S = 2.0
STALL_SIZE = 4_096
FLOOD_MESSAGES = 2_000
FLOOD_TIMEOUT_S = 3.0
IDLE_CLIENTS = 1_000

TUTORIAL_DEFAULT = "tutorial, uvicorn's defaults (deflate on)"
TUTORIAL = "tutorial, deflate off: its best case"
SOCKETIO = "python-socketio, deflate off"
BROADCAST = "websockets.broadcast, deflate off"
RAW = "raw transports, frames precomputed"
KIT = "labkit, one message a frame"
KIT_BATCHED = "labkit, batching subprotocol, bursts"
BARE = "bare FastAPI endpoint, deflate off"
BARE_DEFAULT = "bare FastAPI endpoint, uvicorn's defaults"
BARE_ASGI = "bare ASGI function, deflate off"

TARGETS = """\
wanted: labkit >= 1.3 x tutorial's best case and >= 0.65 x broadcast; batched >= 5 x broadcast"""

Run = Callable[[list[str], int], Any]


# ---- servers: each is `app, run`, where run(texts, burst) fans texts out -----------------------------


def load_tutorial() -> Any:
    path = Path(__file__).parent.parent / "hub" / "tutorial_manager.py"
    spec = importlib.util.spec_from_file_location("tutorial_manager", path)
    module = sys.modules["tutorial_manager"] = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def tutorial_app() -> tuple[Any, Run]:
    tutorial = load_tutorial()
    manager = tutorial.ListManager()

    async def run(texts: list[str], burst: int) -> None:
        for text in texts:
            await manager.broadcast(text)

    return tutorial.chat_app(manager), run


def kit_app() -> tuple[Any, Run]:
    app, hub = FastAPI(), Hub()

    @app.websocket("/ws/{user_id}")
    async def endpoint(ws: WebSocket, user_id: str) -> None:
        transport = await accept(ws)
        async with hub.connect(transport, user=user_id, batches=transport.batches) as connection:
            await connection.join("room")
            async for _ in incoming(ws, connection, read_pong):
                pass

    async def run(texts: list[str], burst: int) -> None:
        for first in range(0, len(texts), burst):
            for text in texts[first : first + burst]:
                hub.publish("room", text)
            await asyncio.sleep(0)
        while any(len(c.writer.outbox) and not c.writer.outbox.stalled for c in hub._connections.values()):
            await asyncio.sleep(0)

    return Guard(IdentifiedApp(app, Identity(server="bench"))), run


def socketio_app() -> tuple[Any, Run]:
    import socketio

    sio = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], monitor_clients=False)

    async def run(texts: list[str], burst: int) -> None:
        for text in texts:
            await sio.emit("m", text)
            await asyncio.sleep(0)

    return socketio.ASGIApp(sio), run


def bare_app() -> tuple[Any, Run]:
    app = FastAPI()

    @app.websocket("/ws/{user_id}")
    async def endpoint(ws: WebSocket, user_id: str) -> None:
        await ws.accept()
        async for _ in ws.iter_text():
            pass

    return app, no_run


def bare_asgi_app() -> tuple[Any, Run]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    return app, no_run


async def no_run(texts: list[str], burst: int) -> None:
    raise NotImplementedError


class RawServer(asyncio.Protocol):
    """The floor: a handshake, and from then on bytes."""

    transports: set[Any] = set()  # noqa: RUF012

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.head = b""

    def data_received(self, data: bytes) -> None:
        self.head += data
        if not self.head.endswith(b"\r\n\r\n") or self.transport in self.transports:
            return
        key = self.head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        self.transports.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transports.discard(self.transport)


def uvicorn_options(variant: str) -> dict[str, Any]:
    options: dict[str, Any] = {"ws": "websockets-sansio", "ws_per_message_deflate": False}
    if variant in (TUTORIAL_DEFAULT, BARE_DEFAULT):
        options["ws_per_message_deflate"] = True
    elif variant in (KIT, KIT_BATCHED):
        options |= {"proxy_headers": False, **protocol_options()}  # as labkit.serve() does
    return options


APPS = {
    TUTORIAL_DEFAULT: tutorial_app,
    TUTORIAL: tutorial_app,
    SOCKETIO: socketio_app,
    KIT: kit_app,
    KIT_BATCHED: kit_app,
    BARE: bare_app,
    BARE_DEFAULT: bare_app,
    BARE_ASGI: bare_asgi_app,
}


async def serve_uvicorn(variant: str, sock: socket.socket, pipe: Pipe) -> None:
    app, run = APPS[variant]()
    config = uvicorn.Config(
        app,
        ws_ping_interval=None,
        loop="asyncio",
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
        **uvicorn_options(variant),
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    await obey(pipe, run)
    server.should_exit = True
    await serving


async def serve_websockets(sock: socket.socket, pipe: Pipe) -> None:
    async def handler(connection: Any) -> None:
        with suppress(ConnectionClosed):
            async for _ in connection:
                pass

    async with serve(handler, sock=sock, compression=None, ping_interval=None) as server:

        async def run(texts: list[str], burst: int) -> None:
            for text in texts:
                broadcast(server.connections, text)
                await asyncio.sleep(0)

        await obey(pipe, run)


async def serve_raw(sock: socket.socket, pipe: Pipe) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(RawServer, sock=sock)

    async def run(texts: list[str], burst: int) -> None:
        for frame in [Frame(Opcode.TEXT, text.encode()).serialize(mask=False) for text in texts]:
            for transport in RawServer.transports:
                transport.write(frame)
            await asyncio.sleep(0)

    await obey(pipe, run)


async def obey(pipe: Pipe, run: Run) -> None:
    """Do what the parent asks for."""
    pipe.send("ready")
    loop = asyncio.get_running_loop()
    process = psutil.Process()
    while (command := await loop.run_in_executor(None, pipe.recv)) is not None:
        answer: Any = None
        match command:
            case ("cpu",):
                answer = time.process_time()
            case ("rss",):
                gc.collect()
                answer = process.memory_info().rss
            case ("run", count, burst):
                await run([f"{n:08}".ljust(SIZE, ".") for n in range(count)], burst)
            case ("pace", count):
                with suppress(TimeoutError):
                    async with asyncio.timeout(STALL_S * 2.5):
                        await pace(run, count)
            case ("flood", count):
                answer = 0
                # The tutorial's broadcast ends with an exception when the server gives the stalled client up.
                with suppress(Exception):
                    async with asyncio.timeout(FLOOD_TIMEOUT_S):
                        for n in range(count):
                            await run([f"{n:08}".ljust(STALL_SIZE, ".")], 1)
                            await asyncio.sleep(0.0005)
                            answer = max(answer, process.memory_info().rss)
        pipe.send(answer)


async def pace(run: Run, count: int) -> None:
    """Send stamped messages at a steady pace. One that is sent late because of a stall counts as late."""
    due = time.monotonic()
    for _ in range(count):
        due += 1 / STALL_HZ
        await asyncio.sleep(due - time.monotonic())
        with suppress(Exception):
            await run([f"{int(due * 1e9):020}".ljust(STALL_SIZE, ".")], 1)


def server_process(variant: str, sock: socket.socket, pipe: Pipe) -> None:
    os.sched_setaffinity(0, {CORES[0]})
    with suppress(asyncio.CancelledError, TimeoutError, KeyboardInterrupt):
        if variant == BROADCAST:
            asyncio.run(serve_websockets(sock, pipe))
        elif variant == RAW:
            asyncio.run(serve_raw(sock, pipe))
        else:
            asyncio.run(serve_uvicorn(variant, sock, pipe))


class Server:
    """One variant's server process."""

    def __init__(self, variant: str) -> None:
        context = multiprocessing.get_context("fork")
        listener = socket.create_server(("127.0.0.1", 0), backlog=2_000)
        # Small send buffers, inherited by accepted sockets: a client that stalls shows after kilobytes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        self.variant = variant
        self.port = listener.getsockname()[1]
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=server_process, args=(variant, listener, theirs), daemon=True)
        self.process.start()
        listener.close()
        theirs.close()
        assert self.pipe.poll(20), f"{variant} does not start"
        self.pipe.recv()

    async def ask(self, *command: Any, timeout_s: float = 60.0) -> Any:
        self.pipe.send(command)
        end = time.monotonic() + timeout_s
        while not self.pipe.poll():
            assert time.monotonic() < end, f"{self.variant} does not answer {command}"
            assert self.process.is_alive()
            await asyncio.sleep(0.002)
        return self.pipe.recv()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.pipe.send(None)
        self.process.join(0.3)
        self.process.kill()
        self.process.join()


# ---- clients -------------------------------------------------------------------------------------


def handshake(variant: str, number: int) -> bytes:
    path = "/socket.io/?EIO=4&transport=websocket" if variant == SOCKETIO else f"/ws/user{number}"
    more = ""
    if variant == KIT_BATCHED:
        more = f"Sec-WebSocket-Protocol: {BATCH_PROTOCOL}\r\n"
    elif variant in (TUTORIAL_DEFAULT, BARE_DEFAULT):
        more = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    ).encode()


class CountingClient(asyncio.Protocol):
    """Does the handshake, then counts frames; a stamped one also says how late it is."""

    def __init__(self, variant: str, number: int, *, stamped: bool) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.frames = 0
        self.late_ms: list[float] = []
        self._variant = variant
        self._number = number
        self._stamped = stamped
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(handshake(self._variant, self._number))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        if not self.ready.done():
            head, end, buffer = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            assert b" 101 " in head, head
            assert (b"permessage-deflate" in head) == (self._variant in (TUTORIAL_DEFAULT, BARE_DEFAULT)), (
                head
            )
            self.ready.set_result(None)
        at, total = 0, len(buffer)
        while at + 2 <= total:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                if at + 4 > total:
                    break
                size, start = struct.unpack_from("!H", buffer, at + 2)[0], at + 4
            if start + size > total:
                break
            self._frame(buffer, start)
            at = start + size
        self._buffer = buffer[at:]

    def _frame(self, buffer: bytes, start: int) -> None:
        if self._variant == SOCKETIO:
            if buffer[start : start + 2] != b"42":
                if buffer[start : start + 2] == b"0{":  # Engine.IO is open: connect to Socket.IO's main space
                    self.transport.write(Frame(Opcode.TEXT, b"40").serialize(mask=True))
                elif buffer[start : start + 1] == b"2":
                    self.transport.write(Frame(Opcode.TEXT, b"3").serialize(mask=True))
                return
            start += len('42["m","')
        self.frames += 1
        if self._stamped:
            self.late_ms.append((time.monotonic_ns() - int(buffer[start : start + 20])) / 1e6)


async def connect_all(server: Server, count: int, *, stamped: bool = False) -> list[CountingClient]:
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(count):
        _, client = await loop.create_connection(
            lambda number=number: CountingClient(server.variant, number, stamped=stamped),
            "127.0.0.1",
            server.port,
        )
        await client.ready
        clients.append(client)
    await asyncio.sleep(0.2)
    return clients


def stalled_client(server: Server) -> socket.socket:
    """A client that shakes hands, and reads nothing from then on."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.connect(("127.0.0.1", server.port))
    sock.sendall(handshake(server.variant, 9_999))
    sock.recv(1_000)
    if server.variant == SOCKETIO:
        sock.sendall(Frame(Opcode.TEXT, b"40").serialize(mask=True))
    return sock


# ---- figures -------------------------------------------------------------------------------------


async def deliveries_per_cpu_s(variant: str, clients: int) -> float:
    messages = max(64, DELIVERIES // clients // BURST * BURST)
    per_frame = BATCH if variant == KIT_BATCHED else 1
    if variant == KIT_BATCHED:
        messages *= 4
    with Server(variant) as server:
        peers = await connect_all(server, clients)
        cpu_s = 0.0
        for count in (BURST, messages):  # the first warms up
            before = await server.ask("cpu")
            expected = sum(peer.frames for peer in peers) + count // per_frame * clients
            await server.ask("run", count, BURST if variant == KIT_BATCHED else 1)
            end = time.monotonic() + 20
            while (got := sum(peer.frames for peer in peers)) < expected:
                assert time.monotonic() < end, f"{variant}: {got} of {expected}"
                await asyncio.sleep(0.005)
            assert got == expected, f"{variant}: {got} of {expected}"
            cpu_s = await server.ask("cpu") - before
        for peer in peers:
            peer.transport.abort()
        return clients * messages / cpu_s


async def p99_ms(variant: str, *, stalled: bool) -> tuple[float, float]:
    """Return the healthy clients' p99 lateness in ms, and the share of messages that arrived at all."""
    count = int(STALL_HZ * STALL_S)
    with Server(variant) as server:
        idle = stalled_client(server) if stalled else None
        peers = await connect_all(server, STALL_CLIENTS, stamped=True)
        await server.ask("pace", count)
        await asyncio.sleep(0.2)
        late = sorted(value for peer in peers for value in peer.late_ms)
        for peer in peers:
            peer.transport.abort()
        if idle is not None:
            idle.close()
    # A message that never came is later than any that did.
    rank = int(count * STALL_CLIENTS * 0.99)
    return late[rank] if rank < len(late) else float("inf"), len(late) / (count * STALL_CLIENTS)


async def flood_mib(variant: str, *, stalled: bool) -> float:
    """Return by how much the server's memory grew at most while 8 MiB were sent to one healthy client."""
    with Server(variant) as server:
        idle = stalled_client(server) if stalled else None
        peers = await connect_all(server, 1)
        await server.ask("run", 300, 1)
        before = await server.ask("rss")
        most = await server.ask("flood", FLOOD_MESSAGES)
        peers[0].transport.abort()
        if idle is not None:
            idle.close()
        return (most - before) / 2**20


async def idle_kib(variant: str) -> float:
    """Return the server's memory for one idle client, in KiB."""
    with Server(variant) as server:
        for peer in await connect_all(server, 100):
            peer.transport.abort()
        await asyncio.sleep(0.2)
        before = await server.ask("rss")
        peers = await connect_all(server, IDLE_CLIENTS)
        after = await server.ask("rss")
        for peer in peers:
            peer.transport.abort()
        return (after - before) / IDLE_CLIENTS / 1_024


# ---- the tables ----------------------------------------------------------------------------------


def note_missing() -> list[str]:
    if importlib.util.find_spec("socketio") is None:
        print("no row for python-socketio: it is not installed (pip install python-socketio)\n")
        return [SOCKETIO]
    return []


async def throughput(sizes: list[int], rounds: int, missing: list[str]) -> None:
    variants = [TUTORIAL_DEFAULT, TUTORIAL, SOCKETIO, BROADCAST, RAW, KIT, KIT_BATCHED]
    variants = [variant for variant in variants if variant not in missing]
    results: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for clients in sizes:
            for variant in variants:
                figure = await deliveries_per_cpu_s(variant, clients)
                results.setdefault((variant, clients), []).append(figure)
    print(f"messages of {SIZE} bytes delivered per CPU second of the server, median of {rounds}")
    print(f"{'':44}" + "".join(f"{f'{clients} clients':>30}" for clients in sizes))
    print(f"{'':44}" + f"{'per CPU s':>12}{'x tutorial':>10}{'x bcast':>8}" * len(sizes))
    for variant in variants:
        line = f"{variant:44}"
        for clients in sizes:
            figure = statistics.median(results[variant, clients])
            best = statistics.median(results[TUTORIAL, clients])
            fan = statistics.median(results[BROADCAST, clients])
            line += f"{figure:12,.0f}{figure / best:10.2f}{figure / fan:8.2f}"
        print(line)
    print(TARGETS, flush=True)


async def stall(rounds: int, missing: list[str]) -> None:
    variants = [v for v in (TUTORIAL, SOCKETIO, BROADCAST, KIT) if v not in missing]
    results: dict[str, list[tuple[float, ...]]] = {variant: [] for variant in variants}
    memory = {
        variant: await flood_mib(variant, stalled=True) - await flood_mib(variant, stalled=False)
        for variant in variants
    }
    for _ in range(rounds):
        for variant in variants:
            alone, _ = await p99_ms(variant, stalled=False)
            with_stalled, share = await p99_ms(variant, stalled=True)
            results[variant].append((alone, with_stalled, with_stalled / alone, share))
    print(
        f"\none client that never reads: {STALL_CLIENTS} others, {STALL_SIZE}-byte messages at {STALL_HZ}/s; "
        f"memory for it while {FLOOD_MESSAGES * STALL_SIZE / 2**20:.0f} MiB are sent (once); median of {rounds}"
    )
    print(f"{'':44}{'p99 without':>13}{'p99 with':>13}{'ratio':>8}{'arrived':>9}{'memory':>12}")
    for variant, rows in results.items():
        alone, with_stalled, ratio, share = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"{variant:44}{alone:10.2f} ms{with_stalled:10.2f} ms{ratio:8.2f}{share:9.0%}{memory[variant]:8.2f} MiB"
        )
    print("wanted: labkit's ratio <= 1.2, its memory <= 1.5 MiB", flush=True)


async def idle(rounds: int, missing: list[str]) -> None:
    variants = [v for v in (BARE, BARE_DEFAULT, BARE_ASGI, SOCKETIO, BROADCAST, KIT) if v not in missing]
    results: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant in variants:
            results[variant].append(await idle_kib(variant))
    print(f"\nmemory (RSS) for each of {IDLE_CLIENTS} idle clients, median of {rounds}")
    print(f"{'':44}{'KiB':>8}{'x bare':>9}")
    bare = statistics.median(results[BARE])
    for variant, values in results.items():
        print(f"{variant:44}{statistics.median(values):8.1f}{statistics.median(values) / bare:9.2f}")
    print("wanted: labkit <= 1.25 x bare")


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["throughput", "stall", "idle"])
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, uvicorn {uvicorn.__version__}, {len(CORES)} cores")
    missing = note_missing()
    os.sched_setaffinity(0, set(CORES[1:] or CORES))  # the first is the server's alone
    for name, table in (("throughput", None), ("stall", stall), ("idle", idle)):
        if options.only not in (None, name):
            continue
        if table is None:
            await throughput(options.clients, options.rounds, missing)
        else:
            await table(min(options.rounds, 2) if name == "idle" else options.rounds, missing)


if __name__ == "__main__":
    asyncio.run(main())
