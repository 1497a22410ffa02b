"""Judges one submission: starts the judge's process, and returns the record that it writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from labkit.grader.catalogue import find_exercise
from labkit.grader.examination import NOT_NEEDED, unattempted_record
from labkit.grader.judge_process import JudgeProcess
from labkit.grader.levels import Sandbox
from labkit.grader.limits import Limits
from labkit.grader.record import CheckResult, Record, make_record
from labkit.grader.wording import printable

_SHOWN_LOG_CHARACTERS = 1500


def judge(
    exercise: str,
    submission: Path,
    *,
    seed: int | None = None,
    limits: Limits | None = None,
    sandbox: Sandbox | None = None,
    on_check: Callable[[CheckResult], None] | None = None,
    process: JudgeProcess | None = None,
) -> Record:
    """Run the checks of an exercise against a file, and return how it did.

    Whatever the file is, this returns a record: one that cannot be judged has `usable` False and a message.
    An interrupt ends all processes of the run and is raised again.

    Args:
        exercise: a name of the catalogue.
        submission: a Python file with an ASGI application called `app`.
        seed: makes all random data the same as in an earlier run.
        limits: how long to wait for what.
        sandbox: one that is known to hold here; the strongest, unless given.
        on_check: is told each result as soon as it is there.
        process: a judge that runs already and goes on afterwards; for who judges many.
    Raises:
        UnknownName: there is no such exercise.
    """
    find_exercise(exercise)
    limits = limits or Limits()
    results: dict[str, CheckResult] = {}
    with JudgeProcess() if process is None else contextlib.nullcontext(process) as process:
        lines = process.ask(exercise, Path(submission), seed=seed, limits=limits, sandbox=sandbox)
        with contextlib.closing(lines):
            for line in lines:
                if "record" in line:
                    return Record.from_json({**line["record"], "submission": str(submission)})
                result = CheckResult(**line["check"])
                results[result.id] = result
                if on_check is not None:
                    on_check(result)
        return broken_off(exercise, results, str(submission), seed or 0, process.last_words())


def unattempted(exercise: str, submission: str = "") -> Record:
    """Return the record of a learner who has not begun.

    Raises:
        UnknownName: there is no such exercise.
    """
    return unattempted_record(find_exercise(exercise), submission)


def broken_off(
    exercise: str, results: dict[str, CheckResult], submission: str, seed: int, log: str
) -> Record:
    """Return the record of a run whose judge died; what it had told before, counts."""
    found = find_exercise(exercise)
    last_words = printable(log[-_SHOWN_LOG_CHARACTERS:])
    return make_record(
        found.checks,
        results,
        exercise=exercise,
        max_score=found.points,
        sandbox=NOT_NEEDED,
        seed=seed,
        submission=submission,
        message=f"The grader itself broke off. That is not your fault. {last_words}".strip(),
    )
