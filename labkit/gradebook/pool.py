"""Judges submissions in parallel, each worker with a judge's process of its own."""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.gradebook.store import seed_of
from labkit.grader.judge_process import JudgeProcess
from labkit.grader.judging import broken_off
from labkit.grader.levels import Sandbox
from labkit.grader.limits import Limits
from labkit.grader.record import CheckResult, Record

ATTEMPTS = 3
"""How often a submission is tried when the grader itself fails."""

SUBMISSIONS_OF_A_JUDGE = 100
"""After so many a judge is replaced by a fresh one, so that nothing grows for hours."""

_WAKE_S = 0.2


@dataclass(frozen=True)
class Job:
    """One submission to judge.

    Attributes:
        key: names it, see `labkit.gradebook.store`.
    """

    key: str
    exercise: str
    source: bytes


def judge_all(
    jobs: Iterable[Job],
    *,
    workers: int,
    limits: Limits,
    sandbox: Sandbox,
    on_record: Callable[[Job, Record], None],
) -> None:
    """Judge submissions and hand over each record as soon as it is there, in the caller's thread.

    An interrupt ends all processes and is raised again.

    Args:
        on_record: is told a record, even if the grader itself has failed again and again: then the outcome of
            its checks is `grader_fault`.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    done: queue.SimpleQueue[tuple[Job, Record] | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()
    judges = [_Judge(limits, sandbox, stopped) for _ in range(min(workers, waiting.qsize()))]
    crew = [
        threading.Thread(target=_work, args=(judge, waiting, done, stopped), name=f"labkit-judging-{number}")
        for number, judge in enumerate(judges)
    ]
    for worker in crew:
        worker.start()
    try:
        while any(worker.is_alive() for worker in crew) or not done.empty():
            with contextlib.suppress(queue.Empty):
                told = done.get(timeout=_WAKE_S)
                if isinstance(told, BaseException):
                    raise told
                on_record(*told)
    finally:
        stopped.set()
        for judge in judges:
            judge.interrupt()
        for worker in crew:
            worker.join()


def _work(
    judge: _Judge,
    waiting: queue.SimpleQueue[Job],
    done: queue.SimpleQueue[tuple[Job, Record] | BaseException],
    stopped: threading.Event,
) -> None:
    try:
        with judge, contextlib.suppress(queue.Empty):
            while not stopped.is_set():
                job = waiting.get_nowait()
                record = judge.judge(job)
                if record is not None:
                    done.put((job, record))
    except Exception as error:  # noqa: BLE001 - it is raised again in the thread that waits
        done.put(error)


class _Judge:
    """A judge's process that is replaced when it is worn or broken."""

    def __init__(self, limits: Limits, sandbox: Sandbox, stopped: threading.Event) -> None:
        self._limits = limits
        self._sandbox = sandbox
        self._stopped = stopped
        self._process: JudgeProcess | None = None
        self._judged = 0
        self._folder = tempfile.TemporaryDirectory(prefix="labkit-judging-")

    def __enter__(self) -> _Judge:
        return self

    def __exit__(self, *exception: object) -> None:
        self._replace()
        self._folder.cleanup()

    def interrupt(self) -> None:
        """End the judge in the middle of its work, from another thread; `judge` then returns None."""
        process = self._process
        if process is not None:
            process.end()

    def judge(self, job: Job) -> Record | None:
        """Return the record of a submission; None if it is no longer wanted."""
        # Messages name the file, and must not depend on who handed it in.
        path = Path(self._folder.name, f"{job.exercise}.py")
        path.write_bytes(job.source)
        record = None
        for _ in range(ATTEMPTS):
            record = self._attempt(job, path)
            if record is None:
                return None
            if not is_faulty(record):
                break
            self._replace()
        return record

    def _attempt(self, job: Job, path: Path) -> Record | None:
        if self._process is None or self._judged >= SUBMISSIONS_OF_A_JUDGE:
            self._replace()
            self._process, self._judged = JudgeProcess(), 0
        process = self._process
        seed = seed_of(job.exercise, job.source)
        results: dict[str, CheckResult] = {}
        lines = process.ask(job.exercise, path, seed=seed, limits=self._limits, sandbox=self._sandbox)
        with contextlib.closing(lines):
            for line in lines:
                if self._stopped.is_set():
                    return None
                if "record" in line:
                    self._judged += 1
                    return replace(Record.from_json(line["record"]), submission=path.name)
                result = CheckResult(**line["check"])
                results[result.id] = result
        if self._stopped.is_set():
            return None
        return broken_off(job.exercise, results, path.name, seed, process.last_words())

    def _replace(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


def is_faulty(record: Record) -> bool:
    """Tell whether a record says more of the grader than of the submission."""
    return any(check.outcome == "grader_fault" for check in record.checks)
