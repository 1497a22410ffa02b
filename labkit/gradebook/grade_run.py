"""One run over a class: what was judged before is taken from the store, the rest is judged in parallel."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.errors import LabError, SubmissionError
from labkit.gradebook.class_results import ClassResults, StudentResult, in_order
from labkit.gradebook.intake import Entry, collect
from labkit.gradebook.pool import Job, is_faulty, judge_all
from labkit.gradebook.store import FOLDER, Store, key_of, seed_of
from labkit.grader.catalogue import find_exercise
from labkit.grader.examination import NOT_NEEDED, unusable_record
from labkit.grader.levels import Sandbox
from labkit.grader.limits import Limits
from labkit.grader.record import Record


@dataclass(frozen=True)
class Shard:
    """A part of a class, one of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard of a text such as `3/8`.

        Raises:
            LabError: it is none.
        """
        number, slash, count = text.partition("/")
        is_pair = slash and all(part.isascii() and part.isdigit() for part in (number, count))
        if is_pair and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise LabError(f"{text!r} is no shard.", expected="a number and a count, such as 1/8 to 8/8.")

    def has(self, name: str) -> bool:
        """Tell whether something belongs to this part. Every name belongs to one."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) % self.count == self.number - 1

    def __str__(self) -> str:
        """Return such as `3/8`; empty if this is all of a class."""
        return f"{self.number}/{self.count}" if self.count > 1 else ""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        jobs: different submissions in all; `done` of them have a record, `kept` of these from before.
    """

    jobs: int
    done: int
    kept: int


def grade(
    folder: Path,
    out: Path,
    *,
    sandbox: Sandbox,
    exercise: str | None = None,
    workers: int,
    limits: Limits | None = None,
    resume: bool = True,
    shard: Shard | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ClassResults:
    """Judge a class.

    What is judged is kept in `out` at once. So whenever this is interrupted, the next run goes on from there.

    Args:
        exercise: all submissions are for this one.
        resume: use what an earlier run has judged.
    Raises:
        LabError: there is nothing to judge, or `out` cannot be written to.
    """
    limits = limits or Limits()
    part = shard or Shard()
    entries, problems = collect(folder, exercise)
    entries = [entry for entry in entries if part.has(_name_of(entry))]
    problems = [problem for problem in problems if part.has(problem.student)]
    store = _open_store(out, resume=resume)
    jobs = {
        key_of(entry.exercise, entry.source, limits, sandbox): entry for entry in entries if not entry.problem
    }
    records: dict[str, Record] = {}
    for key in jobs:
        kept = store.load(key)
        if kept is not None:
            records[key] = kept
    kept_count = len(records)
    on_progress(Progress(len(jobs), len(records), kept_count))

    def keep(job: Job, record: Record) -> None:
        records[job.key] = record
        # A fault of the grader is no result: the next run tries again.
        if not is_faulty(record):
            try:
                store.save(job.key, record)
            except OSError as error:
                raise LabError(
                    f"The results cannot be written to {out}: {error.strerror or error}.",
                    hint="free some space and run it again; what is judged is kept.",
                ) from None
        on_progress(Progress(len(jobs), len(records), kept_count))

    judge_all(
        [Job(key, entry.exercise, entry.source) for key, entry in jobs.items() if key not in records],
        workers=workers,
        limits=limits,
        sandbox=sandbox,
        on_record=keep,
    )
    results = [
        _result(
            entry, None if entry.problem else records[key_of(entry.exercise, entry.source, limits, sandbox)]
        )
        for entry in entries
    ]
    return in_order(results, problems, sandbox.words, str(part))


def faulty(results: ClassResults) -> list[StudentResult]:
    """Return the results that say more of the grader than of the submission."""
    return [result for result in results.results if is_faulty(result.record)]


def _name_of(entry: Entry) -> str:
    """Return what decides on the shard: equal submissions go to the same one, and are judged once."""
    if entry.problem:
        return entry.student
    return f"{entry.exercise} {hashlib.sha256(entry.source).hexdigest()}"


def _open_store(out: Path, *, resume: bool) -> Store:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not resume and (out / FOLDER).exists():
            shutil.rmtree(out / FOLDER)
        (out / FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise LabError(
            f"The results cannot be written to {out}: {error.strerror}.",
            expected="a folder that you may write to, outside of the class's own.",
        ) from None
    return Store(out)


def _result(entry: Entry, record: Record | None) -> StudentResult:
    if record is None:
        error = SubmissionError(entry.problem)
        record = unusable_record(find_exercise(entry.exercise), "crashed", error, sandbox=NOT_NEEDED)
        record = replace(record, seed=seed_of(entry.exercise, entry.source))
    return StudentResult(entry.student, replace(record, submission=entry.origin), entry.note)
