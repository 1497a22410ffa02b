"""How quick the foundation is: `python tests/bench/foundation.py`. Prints medians and ratios of one run.

Times of one run are comparable, those of two are not: machines drift. Compare the ratios.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fastapi import FastAPI, WebSocket

from labkit import connect, serve

RUNS = 11
CLIENTS = 20
CLASS = 200

RIGHT = Path(__file__).parent.parent / "submissions" / "echo" / "right"


def median_ms(seconds: list[float]) -> str:
    middle, least, most = (1000 * value for value in (statistics.median(seconds), min(seconds), max(seconds)))
    return f"{middle:8.1f} ms  (min {least:.1f}, max {most:.1f})"


def wall(command: list[str], cwd: str | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)
    return time.perf_counter() - started


def imports() -> None:
    """Seconds of `import X` alone, without the interpreter's own start."""
    program = "import time; t = time.perf_counter(); import {0}; print(time.perf_counter() - t)"
    seconds: dict[str, list[float]] = {"labkit": [], "fastapi": []}
    for _ in range(RUNS):
        for name, times in seconds.items():
            done = subprocess.run(
                [sys.executable, "-c", program.format(name)], check=True, capture_output=True, text=True
            )
            times.append(float(done.stdout))
    for name, times in seconds.items():
        print(f"import {name:<22}{median_ms(times)}")
    ratio = statistics.median(seconds["labkit"]) / statistics.median(seconds["fastapi"])
    print(f"  labkit / fastapi          {ratio:8.3f}     (wanted: at most 0.2)")


def starts() -> None:
    """Seconds of serve() and of a re-run on the same port with clients connected."""
    app = FastAPI()

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for text in ws.iter_text():
            await ws.send_text(text)

    serve(app).stop()  # imports everything
    first, again = [], []
    for _ in range(RUNS):
        started = time.perf_counter()
        lab = serve(app)
        first.append(time.perf_counter() - started)
        lab.stop()
    lab = serve(app, name="bench")
    for _ in range(RUNS):
        clients = [connect(lab) for _ in range(CLIENTS)]
        started = time.perf_counter()
        port, lab = lab.port, serve(app, name="bench")
        again.append(time.perf_counter() - started)
        if lab.port != port or {ws.wait_closed().code for ws in clients} != {1012}:
            raise SystemExit("the re-run lost its port or a close code")
    lab.stop()
    print(f"serve() until ready          {median_ms(first)}   wanted: at most 20")
    print(f"re-run with {CLIENTS} clients       {median_ms(again)}   wanted: at most 150")


def goodbye() -> None:
    """Seconds of stop() with a class in the chat, each of whom hears why."""
    stops = []
    for _ in range(RUNS):
        lab = serve("chat")
        people = [connect(lab, f"/ws/learner{number}") for number in range(CLASS)]
        started = time.perf_counter()
        lab.stop()
        stops.append(time.perf_counter() - started)
        goodbyes = {(close.code, close.reason) for close in (ws.wait_closed() for ws in people)}
        if len(goodbyes) != 1 or not (bye := goodbyes.pop())[1] or bye[0] != 1012:
            raise SystemExit("somebody was not told why")
    print(f"stop() with {CLASS} in the chat  {median_ms(stops)}   wanted: less than 2000")


def check() -> None:
    """Seconds of `labkit check echo` on a right solution, from the shell, beside what FastAPI alone costs."""
    solution = str(sorted(RIGHT.glob("*.py"))[0])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "labkit", "check", "echo", solution]
        checked = [wall(command, folder) for _ in range(RUNS)]
        others = [
            wall([sys.executable, "-c", "import fastapi, uvicorn, pytest, websockets.sync.client"])
            for _ in range(RUNS)
        ]
    print(f"labkit check echo            {median_ms(checked)}   wanted: at most 2000")
    print(f"the imports of others alone  {median_ms(others)}")


if __name__ == "__main__":
    imports()
    starts()
    goodbye()
    check()
