"""Finds the submissions of a class in a folder, each with what it is or why it cannot be judged.

    DIR/<student>/<exercise>.py|.ipynb      or DIR/<student>.zip with the same inside
    DIR/<student>.py|.ipynb                 with `exercise` given; also folders and archives of students

In a folder or an archive, a whole workspace is fine too (`exercises/<exercise>/solution.py`), and so is any
notebook with `%%solution NAME` cells. Of several such cells for one exercise in a notebook the last one counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from labkit.errors import LabError, SubmissionError
from labkit.gradebook.bundle import Bundle, FileBundle, FolderBundle, ZipBundle, shown
from labkit.gradebook.notebook_cells import MAGIC, solution_cells
from labkit.grader import exercise_names
from labkit.grader.catalogue import find_exercise
from labkit.grader.submission import SOLUTION_NAMES, is_same_code

MAX_STUDENTS = 200_000


@dataclass(frozen=True)
class Entry:
    """One submission of one student.

    Attributes:
        student: the name, safe to show.
        origin: where it came from, for the report.
        source: the Python file; empty if there is a problem.
        problem: why it cannot be judged, empty if it can.
        note: what else the report should say.
    """

    student: str
    exercise: str
    origin: str
    source: bytes = b""
    problem: str = ""
    note: str = ""


@dataclass(frozen=True)
class Problem:
    """Something of a student's that is no submission of any exercise."""

    student: str
    message: str


def collect(folder: Path, exercise: str | None = None) -> tuple[list[Entry], list[Problem]]:
    """Return the submissions of a class, sorted by student and exercise, and what is none.

    Args:
        exercise: all submissions are for this one.
    Raises:
        UnknownName: there is no such exercise.
        LabError: there is no such folder, or nothing in it.
    """
    if exercise is not None:
        find_exercise(exercise)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for student, bundles in _students(folder).items():
        found, said = _of_student(student, bundles, exercise)
        entries += found
        problems += said
    if not entries and not problems:
        raise LabError(
            f"{folder} holds no submissions.",
            expected="a folder for each student, such as ada/chat.py; or with --exercise chat, files such as ada.py.",
        )
    return sorted(entries, key=lambda entry: (entry.student, entry.exercise)), problems


def _students(folder: Path) -> dict[str, list[tuple[str, Bundle]]]:
    """Return the bundles of each student with their names on disk."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise LabError(
            f"{folder} cannot be read: {error.strerror}.",
            expected="a folder with the submissions of a class.",
        ) from None
    if len(names) > MAX_STUDENTS:
        raise LabError(f"{folder} has {len(names)} entries.", expected=f"at most {MAX_STUDENTS} students.")
    students: dict[str, list[tuple[str, Bundle]]] = {}
    for name in names:
        if name.startswith(".") or name == "__MACOSX":
            continue
        path = folder / name
        suffix = path.suffix.lower()
        bundle: Bundle
        if not path.is_symlink() and path.is_dir():
            student, bundle = name, FolderBundle(path)
        elif suffix == ".zip":
            student, bundle = path.stem, ZipBundle(path)
        elif suffix in (".py", ".ipynb") or path.is_symlink() or not path.is_file():
            student, bundle = path.stem, FileBundle(path)
        else:
            continue  # a list of grades, a read-me
        students.setdefault(shown(student), []).append((shown(name), bundle))
    return students


def _of_student(
    student: str, bundles: list[tuple[str, Bundle]], exercise: str | None
) -> tuple[list[Entry], list[Problem]]:
    found: dict[str, list[Entry]] = {}
    problems: list[Problem] = []
    for title, bundle in bundles:
        try:
            for each in _look_through(bundle, title, exercise):
                found.setdefault(each.exercise, []).append(
                    Entry(student, each.exercise, each.origin, each.source, each.problem, each.note)
                )
        except SubmissionError as error:
            if exercise is not None:
                found.setdefault(exercise, []).append(Entry(student, exercise, title, problem=str(error)))
            else:
                problems.append(Problem(student, str(error)))
    if not found and not problems:
        problems.append(Problem(student, str(_nothing_in(bundles[0][0], exercise))))
    return [_the_one(entries) for entries in found.values()], problems


def _look_through(bundle: Bundle, title: str, exercise: str | None) -> Iterator[Entry]:
    """Yield what a bundle holds; the student's name is filled in later."""
    names = bundle.names()
    is_file = isinstance(bundle, FileBundle)
    if is_file and exercise is None:
        raise SubmissionError(
            f"{title} does not say for which exercise it is.",
            expected="a folder for each student, with files such as chat.py in it.",
            hint="name the exercise of all of them: --exercise chat.",
        )
    plain = [name for name in names if name.lower().endswith(".py")]
    matched = False
    for name in plain:
        named = exercise if is_file else _exercise_of(name)
        if named is not None and exercise in (None, named):
            matched = True
            yield _read(bundle, title, name, named)
    for name in names:
        if name.lower().endswith(".ipynb"):
            for entry in _of_notebook(bundle, title, name, exercise, alone=is_file or len(names) == 1):
                matched = True
                yield entry
    if not matched and exercise is not None:
        if len(plain) != 1:
            raise _nothing_in(title, exercise)
        yield _read(bundle, title, plain[0], exercise)


