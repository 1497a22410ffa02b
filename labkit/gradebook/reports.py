"""Writes all reports of a class into a folder, each one a pure function of its results."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from labkit.errors import LabError
from labkit.gradebook.class_results import FILE_NAME, ClassResults
from labkit.gradebook.class_tables import checks_csv, results_csv
from labkit.gradebook.gradescope import gradescope_json
from labkit.gradebook.junit import junit_xml
from labkit.gradebook.pages import class_page, student_page
from labkit.gradebook.store import write_whole

STUDENTS_FOLDER, GRADESCOPE_FOLDER = "students", "gradescope"
MAX_FILE_NAME_CHARACTERS = 60

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def require_own_folders(out: Path) -> None:
    """See that what `write_reports` is going to replace is its own.

    Raises:
        LabError: a folder of that name holds something else.
    """
    for folder, suffix in ((STUDENTS_FOLDER, ".html"), (GRADESCOPE_FOLDER, ".json")):
        for path in sorted((out / folder).glob("*")) if (out / folder).exists() else ():
            is_ours = path.suffix == suffix or path.name.startswith(".part-")
            if (out / folder).is_symlink() or not is_ours or not path.is_file():
                raise LabError(
                    f"{out / folder} holds {path.name}, which no report is: it would be lost.",
                    expected="a folder for the results alone.",
                    hint="--out results",
                )


def write_reports(results: ClassResults, out: Path) -> None:
    """Write `results.json`, the tables, the pages and the exports; what was there before is replaced.

    Raises:
        LabError: the folder cannot be written to.
    """
    require_own_folders(out)
    names = file_names(student for student, _ in results.students)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for folder in (STUDENTS_FOLDER, GRADESCOPE_FOLDER):
            shutil.rmtree(out / folder, ignore_errors=True)
            (out / folder).mkdir()
        for student, of_student in results.students:
            name = names[student]
            write_whole(out / STUDENTS_FOLDER / f"{name}.html", student_page(student, of_student))
            write_whole(out / GRADESCOPE_FOLDER / f"{name}.json", gradescope_json(of_student))
        pages = {student: f"{STUDENTS_FOLDER}/{name}.html" for student, name in names.items()}
        for name, text in (
            ("class.html", class_page(results, pages)),
            ("results.csv", results_csv(results)),
            ("checks.csv", checks_csv(results)),
            ("junit.xml", junit_xml(results)),
            (FILE_NAME, results.to_json()),
        ):
            write_whole(out / name, text)
    except OSError as error:
        raise LabError(
            f"The reports cannot be written to {out}: {error.strerror}.",
            expected="a folder that you may write to, on a disk with space left.",
        ) from error


def file_names(students: Iterable[str]) -> dict[str, str]:
    """Return a name for each student that any file system takes, and no two of which are the same."""
    names: dict[str, str] = {}
    for student in students:
        name = _UNSAFE.sub("_", student)[:MAX_FILE_NAME_CHARACTERS].strip("._")
        if name.casefold() != student.casefold() or name.casefold() in {
            taken.casefold() for taken in names.values()
        }:
            name = f"{name or 'student'}-{hashlib.sha256(student.encode()).hexdigest()[:8]}"
        names[student] = name
    return names
