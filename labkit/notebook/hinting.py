"""`hint()`: one step further than before, from a question to a pointer, never the answer."""

from __future__ import annotations

import html
from dataclasses import dataclass

from labkit.errors import SubmissionError
from labkit.grader import Hint, find_submission, hints_for, last_summary


@dataclass(frozen=True)
class ShownHint:
    """A hint as a cell shows it."""

    exercise: str
    hint: Hint

    def __repr__(self) -> str:
        call = in_a_cell(self.exercise, self.hint.check, f", level={self.hint.level + 1}")
        return self.hint.with_next(call)

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in repr(self).splitlines())
        return (
            f'<div style="border-left:4px solid currentColor;padding:.3em .8em;margin:.4em 0">{lines}</div>'
        )


@dataclass(frozen=True)
class NoHintNeeded:
    """The last check passed everything, and a hint for something that works would only puzzle."""

    exercise: str

    def __repr__(self) -> str:
        return f"Your last check of {self.exercise!r} passed everything: no hint is needed."

    def _repr_html_(self) -> str:
        return f"<div>{html.escape(repr(self))}</div>"


def in_a_cell(exercise: str, check: str, level: str = "") -> str:
    """Return the call that asks for a hint where a learner reads this: in a notebook, not in a terminal."""
    return f'hint("{exercise}", "{check}"{level})'


def hint(exercise: str, check: str | None = None, *, level: int = 1) -> ShownHint | NoHintNeeded:
    """Return a hint for a check.

    Args:
        exercise: a name of the catalogue.
        check: the id of a check; unless given, the first one that your last `check()` did not pass.
        level: 1 asks a question, 2 names the cause, 3 points at the place.

    Raises:
        UnknownName: there is no such exercise or check.
        LabError: the level is none of 1, 2, 3.
    """
    if check is None and _has_passed(exercise):
        return NoHintNeeded(exercise)
    return ShownHint(exercise, hints_for(exercise, check, level=level))


def _has_passed(exercise: str) -> bool:
    try:
        find_submission(exercise)
    except SubmissionError:
        return False  # it was taken away since
    return last_summary(exercise).get("outcome") == "passed"
