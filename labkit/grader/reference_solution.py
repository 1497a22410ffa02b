"""The reference solution of an exercise: out of a learner's folders, shown after full marks or on giving up."""

from __future__ import annotations

from pathlib import Path

from labkit.errors import LabError
from labkit.grader.catalogue import find_exercise
from labkit.grader.progress import last_summary


class NotYet(LabError):
    """The reference solution is not shown before a learner has their own."""


def reference_path(exercise: str) -> Path:
    """Return where a reference solution is; no child of a sandbox can read it there."""
    return Path(__file__).with_name("reference") / f"{exercise}.py"


def reference_solution(exercise: str, *, give_up: bool = False) -> str:
    """Return the source of a reference solution.

    Args:
        give_up: show it although the learner's last check did not have full marks.
    Raises:
        UnknownName: there is no such exercise.
        NotYet: the last check in this workspace did not have full marks.
    """
    find_exercise(exercise)
    path = reference_path(exercise)
    if not path.is_file():
        raise LabError(f"There is no reference solution of {exercise!r} yet.")
    summary = last_summary(exercise)
    if not give_up and summary.get("outcome") != "passed":
        score = (
            f"{summary['score']} of {summary['max_score']} points"
            if "max_score" in summary
            else "no check yet"
        )
        raise NotYet(
            f"The reference solution of {exercise!r} is shown after full marks; so far there is: {score}.",
            hint=f"labkit hint {exercise} goes one step further; labkit solution {exercise} --give-up shows it anyway.",
        )
    return path.read_text(encoding="utf-8")
