"""`%%solution NAME`: a cell that is a file of its own, judged as one and never run in the kernel."""

from __future__ import annotations

import html
from dataclasses import dataclass

from labkit.errors import LabError
from labkit.grader import exercise_names, save_cell


@dataclass(frozen=True)
class Saved:
    """What became of a solution cell."""

    exercise: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<div>{html.escape(self.text)}</div>"


def solution(line: str, cell: str) -> Saved:
    """Keep the cell as the solution of the exercise named in its first line; `check()` judges it.

    The cell does not run here: it is a program of its own, with its own imports, as a file would be.

    Raises:
        LabError: no exercise is named.
        UnknownName: there is none of that name.
    """
    name = line.strip()
    if not name:
        raise LabError(
            "%%solution needs the name of an exercise.",
            expected=f"one of {', '.join(exercise_names())}.",
            hint="%%solution echo",
        )
    path = save_cell(name, cell)
    if path is None:
        return Saved(name, f"This is still the starter of {name!r}: nothing to check yet.")
    return Saved(
        name, f"Kept as {path.parent.parent.name}/{path.parent.name}/{path.name}. Now: check({name!r})"
    )
