"""The program of the judge: reads requests from stdin, writes its results to stdout as lines of JSON.

    request      {"exercise", "submission", "seed", "limits", "sandbox"}; the last may be null: the strongest
    each check   {"check": {…}}
    at the end   {"record": {…}}

It runs in a process of its own, so that a notebook's kernel stays clean of pytest and of a submission, and
can end everything at once. It ends with whoever started it: when its stdin closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labkit.grader.catalogue import find_exercise
from labkit.grader.examination import Examination, Unusable
from labkit.grader.levels import Sandbox
from labkit.grader.limits import Limits
from labkit.grader.process_tree import adopt_orphans
from labkit.grader.record import CheckResult

_ORPHANED_EXIT_CODE = 130

_NEEDLESS_PLUGINS = (
    "assertion",
    "cacheprovider",
    "capture",
    "debugging",
    "doctest",
    "faulthandler",
    "junitxml",
    "legacypath",
    "logging",
    "monkeypatch",
    "pastebin",
    "recwarn",
    "setuponly",
    "setupplan",
    "stepwise",
    "subtests",
    "terminal",
    "threadexception",
    "tmpdir",
    "unittest",
    "unraisableexception",
    "warnings",
)


def main() -> None:
    """Judge one submission after another."""
    results = _Lines()
    adopt_orphans()
    # Whoever started this closes its stdin; a submission may send signals.
    signal.signal(signal.SIGINT, lambda *_: None)
    requests = _Requests()
    for request in requests:
        sandbox = request.get("sandbox")
        examination = Examination(
            find_exercise(request["exercise"]),
            Path(request["submission"]),
            seed=request["seed"],
            limits=Limits(**request["limits"]),
            sandbox=Sandbox.from_json(sandbox) if sandbox else None,
        )
        with requests.ending_with_parent(examination):
            _examine(examination, results)
        results.write(record=examination.record().to_json())


def _examine(examination: Examination, results: _Lines) -> None:
    try:
        # The child imports its web framework while we import pytest.
        examination.open()
        if not examination.is_starter:
            _run_checks(examination, results)
    except Unusable:
        pass
    finally:
        examination.close()


def _run_checks(examination: Examination, results: _Lines) -> None:
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    from labkit.grader.grading import GradingPlugin

    def tell(result: CheckResult) -> None:
        results.write(check=asdict(result))

    plugin = GradingPlugin(lambda folder: examination, tell)
    folder = str(examination.exercise.folder)
    options = ["-c", str(Path(__file__).with_name("judge.ini")), "--rootdir", folder, "--confcutdir", folder]
    options += ["--noconftest", "--import-mode=importlib"]
    for name in _NEEDLESS_PLUGINS:
        options += ["-p", f"no:{name}"]
    pytest.main([*options, str(examination.exercise.test_file)], plugins=[plugin])
    # Every exercise's file has that name; the next one must not be taken for this one.
    sys.modules.pop(examination.exercise.test_file.stem, None)


class _Lines:
    """Writes lines of JSON to what was stdout; from now on, whatever else is printed goes to stderr."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def write(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


class _Requests:
    """The requests in their turn. The end of stdin says that nobody wants a result any more."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue()
        self._examination: Examination | None = None
        threading.Thread(target=self._follow, name="labkit-lifeline", daemon=True).start()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self._waiting.get()

    @contextlib.contextmanager
    def ending_with_parent(self, examination: Examination) -> Iterator[None]:
        """Let an examination go down with this process."""
        self._examination = examination
        try:
            yield
        finally:
            self._examination = None

    def _follow(self) -> None:
        for line in sys.stdin.buffer:
            self._waiting.put(json.loads(line))
        if self._examination is not None:
            self._examination.close(for_good=True)
        os._exit(_ORPHANED_EXIT_CODE)


if __name__ == "__main__":
    main()
