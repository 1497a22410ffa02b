"""The one record of a judged class. Every report and export is a pure function of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from labkit import __version__
from labkit.errors import LabError
from labkit.gradebook.intake import Problem
from labkit.grader.record import Record

FILE_NAME = "results.json"


@dataclass(frozen=True)
class Manual:
    """Points that a person gave, on top of those of the checks.

    Attributes:
        max_points: what could be had, for the maximum of the whole.
    """

    points: float
    max_points: float
    comment: str = ""


@dataclass(frozen=True)
class StudentResult:
    """How one student's submission of one exercise was judged.

    Attributes:
        note: what the report says of the submission besides.
        manual: a person's points, None if there are none.
    """

    student: str
    record: Record
    note: str = ""
    manual: Manual | None = None

    @property
    def total(self) -> float:
        """Return the points of the checks and of a person together."""
        return self.record.score + (self.manual.points if self.manual else 0)

    @property
    def max_total(self) -> float:
        """Return how many points there were."""
        return self.record.max_score + (self.manual.max_points if self.manual else 0)


@dataclass(frozen=True)
class ClassResults:
    """How a class was judged.

    Attributes:
        results: sorted by student and exercise.
        problems: what students handed in that is no submission of any exercise.
        shard: such as `3/8` for a part of a class, empty for all of it.
    """

    results: tuple[StudentResult, ...]
    problems: tuple[Problem, ...]
    sandbox: str
    shard: str = ""

    @property
    def students(self) -> Iterator[tuple[str, list[StudentResult]]]:
        """Yield each student with their results."""
        for student, results in groupby(self.results, key=lambda result: result.student):
            yield student, list(results)

    def to_json(self) -> str:
        """Return it as a JSON text, the same for the same results."""
        told = {
            "labkit_version": __version__,
            "sandbox": self.sandbox,
            "shard": self.shard,
            "results": [_told(result) for result in self.results],
            "problems": [
                {"student": problem.student, "message": problem.message} for problem in self.problems
            ],
        }
        return json.dumps(told, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ClassResults:
        """Return what `to_json` was called on.

        Raises:
            LabError: the text is nothing of the kind.
        """
        try:
            told = json.loads(text)
            return cls(
                tuple(_heard(result) for result in told["results"]),
                tuple(Problem(**problem) for problem in told["problems"]),
                told["sandbox"],
                told["shard"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"This is no {FILE_NAME} of labkit grade: {error}.") from None


def in_order(
    results: Iterable[StudentResult], problems: Iterable[Problem], sandbox: str, shard: str = ""
) -> ClassResults:
    """Return results in their one order, so that it does not depend on which was judged first."""
    return ClassResults(
        tuple(sorted(results, key=lambda result: (result.student, result.record.exercise))),
        tuple(sorted(problems, key=lambda problem: (problem.student, problem.message))),
        sandbox,
        shard,
    )


def merge(parts: Iterable[Path]) -> ClassResults:
    """Return the results of all shards of a class together.

    Args:
        parts: the folders that the shards were written to.
    Raises:
        LabError: a shard is missing, twice there, or not of the same class.
    """
    loaded = [(part, read_results(part)) for part in parts]
    shards = [(part, *_shard_of(results, part)) for part, results in loaded]
    counts = {count for _, _, count in shards}
    numbers = [number for _, number, _ in shards]
    if len(counts) != 1:
        raise LabError(
            f"These are not the shards of one run: {', '.join(results.shard for _, results in loaded)}.",
            expected="the folders of all shards of one class, such as 1/8 to 8/8.",
        )
    missing = sorted(set(range(1, counts.pop() + 1)) - set(numbers))
    if missing or len(set(numbers)) != len(numbers):
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        what = [f"shard {number} is missing" for number in missing]
        what += [f"shard {number} is there twice" for number in twice]
        raise LabError(
            f"The class is not complete: {', '.join(what)}.",
            hint="run those that are missing, then merge again.",
        )
    levels = sorted({results.sandbox for _, results in loaded})
    return in_order(
        (result for _, results in loaded for result in results.results),
        (problem for _, results in loaded for problem in results.problems),
        " | ".join(levels),
    )


def read_results(folder: Path) -> ClassResults:
    """Read the results of an earlier run from its folder.

    Raises:
        LabError: there are none.
    """
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(
            f"{folder / FILE_NAME} cannot be read: {getattr(error, 'strerror', error)}.",
            expected="a folder that labkit grade has written to.",
        ) from None
    return ClassResults.from_json(text)


def _shard_of(results: ClassResults, part: Path) -> tuple[int, int]:
    number, slash, count = results.shard.partition("/")
    if not slash:
        raise LabError(
            f"{part} holds a whole class, not a shard.", expected="what labkit grade --shard wrote."
        )
    return int(number), int(count)


def _told(result: StudentResult) -> dict[str, Any]:
    told: dict[str, Any] = {"student": result.student, **result.record.to_json(), "note": result.note}
    if result.manual is not None:
        manual = result.manual
        told["manual"] = {
            "points": manual.points,
            "max_points": manual.max_points,
            "comment": manual.comment,
        }
    return told


def _heard(told: dict[str, Any]) -> StudentResult:
    values = dict(told)
    student, note, manual = values.pop("student"), values.pop("note"), values.pop("manual", None)
    return StudentResult(student, Record.from_json(values), note, Manual(**manual) if manual else None)


def with_manual_points(results: ClassResults, points: dict[tuple[str, str], Manual]) -> ClassResults:
    """Return results with a person's points, given by student and exercise.

    Raises:
        LabError: there is no such result.
    """
    known = {(result.student, result.record.exercise) for result in results.results}
    unknown = [f"{student} ({exercise})" for student, exercise in points if (student, exercise) not in known]
    if unknown and not results.shard:
        raise LabError(
            f"The manual points name what was not handed in: {', '.join(unknown[:10])}.",
            expected="students and exercises as in results.csv.",
        )
    return replace(
        results,
        results=tuple(
            replace(result, manual=points.get((result.student, result.record.exercise), result.manual))
            for result in results.results
        ),
    )
