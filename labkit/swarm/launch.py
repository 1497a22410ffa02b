"""`run_swarm()`: starts the swarm's process, watches it, and brings its report home."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import IO, Any

from labkit.errors import ConnectError, LabError
from labkit.interpreter import python_command
from labkit.swarm.plan import CLOSE_TIMEOUT_S, SwarmPlan
from labkit.swarm.report import SwarmReport

START_TIMEOUT_S = 20.0
LAST_WORDS_S = 5.0 + 2 * CLOSE_TIMEOUT_S
WAKE_S = 0.1
STDERR_LINES_KEPT = 20


def run_swarm(
    plan: SwarmPlan,
    *,
    on_progress: Callable[[str], None] = lambda line: None,
    stop: threading.Event | None = None,
) -> SwarmReport:
    """Send a swarm to a server, from a process of its own, and return what came out.

    Ctrl-C (the interrupt button) ends it early: the report of what there is comes back all the same, with
    `ended == "stopped"`. A second Ctrl-C ends it without one.

    Args:
        plan: what to do.
        on_progress: called with a line of text each second, from another thread.
        stop: ends it early when set, as Ctrl-C does.

    Raises:
        ConnectError: nothing listens there, or the name is unknown.
        LabError: a swarm may not go there, or its process failed or took too long.
    """
    process = _start()
    visit = _Visit(process, on_progress)
    try:
        visit.tell(plan.to_json())
        deadline_s = time.monotonic() + START_TIMEOUT_S + plan.longest_s
        with contextlib.suppress(KeyboardInterrupt):
            visit.wait(deadline_s, stop)
        if not visit.is_over:
            visit.ask_to_stop()
            visit.wait(time.monotonic() + LAST_WORDS_S, None)
        in_time = visit.is_over
    finally:
        visit.end()
    return _report_from(visit, in_time)


def _start() -> subprocess.Popen[bytes]:
    # A terminal sends Ctrl-C to all of its foreground group: the swarm shall hear of it from us alone.
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        python_command("labkit.swarm"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **apart,
    )


class _Visit:
    """The process with the threads that read what it says."""

    def __init__(self, process: subprocess.Popen[bytes], on_progress: Callable[[str], None]) -> None:
        self.answer = b""
        self.last_lines: deque[str] = deque(maxlen=STDERR_LINES_KEPT)
        self._process = process
        self._on_progress = on_progress
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=read, args=(stream,), name=f"labkit swarm {what}", daemon=True)
            for read, stream, what in (
                (self._read_answer, process.stdout, "answer"),
                (self._read_progress, process.stderr, "progress"),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the process has said all that it had to say."""
        return self._over.is_set()

    def tell(self, line: str) -> None:
        """Write a line to the process; if it is gone, its end says why."""
        stdin = self._process.stdin
        if stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                stdin.write(line.encode() + b"\n")
                stdin.flush()

    def ask_to_stop(self) -> None:
        """Let the process end its measurement and report."""
        self.tell("stop")

    def wait(self, until_s: float, stop: threading.Event | None) -> None:
        """Wait for the answer, for `stop` or for a moment of the monotonic clock."""
        # In slices: Windows delivers Ctrl-C only between waits.
        while not self._over.wait(WAKE_S) and time.monotonic() < until_s:
            if stop is not None and stop.is_set():
                return

    def end(self) -> None:
        """Make sure that the process, its pipes and our threads are gone."""
        if not self.is_over:
            self._process.kill()
        for thread in self._threads:
            thread.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_answer(self, stream: IO[bytes]) -> None:
        self.answer = stream.read()
        self._over.set()

    def _read_progress(self, stream: IO[bytes]) -> None:
        for data in stream:
            line = data.decode(errors="replace").rstrip()
            self.last_lines.append(line)
            self._show(line)

    def _show(self, line: str) -> None:
        try:
            self._on_progress(line)
        except Exception:  # noqa: BLE001  a closed terminal, say; the pipe must be read on, or the swarm stalls
            self._on_progress = lambda line: None


def _report_from(visit: _Visit, in_time: bool) -> SwarmReport:
    if not in_time:
        raise LabError("The swarm did not come to an end in time and was stopped, without a report.")
    try:
        told = json.loads(visit.answer)
    except ValueError:
        last = "\n".join(visit.last_lines) or "nothing"
        raise LabError(f"The swarm's process ended without a report. It said last:\n{last}") from None
    error = told.get("error")
    if error is not None:
        kind = ConnectError if error.pop("kind") == "ConnectError" else LabError
        raise kind(error.pop("happened"), **error)
    return SwarmReport.from_json(json.dumps(told["report"]))
