"""The real command in a process of its own, with a home and a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

DEADLINE_S = 200
AS_LABKIT = "import sys\nfrom labkit.cli import main\nsys.argv[0] = 'labkit'\nsys.exit(main())\n"


class Command:
    """A running `python -m labkit …`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._read = threading.Thread(target=self._pump, daemon=True)
        self._read.start()
        self.seen: list[str] = []

    def _pump(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, containing: str = "") -> str:
        """Return the next line of stdout that contains a text."""
        end = time.monotonic() + DEADLINE_S
        while True:
            line = self._lines.get(timeout=max(0.1, end - time.monotonic()))
            if line is None:
                raise AssertionError(
                    f"ended before {containing!r}; stdout {self.seen}, stderr {self.errors()!r}"
                )
            self.seen.append(line)
            if containing in line:
                return line

    def rest(self) -> list[str]:
        """Return the lines of stdout up to its end."""
        lines = []
        while (line := self._lines.get(timeout=DEADLINE_S)) is not None:
            lines.append(line)
        return lines

    def errors(self) -> str:
        """Return stderr, once the command has ended."""
        assert self.process.stderr is not None
        self.process.wait(DEADLINE_S)
        return "" if self.process.stderr.closed else self.process.stderr.read()

    def family(self) -> list[psutil.Process]:
        """Return the process with all that it started."""
        own = psutil.Process(self.pid)
        return [own, *own.children(recursive=True)]

    def end(self, number: int) -> int:
        """Send a signal and return the exit code; that takes at most 30 s."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def destroy(self) -> None:
        with contextlib.suppress(psutil.Error):
            for process in reversed(self.family()):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self.process.wait(DEADLINE_S)
        self._read.join(DEADLINE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """The variables of a command: a home of its own, nothing of Jupyter's, no window to open."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "JUPYTER_RUNTIME_DIR"
        or (
            not name.startswith(("JUPYTER", "JPY_", "XDG_", "IPYTHON", "PYTEST_"))
            and name not in {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}
        )
    }
    return {**kept, "HOME": str(home), "USERPROFILE": str(home), "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder in which a command runs."""
    here = tmp_path / "here"
    here.mkdir()
    return here


@pytest.fixture
def start(environment: dict[str, str], here: Path) -> Iterator[Callable[..., Command]]:
    """Start a command; whatever of it still runs when the test ends is killed."""
    running: list[Command] = []

    def start(*arguments: object, cwd: Path = here, **extra: str) -> Command:
        process = subprocess.Popen(
            [sys.executable, "-m", "labkit", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**environment, **extra},
            cwd=cwd,
        )
        running.append(Command(process))
        return running[-1]

    yield start
    for command in running:
        command.destroy()


@pytest.fixture
def run(environment: dict[str, str], here: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return run(*arguments, cwd=here, first="", **variables), which runs a command to its end.

    First, its process runs what is given as `first`: a setting that is no option of the command.
    """

    def run(
        *arguments: object, cwd: Path = here, first: str = "", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        how = ["-c", f"{first}\n{AS_LABKIT}"] if first else ["-m", "labkit"]
        return subprocess.run(
            [sys.executable, *how, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding=extra.get("PYTHONIOENCODING", "utf-8"),
            env={**environment, **extra},
            cwd=cwd,
            timeout=DEADLINE_S,
            check=False,
        )

    return run


@pytest.fixture
def course(here: Path) -> Path:
    """A small course of its own, with one notebook."""
    root = here / "my course"
    (root / "exercises").mkdir(parents=True)
    (root / "exercises" / "catalogue.toml").write_text("")
    (root / "notebooks").mkdir()
    cell = {
        "cell_type": "code",
        "id": "which",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": "import sys; print(sys.executable)",
    }
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (root / "notebooks" / "00_start_here.ipynb").write_text(json.dumps(notebook))
    return root