def _exercise_of(name: str) -> str | None:
    """Return the exercise that a Python file is for by its name, None if it names none."""
    path = PurePosixPath(name)
    if path.stem in exercise_names():
        return path.stem
    if path.name in SOLUTION_NAMES and path.parent.name in exercise_names():
        return path.parent.name
    return None


def _read(bundle: Bundle, title: str, name: str, exercise: str) -> Entry:
    origin = title if isinstance(bundle, FileBundle) else f"{title}/{shown(name)}"
    try:
        return Entry("", exercise, origin, bundle.read(name))
    except SubmissionError as error:
        return Entry("", exercise, origin, problem=str(error))


def _of_notebook(
    bundle: Bundle, title: str, name: str, exercise: str | None, *, alone: bool
) -> Iterator[Entry]:
    """Yield the solutions in a notebook. One that must hold some, and does not, is a problem."""
    origin = title if isinstance(bundle, FileBundle) else f"{title}/{shown(name)}"
    named = exercise if alone and exercise else _exercise_of(f"{PurePosixPath(name).stem}.py")
    try:
        cells = solution_cells(bundle.read(name), shown(PurePosixPath(name).name))
    except SubmissionError as error:
        if named is None:
            if alone:
                raise
            return  # it lies beside the submission
        yield Entry("", named, origin, problem=str(error))
        return
    for each, sources in cells.items():
        if each in exercise_names() and exercise in (None, each):
            note = f"the last of {len(sources)} cells {MAGIC} {each} was judged" if len(sources) > 1 else ""
            yield Entry("", each, origin, sources[-1].encode("utf-8", "replace"), note=note)
    if named is not None and named not in cells and exercise in (None, named):
        problem = SubmissionError(
            f"{shown(PurePosixPath(name).name)} has no solution cell of {named!r}.",
            expected=f"a code cell whose first line is {MAGIC} {named}.",
            hint=f"put that line at the top of the cell with the solution, or hand in {named}.py.",
        )
        yield Entry("", named, origin, problem=str(problem))


def _the_one(entries: list[Entry]) -> Entry:
    """Return the one submission of a student for an exercise; if there are several, say so."""
    starter = find_exercise(entries[0].exercise).starter.read_text(encoding="utf-8")
    begun = [
        each
        for each in entries
        if each.problem or not is_same_code(each.source.decode("utf-8", "replace"), starter)
    ]
    entries = begun or entries[:1]
    # Jupyter leaves out the last line break, the magic adds it.
    sources = {entry.source.rstrip() for entry in entries if not entry.problem}
    if len(entries) == 1 or (len(sources) == 1 and not any(entry.problem for entry in entries)):
        return entries[0]
    first = entries[0]
    error = SubmissionError(
        f"There are {len(entries)} different submissions: {', '.join(entry.origin for entry in entries)}.",
        expected="one.",
        hint="remove all but the one that counts, and run this again.",
    )
    return Entry(first.student, first.exercise, first.origin, problem=str(error))


def _nothing_in(title: str, exercise: str | None) -> SubmissionError:
    wanted = exercise or "chat"
    return SubmissionError(
        f"{title} holds no submission{f' of {exercise!r}' if exercise else ''}.",
        expected=f"{wanted}.py, {wanted}.ipynb, or a notebook with a cell {MAGIC} {wanted}.",
        hint="look at the names of the files, or ask for it again.",
    )
