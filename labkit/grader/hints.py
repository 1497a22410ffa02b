"""Hints for a check, from a question to a pointer. Nothing is run to give one."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.errors import LabError, UnknownName
from labkit.grader.catalogue import find_exercise
from labkit.grader.check_list import HINT_LEVELS
from labkit.grader.progress import last_summary

LEVEL_NAMES = ("a question", "a cause", "a pointer")


@dataclass(frozen=True)
class Hint:
    """One hint.

    Attributes:
        check: id of the check that it is for.
        title: what this check is about.
        level: 1, 2 or 3.
        text: the hint itself.
    """

    exercise: str
    check: str
    title: str
    level: int
    text: str

    def __str__(self) -> str:
        """Return the hint, and how to get the next one in a terminal."""
        return self.with_next(f"labkit hint {self.exercise} {self.check} --level {self.level + 1}")

    def with_next(self, command: str) -> str:
        """Return the hint, and the command for the next one, if there is one."""
        lines = [
            f"{self.check}: {self.title}",
            f"Hint {self.level} of {HINT_LEVELS}, {LEVEL_NAMES[self.level - 1]}:",
            self.text,
        ]
        if self.level < HINT_LEVELS:
            lines.append(f"More: {command}")
        return "\n".join(lines)


def hints_for(exercise: str, check: str | None = None, level: int = 1) -> Hint:
    """Return a hint.

    Args:
        check: an id; without it, the first check that did not pass in the workspace's last run, or the first
            of the exercise.
        level: 1 asks a question, 2 names the cause, 3 points to what to use.
    Raises:
        UnknownName: there is no such exercise or check.
        LabError: there is no such level.
    """
    specs = {spec.id: spec for spec in find_exercise(exercise).checks}
    if not 1 <= level <= HINT_LEVELS:
        raise LabError(f"There is no hint of level {level}.", expected=f"1 to {HINT_LEVELS}.")
    if check is None:
        check = last_summary(exercise).get("first_not_passed")
        if check not in specs:
            check = next(iter(specs))
    if check not in specs:
        raise UnknownName(f"check of {exercise!r}", check, specs)
    spec = specs[check]
    return Hint(exercise, check, spec.title, level, spec.hints[level - 1])
