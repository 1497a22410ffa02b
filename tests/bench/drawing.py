"""How many can draw on one board, against a relay as tutorials write it, and what a full board costs.

    python tests/bench/drawing.py                # all of it, in some minutes
    python tests/bench/drawing.py --only cursors # or: strokes, newcomer, undo

The server has one core for itself; the artists are on the others, in a process that makes its frames once and
searches what it gets for stamps instead of reading it. Every figure is from one run; only ratios say something
on another machine. A stamp is a coordinate: the sender's clock in milliseconds, next to a mark.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import multiprocessing
import os
import platform
import re
import selectors
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from typing import Any

import psutil
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from labkit.apps import drawing
from labkit.apps.messages.drawing import DRAW_PROTOCOL
from labkit.host.guard import Guard
from labkit.host.identity import IdentifiedApp, Identity
from labkit.host.protocol import protocol_options
from labkit.hub import Rate

RELAY = "relay as in tutorials, deflate off"
KIT = "labkit, labkit.draw.v2"

CURSOR_HZ = 30
CURSOR_P99_MS = 100.0
RELAY_STEPS = (10, 20, 30, 40, 50, 60, 70, 80, 100, 120)
KIT_STEPS = (100, 200, 240, 280, 320, 360, 400, 440, 480, 560, 640)
WANTED_RATIO = 8
WARM_UP_S = 1.5
MEASURED_S = 4.0

DRAWING_ARTISTS = 200
POINTS_HZ = 25
STROKE_P99_MS = 150.0
FULL = 5_000

MARK = b"77777"
STAMP = re.compile(rb'(\d+\.\d{3}),\s?(?:"y":\s?)?77777')
READERS = 40
"""So many of the artists look at what they get; the others only take it off the line."""
PROBES = 5
RECEIVE_BYTES = 1 << 20


# ---- servers ----------------------------------------------------------------------------------------


def relay_app() -> FastAPI:
    """The relay: a list of connections, a history, and a loop that awaits each send."""
    app = FastAPI()
    connections: list[WebSocket] = []
    history: list[dict[str, Any]] = []

    @app.websocket("/ws/draw")
    async def draw(ws: WebSocket) -> None:
        await ws.accept()
        connections.append(ws)
        artist_id = f"artist{id(ws)}"
        await ws.send_json({"type": "init", "artist_id": artist_id, "color": "#d6336c", "history": history})
        try:
            while True:
                message = await ws.receive_json()
                message |= {"artist_id": artist_id, "color": "#d6336c"}
                if message["type"] == "draw":
                    history.append(message)
                for other in list(connections):
                    if other is not ws:
                        with suppress(Exception):
                            await other.send_json(message)
        except WebSocketDisconnect:
            connections.remove(ws)

    return app


def kit_app() -> Any:
    drawing.DRAWING_RATE = Rate(1e6, 1e6)  # what undoing costs is asked as fast as it goes
    return Guard(IdentifiedApp(drawing.create_app(), Identity(server="bench")))


async def serve(variant: str, sock: socket.socket, pipe: Pipe) -> None:
    options = (
        {"proxy_headers": False, **protocol_options()} if variant == KIT else {"ws": "websockets-sansio"}
    )
    config = uvicorn.Config(
        kit_app() if variant == KIT else relay_app(),
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        loop="asyncio",
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
        **options,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    process = psutil.Process()
    pipe.send("ready")
    loop = asyncio.get_running_loop()
    while (command := await loop.run_in_executor(None, pipe.recv)) is not None:
        pipe.send(time.process_time() if command == "cpu" else process.memory_info().rss)
    server.should_exit = True
    await serving


def server_process(variant: str, sock: socket.socket, pipe: Pipe) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    logging.disable()  # the relay's sends to those who have gone
    with suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(serve(variant, sock, pipe))


class Server:
    """One variant's server, in a process of its own."""

    def __init__(self, variant: str) -> None:
        context = multiprocessing.get_context("fork")
        listener = socket.create_server(("127.0.0.1", 0), backlog=2_000)
        self.variant = variant
        self.port = listener.getsockname()[1]
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=server_process, args=(variant, listener, theirs), daemon=True)
        self.process.start()
        listener.close()
        theirs.close()
        assert self.pipe.poll(30)
        assert self.pipe.recv() == "ready"

    def ask(self, command: str) -> Any:
        self.pipe.send(command)
        assert self.pipe.poll(30), f"{self.variant} does not answer"
        return self.pipe.recv()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.pipe.send(None)
        self.process.join(0.3)
        self.process.kill()
        self.process.join()


# ---- artists ----------------------------------------------------------------------------------------


