"""What recording costs: `python tests/bench/wire.py`. Prints medians and ratios of one run.

Each round measures the direct way and the way through `lab.wire` right after each other; only their ratio counts,
because machines drift. The client is a process of its own, as a browser would be. `cpu` is the server's process:
what an echo costs there, proxy included, whatever else the machine does.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
import tracemalloc

from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync

from labkit import serve
from labkit.host import Lab
from labkit.wire import recorder as recording
from labkit.wire.record import FRAME_OVERHEAD_BYTES
from labkit.wire.recorder import Recorder

ROUNDS = 5
PINGS = 1000
SIZES = {"120 B": (120, 4000, 64), "8 KiB": (8192, 2000, 16), "60 KiB": (61440, 400, 4)}
"""Payload, how many messages, how many of them on their way at once."""


def echo_app() -> FastAPI:
    app = FastAPI()

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for text in ws.iter_text():
            await ws.send_text(text)

    return app


# -- the client's process ------------------------------------------------------------------------------


def round_trip_us(url: str) -> float:
    with connect_sync(url, compression=None) as ws:
        seconds = []
        for _ in range(PINGS):
            began = time.perf_counter()
            ws.send("x" * 120)
            ws.recv()
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1e6


async def per_second(url: str, size: int, count: int, window: int) -> float:
    async with connect(url, compression=None, max_queue=None) as ws:
        free = asyncio.Semaphore(window)

        async def send() -> None:
            for _ in range(count):
                await free.acquire()
                await ws.send("x" * size)

        began = time.perf_counter()
        sending = asyncio.create_task(send())
        for _ in range(count):
            await ws.recv()
            free.release()
        await sending
        return count / (time.perf_counter() - began)


def client(url: str, what: str) -> None:
    """Print one figure: microseconds of a round trip, or messages a second."""
    figure = round_trip_us(url) if what == "round trip" else asyncio.run(per_second(url, *SIZES[what]))
    print(json.dumps(figure))


def measure(url: str, what: str) -> tuple[float, float]:
    """Return the client's figure, and the CPU time of this process for it in seconds."""
    began = time.process_time()
    done = subprocess.run(
        [sys.executable, __file__, "client", f"{url}/ws", what], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout), time.process_time() - began


# -- what is compared ----------------------------------------------------------------------------------


def compare(lab: Lab, what: str) -> None:
    """Print the direct figure, the recorded one, and their ratio: the median of the rounds' ratios."""
    rounds = []
    for _ in range(ROUNDS):
        direct, recorded = measure(lab.ws_url, what), measure(lab.wire.ws_url, what)
        rounds.append((direct[0], recorded[0], recorded[0] / direct[0], recorded[1] / direct[1]))
        lab.wire.clear()
    direct_s, recorded_s, ratio, cpu = (statistics.median(each) for each in zip(*rounds, strict=True))
    unit, wanted = ("us", "at most 2") if what == "round trip" else ("a second", "at least 0.5")
    print(
        f"{what:<12}direct {direct_s:9.0f} {unit:<9} recorded {recorded_s:9.0f} {unit:<9}"
        f"ratio {ratio:5.2f} (wanted: {wanted})   cpu ratio {cpu:5.2f}"
    )


def memory() -> None:
    """Print what a full record takes, beside its bound."""
    recorder = Recorder()
    record = recorder.opened(1, 2)
    record.feed("client", b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    record.feed(
        "server", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    tracemalloc.start()
    for size in (120, 8192):
        for number in range(recording.RECORD_MAX_BYTES * 2 // (size + FRAME_OVERHEAD_BYTES)):
            payload = f"{number}".encode().ljust(size, b".")
            head = bytes([0x82, size]) if size < 126 else bytes([0x82, 126, *size.to_bytes(2, "big")])
            record.feed("server", head + payload)
        trace = recorder.trace()
        taken = tracemalloc.get_traced_memory()[0] / 2**20
        bound = recording.RECORD_MAX_BYTES / 2**20
        print(
            f"full of {size} B: {taken:6.1f} MiB taken, bound {bound:.0f} MiB, "
            f"{len(trace[1].frames)} frames kept, {trace.dropped_frames} dropped"
        )
    tracemalloc.stop()


def main() -> None:
    with serve(echo_app()) as lab:
        server = lab._server
        print(
            "not recorded: nothing on the path:", server is not None and server.config.loaded_app is lab.guard
        )
        for what in ("round trip", *SIZES):
            compare(lab, what)
        print("as before, with every frame read at once, as in a long recording that nobody looks at:")
        recording.BACKLOG_MAX_CHUNKS = 0
        for what in ("round trip", *SIZES):
            compare(lab, what)
    memory()


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(*sys.argv[2:])
    else:
        main()
