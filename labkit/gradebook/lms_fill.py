"""Fills points into a copy of a gradebook that Canvas or Moodle has exported.

Rows and columns are never invented: both systems would make new students and assignments of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.gradebook.class_results import ClassResults, StudentResult
from labkit.gradebook.tables import column_of, number_cell, read_table, safe_cell

_CANVAS_KEYS = ("SIS Login ID", "SIS User ID", "ID", "Student")
_MOODLE_KEYS = ("Username", "Email address", "ID number", "Identifier", "Full name", "First name")


@dataclass(frozen=True)
class Filled:
    """A filled gradebook.

    Attributes:
        text: the CSV file.
        unmatched: students with results that the gradebook does not name.
        without: names in the gradebook that have no result.
    """

    text: str
    unmatched: tuple[str, ...]
    without: tuple[str, ...]


def fill_canvas(path: Path, results: ClassResults) -> Filled:
    """Fill the points of each exercise into the Canvas assignment whose title holds the exercise's name.

    Students are matched by SIS login, SIS user id, Canvas id or name, whichever column names them first.

    Raises:
        LabError: the file is no gradebook of Canvas, or has no column for an exercise.
    """
    rows, delimiter = read_table(path)
    header = rows[0]
    if column_of(header, "Student") is None or column_of(header, "ID") is None:
        raise LabError(
            f"{path} is no gradebook exported from Canvas: its columns are {', '.join(header[:6])}.",
            expected="Student, ID, SIS User ID, SIS Login ID, Section and the assignments.",
        )
    columns = {exercise: _assignment(header, exercise, path) for exercise in _exercises(results)}
    keys = _columns(header, _CANVAS_KEYS)

    def fill(row: list[str], result: StudentResult) -> None:
        row[columns[result.record.exercise]] = number_cell(result.total)

    return _fill(
        rows, delimiter, keys, results, fill, first=1, is_person=lambda row: "Points Possible" not in row[0]
    )


def fill_moodle(path: Path, results: ClassResults, exercise: str | None = None) -> Filled:
    """Fill points into Moodle's offline grading worksheet of one assignment.

    Students are matched by user name, e-mail address, ID number, identifier or name.

    Args:
        exercise: the one of this worksheet; needed if the class has several.
    Raises:
        LabError: the file is no such worksheet, or it is not clear for which exercise it is.
    """
    rows, delimiter = read_table(path)
    header = rows[0]
    grade = column_of(header, "Grade")
    keys = _columns(header, _MOODLE_KEYS)
    if grade is None or not keys:
        raise LabError(
            f"{path} is no offline grading worksheet of Moodle: its columns are {', '.join(header[:6])}.",
            expected="Identifier, Full name, Email address, Grade and others.",
            hint="export it in English: Moodle translates the names of the columns.",
        )
    names = _exercises(results)
    if exercise is None and len(names) != 1:
        raise LabError(
            f"A worksheet of Moodle is for one assignment, and these results are for {', '.join(names)}.",
            hint="grade them one by one, with --exercise.",
        )
    wanted = exercise or names[0]

    def fill(row: list[str], result: StudentResult) -> None:
        if result.record.exercise == wanted:
            row[grade] = number_cell(result.total)

    return _fill(rows, delimiter, keys, results, fill, first=1, is_person=lambda row: True)


def _fill(
    rows: list[list[str]],
    delimiter: str,
    keys: list[int],
    results: ClassResults,
    fill: Callable[[list[str], StudentResult], None],
    *,
    first: int,
    is_person: Callable[[list[str]], bool],
) -> Filled:
    students = {student.casefold(): list(found) for student, found in results.students}
    unmatched = set(students)
    width = len(rows[0])
    people = [row + [""] * (width - len(row)) for row in rows[first:]]
    rows = [*rows[:first], *people]
    people = [row for row in people if any(cell.strip() for cell in row) and is_person(row)]
    # The surest column first, and only where it names one person: nobody gets another one's points.
    for key in keys:
        named: dict[str, list[list[str]]] = {}
        for row in people:
            named.setdefault(row[key].strip().casefold(), []).append(row)
        for name in sorted(unmatched):
            if len(found := named.get(name, [])) == 1:
                unmatched.discard(name)
                people = [row for row in people if row is not found[0]]
                for result in students[name]:
                    fill(found[0], result)
    without = [row[keys[0]].strip() or row[0].strip() for row in people]
    page = io.StringIO()
    writer = csv.writer(page, delimiter=delimiter, lineterminator="\n")
    writer.writerow(rows[0])
    # The rest is the system's own: only what could turn into a formula is guarded.
    writer.writerows([_guarded(cell) for cell in row] for row in rows[first:])
    spelled = {student.casefold(): student for student, _ in results.students}
    return Filled(page.getvalue(), tuple(sorted(spelled[name] for name in unmatched)), tuple(without))


def _guarded(cell: str) -> str:
    # Not shortened: the system would take a part for a change.
    begins = cell.lstrip(" ")[:1]
    return cell if _is_number(cell) or safe_cell(begins) == begins else f"'{cell}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip() in ("-", "")
    return True


def _exercises(results: ClassResults) -> list[str]:
    return list(dict.fromkeys(result.record.exercise for result in results.results))


def _columns(header: list[str], names: tuple[str, ...]) -> list[int]:
    found = [column_of(header, name) for name in names]
    return [at for at in found if at is not None]


def _assignment(header: list[str], exercise: str, path: Path) -> int:
    found = [at for at, title in enumerate(header) if exercise in title.casefold().replace("(", " ").split()]
    if len(found) != 1:
        what = "no column" if not found else "several columns"
        raise LabError(
            f"{path} has {what} for {exercise!r}.",
            expected=f"one assignment whose title has the word {exercise}.",
            hint="make or rename the assignment in Canvas, then export again.",
        )
    return found[0]
