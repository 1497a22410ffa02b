"""A class as tables: a row for each result, a row for each check, and figures over all submissions."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

from labkit.gradebook.class_results import ClassResults, StudentResult
from labkit.gradebook.tables import table_text
from labkit.grader.record import OUTCOMES, CheckResult

_RESULT_COLUMNS = (
    *("student", "exercise", "score", "max_score", "manual", "total", "max_total", "outcome"),
    *("passed_checks", "checks", "first_not_passed", "message", "note", "submission", "seed", "sandbox"),
)


@dataclass(frozen=True)
class CheckFigures:
    """How a class did at one check.

    Attributes:
        outcomes: how many submissions ended it how.
        median_s: of the time that it took those who passed, 0 if nobody did.
        slowest_s: the longest of these times.
    """

    exercise: str
    id: str
    title: str
    outcomes: Counter[str]
    median_s: float
    slowest_s: float

    @property
    def tried(self) -> int:
        """Return how many submissions there were."""
        return self.outcomes.total()

    @property
    def passed_share(self) -> float:
        """Return the part that passed, from 0 to 1."""
        return self.outcomes["passed"] / self.tried if self.tried else 0.0


def figures_of_checks(results: ClassResults) -> list[CheckFigures]:
    """Return the figures of each check, in the order of the exercises and their checks."""
    gathered: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results.results:
        for check in result.record.checks:
            gathered.setdefault((result.record.exercise, check.id), []).append(check)
    figures = []
    for (exercise, check_id), checks in gathered.items():
        times = [check.seconds for check in checks if check.passed]
        figures.append(
            CheckFigures(
                exercise,
                check_id,
                checks[0].title,
                Counter(check.outcome for check in checks),
                statistics.median(times) if times else 0.0,
                max(times, default=0.0),
            )
        )
    return figures


def results_csv(results: ClassResults) -> str:
    """Return one row for each student and exercise."""
    rows: list[tuple[object, ...]] = [_RESULT_COLUMNS]
    return table_text([*rows, *map(_row, results.results)])


def checks_csv(results: ClassResults) -> str:
    """Return one row for each check, with how many submissions ended it how."""
    header = ("exercise", "check", "title", "submissions", *OUTCOMES, "median_s", "slowest_s")
    rows: list[tuple[object, ...]] = [header]
    for figures in figures_of_checks(results):
        counts = [figures.outcomes[outcome] for outcome in OUTCOMES]
        rows.append(
            (
                *(figures.exercise, figures.id, figures.title, figures.tried, *counts),
                *(figures.median_s, figures.slowest_s),
            )
        )
    return table_text(rows)


def _row(result: StudentResult) -> tuple[object, ...]:
    record = result.record
    first_bad = next((check.id for check in record.checks if not check.passed), "")
    manual = result.manual.points if result.manual else ""
    return (
        *(result.student, record.exercise, record.score, record.max_score, manual),
        *(result.total, result.max_total, record.outcome),
        *(sum(check.passed for check in record.checks), len(record.checks), first_bad),
        *(record.message.partition("\n")[0], result.note, record.submission, record.seed, record.sandbox),
    )
