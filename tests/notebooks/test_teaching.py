"""What TEACHING.md promises: every objective is taught in a cell that exists and shown by one, or by a graded check."""

from __future__ import annotations

import re

import nbformat
import pytest

from labkit.course import course_root
from labkit.grader.catalogue import find_exercise

NOTEBOOKS = course_root() / "notebooks"
TEXT = (NOTEBOOKS / "TEACHING.md").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
OBJECTIVES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| \d+ \|", line)
]


def exists(place: str) -> bool:
    """Tell whether `notebook: cell` or `exercise.check` is there."""
    if ": " in place:
        name, cell = place.split(": ")
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        return any(each.id == cell for each in notebook.cells)
    exercise, check = place.split(".")
    return any(each.id == check for each in find_exercise(exercise).checks)


def test_there_are_42_objectives_in_their_order_and_no_empty_cell():
    assert [row[0] for row in OBJECTIVES] == [str(number) for number in range(1, 43)]
    assert [row for row in OBJECTIVES if len(row) != 4 or not all(row)] == []


@pytest.mark.parametrize("row", OBJECTIVES, ids=lambda row: row[0])
def test_an_objective_is_taught_and_shown_where_it_says(row):
    _, _, taught, shown = row
    assert exists(taught), taught
    assert exists(shown), shown


def test_a_place_that_is_not_there_is_noticed():
    assert not exists("01_echo: nowhere")
    assert not exists("echo.nothing")


@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_has_its_section_and_its_minutes(name):
    title = name.replace("_", " ", 1).replace("_", " ")
    number, word = title.split(" ", 1)
    heading = f"### {number} {word[0].upper()}{word[1:]}"
    assert heading in TEXT
    told = re.search(rf"^\| {heading.removeprefix('### ')} \| (\d+) \|", TEXT, re.M)
    assert told, heading
    first = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells[0].source
    minutes = re.search(r"reading (\d+)\s+minutes, doing (\d+)", first)
    assert minutes, first
    assert int(told[1]) == int(minutes[1]) + int(minutes[2])
