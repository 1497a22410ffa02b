"""The words and signs of a report, the same in a terminal, in a notebook and in pytest's output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.grader.record import CheckResult, Record


@dataclass(frozen=True)
class Sign:
    """How an outcome is shown: never by its colour alone.

    Attributes:
        icon: one character, none that may be shown as a coloured emoji.
        word: one or two words.
        tone: `good`, `bad`, `warn` or `quiet`.
    """

    icon: str
    word: str
    tone: str


SIGNS = {
    "passed": Sign("✓", "passed", "good"),
    "failed": Sign("✗", "failed", "bad"),
    "timeout": Sign("◷", "timed out", "bad"),
    "crashed": Sign("↯", "crashed", "bad"),
    "disconnected": Sign("⌁", "disconnected", "bad"),
    "unattempted": Sign("○", "not attempted", "quiet"),
    "skipped": Sign("↷", "skipped", "quiet"),
    "grader_fault": Sign("!", "grader's fault", "warn"),
}

CELEBRATION = "All {count} checks passed, {score} of {score} points. Well done! 🎉"


def headline(record: Record) -> str:
    """Say in one line how a submission did."""
    if record.passed:
        return CELEBRATION.format(count=len(record.checks), score=record.score)
    if not record.usable:
        return f"Nothing could be checked: 0 of {record.max_score} points."
    if record.outcome == "unattempted":
        return f"Not attempted yet: 0 of {record.max_score} points."
    passed = sum(check.passed for check in record.checks)
    return f"{passed} of {len(record.checks)} checks passed, {record.score} of {record.max_score} points."


def footer(record: Record) -> list[tuple[str, str]]:
    """Return what a report says of the run itself, as names and values."""
    return [("file", record.submission), ("sandbox", record.sandbox), ("seed", str(record.seed))]


def details(check: CheckResult) -> Iterator[tuple[str, str]]:
    """Yield what is known of a check that did not pass, as names and values."""
    for name in ("sent", "expected", "observed", "hint"):
        value = getattr(check, name)
        if value:
            yield name, value


def describe_result(check: CheckResult) -> str:
    """Return a check that did not pass as plain text, its values aligned."""
    sign = SIGNS[check.outcome]
    lines = [f"{sign.icon} {check.title}  ({sign.word}, {check.points} of {check.max_points} points)"]
    for name, value in details(check):
        first, *rest = value.split("\n")
        lines.append(f"    {name:<9} {first}")
        lines += [f"{'':14}{line}" for line in rest]
    return "\n".join(lines)
