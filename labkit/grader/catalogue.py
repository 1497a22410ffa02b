"""The list of exercises: `exercises/catalogue.toml` and the files beside it."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from labkit.course import course_root
from labkit.errors import UnknownName
from labkit.grader.check_list import CheckSpec, read_checks

CATALOGUE_NAME = "catalogue.toml"
TEST_NAME = "test_task.py"
STARTER_NAME = "starter.py"

SECRET_BYTES = 32


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        folder: holds `task.md`, `starter.py` and `test_task.py`.
        notebook: name of the notebook that leads to it.
        minutes: how long it takes most learners.
        points: the maximum score.
        prerequisites: exercises to do before.
        settings: environment variables that a submission gets.
        secrets: names of environment variables that get a value of their own in every run.
    """

    name: str
    folder: Path
    title: str
    notebook: str
    minutes: int
    points: int
    objective: str
    out_of_scope: tuple[str, ...]
    prerequisites: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]

    @property
    def test_file(self) -> Path:
        """Return the file with the graded checks."""
        return self.folder / TEST_NAME

    @property
    def starter(self) -> Path:
        """Return the file that a learner starts from."""
        return self.folder / STARTER_NAME

    def settings_of_run(self, seed: int) -> dict[str, str]:
        """Return the environment variables that a submission gets in the run with this seed."""
        return {
            **dict(self.settings),
            **{name: random.Random(f"{seed} {name}").randbytes(SECRET_BYTES).hex() for name in self.secrets},
        }

    @property
    def checks(self) -> tuple[CheckSpec, ...]:
        """Return the graded checks in their order."""
        return read_checks(self.test_file)


@lru_cache
def read_catalogue(folder: Path) -> dict[str, Exercise]:
    """Return the exercises of an `exercises/` folder by name, in the order of its catalogue."""
    with (folder / CATALOGUE_NAME).open("rb") as file:
        entries = tomllib.load(file)
    return {
        name: Exercise(
            name=name,
            folder=folder / name,
            title=entry["title"],
            notebook=entry["notebook"],
            minutes=entry["minutes"],
            points=entry["points"],
            objective=entry["objective"],
            out_of_scope=tuple(entry["out_of_scope"]),
            prerequisites=tuple(entry["prerequisites"]),
            settings=tuple(entry["settings"].items()),
            secrets=tuple(entry.get("secrets", ())),
        )
        for name, entry in entries.items()
    }


def exercise_names() -> list[str]:
    """Return the names of the exercises in the order of the course."""
    return list(_own_catalogue())


def find_exercise(name: str) -> Exercise:
    """Return the exercise of that name, from the course that labkit carries.

    A learner's own copy of the checks is not used: editing it changes no score.

    Raises:
        UnknownName: there is none; the message suggests the nearest.
    """
    catalogue = _own_catalogue()
    if name not in catalogue:
        raise UnknownName("exercise", name, catalogue)
    return catalogue[name]


def _own_catalogue() -> dict[str, Exercise]:
    return read_catalogue(course_root() / "exercises")