def frame(text: str | bytes) -> bytes:
    """Return a masked text frame; with a mask of zeros the payload stays as it is (RFC 6455 section 5.3)."""
    payload = text.encode() if isinstance(text, str) else text
    size = len(payload)
    head = (
        struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, size)
    )
    return head + b"\0\0\0\0" + payload


class Artist:
    """A socket that has shaken hands. `late_ms` are the ages of the stamps that it has found."""

    def __init__(self, server: Server, number: int, *, reads: bool) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.reads = reads
        self.late_ms: list[float] = []
        self.received = 0
        self.failed = ""
        self._rest = b""
        more = f"Sec-WebSocket-Protocol: {DRAW_PROTOCOL}\r\n" if server.variant == KIT else ""
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET /ws/draw HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        assert b" 101 " in head, head
        if server.variant == KIT:
            self.sock.sendall(frame(f'{{"type":"hello","name":"artist {number}"}}'))
        self.sock.setblocking(False)

    def send(self, data: bytes) -> None:
        """Send a frame now, or note that the server takes none."""
        try:
            if self.sock.send(data) != len(data):
                self.failed = self.failed or "the server does not read"
        except BlockingIOError:
            self.failed = self.failed or "the server does not read"
        except OSError as error:
            self.failed = self.failed or f"lost: {error}"

    def receive(self) -> None:
        """Take what has come, and note the age of each stamp in it."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.failed = self.failed or "the server has closed the connection"
            return
        self.received += len(data)
        if self.reads:
            data = self._rest + data
            if MARK in data:
                now, end = clock_ms(), 0
                for match in STAMP.finditer(data):
                    self.late_ms.append(now - float(match[1]))
                    end = match.end()
                data = data[end:]
            self._rest = data[-40:]

    def read_frames(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Yield what comes as JSON, for as long as it is asked for."""
        self.sock.settimeout(timeout_s)
        buffer = b""
        while True:
            at = 2
            size = buffer[1] if len(buffer) > 1 else 0
            if size == 126 and len(buffer) >= 4:
                size, at = struct.unpack_from("!H", buffer, 2)[0], 4
            elif size == 127 and len(buffer) >= 10:
                size, at = struct.unpack_from("!Q", buffer, 2)[0], 10
            if len(buffer) < 2 or (buffer[1] >= 126 and at == 2) or len(buffer) < at + size:
                data = self.sock.recv(RECEIVE_BYTES)
                assert data, "the server has closed the connection"
                buffer += data
                continue
            yield json.loads(buffer[at : at + size])
            buffer = buffer[at + size :]


def clock_ms() -> float:
    """Return a clock whose values are coordinates: below 100 000."""
    return time.monotonic() * 1_000 % 90_000


