"""`labkit check --watch`: judges a solution again whenever its file changes.

Each judgement is a process of its own, so that an edit in the middle of one can end it and start the next.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil
import typer
import watchfiles
from rich.console import Console

from labkit.cli.checking import show
from labkit.cli.keys import Keys
from labkit.cli.terminal import stop_signals
from labkit.errors import LabError, SubmissionError
from labkit.grader import Record
from labkit.grader.catalogue import find_exercise
from labkit.grader.submission import SOLUTION_NAMES, workspace_folder

LOOK_EVERY_MS = 100
SETTLE_MS = 200
CANCEL_TIMEOUT_S = 3.0
AGAIN_KEY = "r"


def watch(exercise: str, file: Path | None, seed: int | None) -> None:
    """Judge a solution now and after each change, until Ctrl-C.

    Raises:
        LabError: there is no such exercise, or no folder that could be watched.
    """
    find_exercise(exercise)
    folder = file.parent if file is not None else workspace_folder(exercise)
    names = {file.name} if file is not None else set(SOLUTION_NAMES)
    if not folder.is_dir():
        raise SubmissionError(
            f"There is no folder {folder} to watch.", hint="look at the file's name letter by letter."
        )
    options = [] if seed is None else ["--seed", str(seed)]
    judged = [exercise] if file is None else [exercise, str(file)]
    _watch([*options, "--", *judged], folder, names)


def _watch(arguments: Sequence[str], folder: Path, names: set[str]) -> None:
    stopped = threading.Event()
    run: _Run | None = None
    shown = False
    with stop_signals(stopped.set), Keys() as keys:
        try:
            # Nothing happened in the first round but that the watch began: from then on no change is missed.
            for changes in watchfiles.watch(
                folder,
                watch_filter=None,
                recursive=False,
                debounce=SETTLE_MS,
                rust_timeout=LOOK_EVERY_MS,
                yield_on_timeout=True,
                stop_event=stopped,
                raise_interrupt=False,
            ):
                asked = AGAIN_KEY in keys.pressed()
                if run is None or asked or any(Path(path).name in names for _, path in changes):
                    if run is not None:
                        run.cancel()
                    run, shown = _Run(arguments), False
                    _redraw("checking…")
                elif not shown and run.ended:
                    shown = True
                    _redraw("")
                    run.show()
                    again = f"{AGAIN_KEY} checks again, " if keys.available else ""
                    typer.echo(f"\nwaiting for changes… {again}Ctrl-C ends")
        finally:
            if run is not None:
                run.cancel()


def _redraw(text: str) -> None:
    Console().clear()  # does nothing where the output is no terminal
    if text:
        typer.echo(text)


class _Run:
    """One judgement in a process of its own."""

    def __init__(self, arguments: Sequence[str]) -> None:
        files = contextlib.ExitStack()
        self._output = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._errors = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._close_files = files.close
        # -P: a learner's folder may hold a json.py of its own.
        command = [sys.executable, "-P", "-m", "labkit", "check", "--json", *arguments]
        self._process = subprocess.Popen(
            command, stdout=self._output, stderr=self._errors, stdin=subprocess.DEVNULL
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def show(self) -> None:
        """Show the report of a run that has ended."""
        told = _content(self._output)
        try:
            record = Record.from_json(json.loads(told))
        except (ValueError, LabError):
            typer.echo(
                _content(self._errors) or f"The check ended with exit code {self._process.returncode}.",
                err=True,
            )
        else:
            show(record)

    def cancel(self) -> None:
        """End the run with everything that it started; a run that has ended already is only tidied up."""
        if not self.ended:
            below = _descendants(self._process.pid)
            self._ask_to_end()
            for process in below:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self._close_files()

    def _ask_to_end(self) -> None:
        """Let the run tidy up as on Ctrl-C, but not for long."""
        if sys.platform != "win32":
            self._process.send_signal(signal.SIGINT)
        else:
            self._process.terminate()
        try:
            self._process.wait(CANCEL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace").strip()
