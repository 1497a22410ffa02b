"""Points that a person gave, from a CSV file beside the submissions: `student,exercise,points,max_points,comment`."""

from __future__ import annotations

import math
from pathlib import Path

from labkit.errors import LabError
from labkit.gradebook.class_results import Manual
from labkit.gradebook.tables import column_of, read_table


def read_manual_points(path: Path, exercise: str | None = None) -> dict[tuple[str, str], Manual]:
    """Return manual points by student and exercise.

    Args:
        exercise: what is meant where the file has no such column.
    Raises:
        LabError: a column is missing or a cell is no number; the message names the line.
    """
    (header, *rows), _ = read_table(path)
    student, points = column_of(header, "student"), column_of(header, "points")
    named = column_of(header, "exercise")
    most, comment = column_of(header, "max_points"), column_of(header, "comment")
    if student is None or points is None or (named is None and exercise is None):
        raise LabError(
            f"{path} lacks a column: it has {', '.join(header)}.",
            expected="student, exercise and points, if need be also max_points and comment.",
        )
    found: dict[tuple[str, str], Manual] = {}
    for line, row in enumerate(rows, start=2):
        cells = [*row, *[""] * (len(header) - len(row))]
        if not any(cell.strip() for cell in cells):
            continue
        key = (cells[student].strip(), cells[named].strip() if named is not None else exercise or "")
        if key in found:
            raise LabError(f"{path}, line {line}: {key[0]} has points for {key[1]} already.")
        found[key] = Manual(
            _number(cells[points], path, line),
            _number(cells[most], path, line) if most is not None and cells[most].strip() else 0.0,
            cells[comment].strip() if comment is not None else "",
        )
    return found


def _number(text: str, path: Path, line: int) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LabError(f"{path}, line {line}: {text!r} is no number.", expected="points, such as 2 or 1.5.")
    return value