class Crowd:
    """Many artists, each with something to send at a fixed pace, spread evenly."""

    def __init__(self, server: Server, count: int) -> None:
        step = max(1, count // READERS)
        self.artists = []
        self._selector = selectors.DefaultSelector()
        for number in range(count):
            self.artists.append(Artist(server, number, reads=number % step == 0))
            self._selector.register(self.artists[-1].sock, selectors.EVENT_READ, self.artists[-1])
            self._take(0)

    def run(self, seconds: float, hz: float, say: Callable[[Artist, int], bytes]) -> None:
        """Let everyone say `say(artist, number)` so many times a second."""
        start = time.monotonic()
        count = len(self.artists)
        total = int(seconds * hz) * count
        gap_s = 1 / (hz * count)
        for sent in range(total):
            artist = self.artists[sent % count]
            due = start + sent * gap_s
            while (wait_s := due - time.monotonic()) > 0:
                self._take(wait_s if wait_s > 0.0005 else 0)
            if sent % 8 == 0:
                self._take(0)
            artist.send(say(artist, sent // count))
        self.drain(0.5)

    def drain(self, seconds: float) -> None:
        """Take what still comes."""
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            self._take(left_s)

    def _take(self, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            if key.data.failed:
                self._selector.unregister(key.data.sock)
            else:
                key.data.receive()

    def reset(self) -> None:
        """Forget what was measured so far."""
        for artist in self.artists:
            artist.late_ms.clear()

    @property
    def late_ms(self) -> list[float]:
        return sorted(value for artist in self.artists for value in artist.late_ms)

    @property
    def failure(self) -> str:
        return next((artist.failed for artist in self.artists if artist.failed), "")

    def close(self) -> None:
        for artist in self.artists:
            artist.sock.close()


@contextmanager
def crowd_of(server: Server, count: int) -> Iterator[Crowd]:
    crowd = Crowd(server, count)
    try:
        yield crowd
    finally:
        crowd.close()


def quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


# ---- cursors ----------------------------------------------------------------------------------------


def cursor(artist: Artist, number: int) -> bytes:
    if artist.number < PROBES:
        return frame(f'{{"type":"cursor","x":{clock_ms():.3f},"y":77777}}')
    return frame(f'{{"type":"cursor","x":{artist.number},"y":{number % 1000}}}')


def cursors_at(variant: str, count: int) -> tuple[float, float, float, str]:
    """Return the p99 and the median in ms, the server's CPU share, and what failed."""
    with Server(variant) as server, crowd_of(server, count) as crowd:
        crowd.run(WARM_UP_S, CURSOR_HZ, cursor)
        crowd.reset()
        try:
            before, at = server.ask("cpu"), time.monotonic()
            crowd.run(MEASURED_S, CURSOR_HZ, cursor)
            share = (server.ask("cpu") - before) / (time.monotonic() - at)
        except AssertionError as error:  # it is drowned
            return float("inf"), float("inf"), 1.0, str(error)
        late = crowd.late_ms
        readers = sum(artist.reads for artist in crowd.artists)
        # A batch a tick of 100 ms is the least that could be right.
        enough = len(late) >= MEASURED_S * 10 * (PROBES - 1) * readers / 2
        failure = crowd.failure or ("" if enough else f"only {len(late)} positions came")
        return quantile(late, 0.99), quantile(late, 0.5), share, failure


def measure_cursors() -> None:
    print(
        f"artists who move their cursors at {CURSOR_HZ} Hz, with a p99 of {CURSOR_P99_MS:g} ms from one to all others"
    )
    print(f"{'':44}{'artists':>8}{'median':>12}{'p99':>12}{'CPU':>7}")
    held: dict[str, int] = {}
    for variant, steps in ((RELAY, RELAY_STEPS), (KIT, KIT_STEPS)):
        held[variant] = 0
        for count in steps:
            for _ in range(2):  # once more, if it was the machine
                p99, median, share, failure = cursors_at(variant, count)
                good = p99 <= CURSOR_P99_MS and not failure
                if good:
                    break
            note = failure or ("" if good else "too late")
            print(f"{variant:44}{count:8}{median:9.1f} ms{p99:9.1f} ms{share:7.0%}  {note}", flush=True)
            if not good:
                break
            held[variant] = count
    ratio = held[KIT] / max(1, held[RELAY])
    print(
        f"held: relay {held[RELAY]}, labkit {held[KIT]}: {ratio:.1f} x    wanted: {WANTED_RATIO} x or more\n"
    )


# ---- strokes ----------------------------------------------------------------------------------------


def stroke(artist: Artist, number: int) -> bytes:
    """Begin, grow and end a stroke each second, over and over."""
    step = number % POINTS_HZ
    item_id = f"{artist.number}-{number // POINTS_HZ}"
    x = f"{clock_ms():.3f},77777" if artist.number < PROBES else f"{step}.5,{artist.number}"
    if step == 0:
        return frame(f'{{"type":"begin","id":"{item_id}","tool":"pen","width":3,"points":[[{x}]]}}')
    if step == POINTS_HZ - 1:
        return frame(f'{{"type":"end","id":"{item_id}"}}')
    points = f"[{x}],[{step},1],[{step},2]"
    return frame(f'{{"type":"points","id":"{item_id}","at":{1 + (step - 1) * 3},"points":[{points}]}}')


def one_more() -> bytes:
    return frame(f'{{"type":"draw","id":"{os.urandom(8).hex()}","tool":"pen","width":1,"points":[[1,1]]}}')


def count_items(server: Server) -> tuple[int, float]:
    """Come as a newcomer; return how many items there are, and the seconds until all of them had come."""
    start = time.monotonic()
    newcomer = Artist(server, 99_999, reads=False)
    parts = items = 0
    for message in newcomer.read_frames(20):
        if message["type"] == "welcome":
            parts = message["parts"]
        elif message["type"] == "items":
            parts -= 1
            items += len(message["items"])
        if parts == 0:
            break
    newcomer.sock.close()
    return items, time.monotonic() - start


def fill(server: Server, count: int, points: int = 20) -> None:
    """Have a board full of strokes."""
    artist = Artist(server, 77, reads=False)
    artist.sock.setblocking(True)
    text = ",".join(f"[{n},{n * 2}]" for n in range(points))
    for number in range(count):
        artist.sock.sendall(
            frame(
                f'{{"type":"begin","id":"full {number}","tool":"pen","width":3,"done":true,"points":[{text}]}}'
            )
        )
        if number % 50 == 49:
            artist.sock.setblocking(False)
            artist.receive()
            artist.sock.setblocking(True)
    end = time.monotonic() + 60
    while count_items(server)[0] < count:
        assert time.monotonic() < end
        time.sleep(0.2)
    artist.sock.close()


def measure_strokes() -> None:
    print(f"{DRAWING_ARTISTS} artists draw at once, {POINTS_HZ} messages a second each, a stroke a second")
    with Server(KIT) as server, crowd_of(server, DRAWING_ARTISTS) as crowd:
        crowd.run(1.0, POINTS_HZ, stroke)
        crowd.reset()
        rounds = 5
        before, at = server.ask("cpu"), time.monotonic()
        crowd.run(rounds, POINTS_HZ, lambda artist, number: stroke(artist, number + POINTS_HZ))
        share = (server.ask("cpu") - before) / (time.monotonic() - at)
        late = crowd.late_ms
        drawn = DRAWING_ARTISTS * (rounds + 1)
        there, _ = count_items(server)
        print(
            f"median {quantile(late, 0.5):.1f} ms, p99 {quantile(late, 0.99):.1f} ms, CPU {share:.0%}; "
            f"{there} of {drawn} strokes are there {crowd.failure}"
        )
        fill(server, FULL - there)
        grown = []
        for _ in range(4):
            crowd.run(2.0, 3, lambda artist, number: one_more())
            crowd.run(1.0, 20, cursor)
            grown.append(server.ask("rss") / 2**20)
        print(
            f"memory of the full board while they go on: {', '.join(f'{value:.1f}' for value in grown)} MiB"
        )
    print(f"wanted: p99 {STROKE_P99_MS:g} ms or less, no stroke lost, memory flat\n", flush=True)


# ---- the full board ---------------------------------------------------------------------------------


def measure_newcomer() -> None:
    print(f"a newcomer to a board of {FULL} items, while 50 others move their cursors at 20 Hz")
    took, calm, disturbed = [], [], []
    with Server(KIT) as server, crowd_of(server, 50) as crowd:
        fill(server, FULL)
        for _ in range(3):
            crowd.run(1.0, 20, cursor)
            crowd.reset()
            crowd.run(2.0, 20, cursor)
            calm.append(crowd.late_ms[-1])
            crowd.reset()
            context = multiprocessing.get_context("fork")
            mine, theirs = context.Pipe()
            process = context.Process(target=come, args=(server, theirs), daemon=True)
            process.start()
            crowd.run(2.0, 20, cursor)
            disturbed.append(crowd.late_ms[-1])
            assert mine.poll(20)
            items, seconds = mine.recv()
            assert items == FULL, items
            took.append(seconds)
            process.join()
    tick_ms = 50
    print(
        f"complete after {statistics.median(took):.2f} s; the latest cursor was {statistics.median(calm):.1f} ms old "
        f"before, {statistics.median(disturbed):.1f} ms meanwhile (a tick is {tick_ms} ms)"
    )
    print("wanted: 1 s or less, and nobody delayed by more than a tick\n", flush=True)


def come(server: Server, pipe: Pipe) -> None:
    time.sleep(0.5)
    pipe.send(count_items(server))


def undo_us(items: int) -> float:
    """Return the server's CPU time for an undo and a redo, in µs."""
    pairs = 500
    with Server(KIT) as server:
        if items > 1:
            fill(server, items - 1)
        artist = Artist(server, 1, reads=False)
        artist.sock.setblocking(True)
        artist.sock.sendall(
            frame('{"type":"draw","id":"mine","tool":"pen","width":1,"points":[[1,1],[2,2]]}')
        )
        messages = artist.read_frames(20)
        ops = (op for message in messages for op in message.get("ops", ()))
        while next(ops).get("id") != "mine":
            pass
        figures = []
        for _ in range(5):
            before = server.ask("cpu")
            for _ in range(pairs // 25):
                artist.sock.sendall((frame('{"type":"undo"}') + frame('{"type":"redo"}')) * 25)
                for _ in range(50):
                    next(ops)
            figures.append((server.ask("cpu") - before) / pairs * 1e6)
        artist.sock.close()
        return statistics.median(figures)


def measure_undo() -> None:
    few, many = undo_us(10), undo_us(FULL)
    print(
        f"an undo and a redo cost the server {few:.0f} µs on a board of 10 items, {many:.0f} µs on one of {FULL}"
    )
    print(f"ratio {many / few:.2f}    wanted: 1.5 or less\n", flush=True)


TABLES = {
    "cursors": measure_cursors,
    "strokes": measure_strokes,
    "newcomer": measure_newcomer,
    "undo": measure_undo,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=TABLES)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    print(f"Python {platform.python_version()}, uvicorn {uvicorn.__version__}, {len(cores)} cores\n")
    for name, table in TABLES.items():
        if options.only in (None, name):
            table()


if __name__ == "__main__":
    main()
