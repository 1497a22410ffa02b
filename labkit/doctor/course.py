"""Probes of the course and of the learner's copy."""

from __future__ import annotations

import tempfile
from pathlib import Path

from labkit.course.locate import course_root, workspace_root
from labkit.course.workspace import course_files
from labkit.doctor.report import Finding, State
from labkit.errors import LabError


def course() -> Finding:
    """Does this installation carry the course?"""
    try:
        root = course_root()
    except LabError as error:
        return Finding("course", State.FAIL, error.happened, error.hint)
    files = list(course_files(root))
    notebooks = sum(file.suffix == ".ipynb" for file in files)
    exercises = sum(file.name == "task.md" for file in files)
    return Finding("course", State.OK, f"{notebooks} notebooks and {exercises} exercises in {root}")


def workspace(start: Path | None = None) -> Finding:
    """Can a learner's work be saved where this command runs?"""
    root = workspace_root(start)
    folder = root or start or Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(
            "workspace",
            State.FAIL,
            f"{folder} cannot be written to: {error.strerror or error}",
            f"labkit init {Path.home() / 'labkit-course'}, and work there.",
        )
    if root is None:
        return Finding(
            "workspace", State.OK, f"none around {folder}; `labkit lab` makes one in ./labkit-course"
        )
    return Finding("workspace", State.OK, f"{root} can be written to")
