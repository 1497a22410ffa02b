"""Finds the course: the package's own, and the learner's copy around a folder."""

from __future__ import annotations

from pathlib import Path

import labkit
from labkit.errors import LabError

CATALOGUE = Path("exercises", "catalogue.toml")
"""The file that makes a folder a course."""

PACKAGE = Path(labkit.__file__).resolve().parent


def course_root() -> Path:
    """Return the folder with `notebooks/` and `exercises/` that this installation of labkit carries.

    A wheel has it inside the package; an editable installation has it beside the package, in the checkout.

    Raises:
        LabError: this installation carries no course.
    """
    for root in (PACKAGE / "_course", PACKAGE.parent):
        if is_course(root):
            return root
    raise LabError(
        f"This installation of labkit in {PACKAGE} carries no course.",
        expected=f"{CATALOGUE.as_posix()} in the package or in the checkout around it.",
        hint="install labkit again, from its wheel or with `pip install -e .` in a complete checkout.",
    )


def workspace_root(start: Path | None = None) -> Path | None:
    """Return the nearest folder that holds a course, from `start` (default: the current one) upward."""
    here = (start or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if is_course(folder)), None)


def is_course(folder: Path) -> bool:
    """Tell whether a folder is the root of a course."""
    return (folder / CATALOGUE).is_file()
