"""The `%%solution NAME` cells of a notebook file. Nothing in it is run."""

from __future__ import annotations

import json
from typing import Any

from labkit.errors import SubmissionError

MAGIC = "%%solution"


def solution_cells(content: bytes, name: str) -> dict[str, list[str]]:
    """Return the sources of the solution cells of each exercise, in the notebook's order.

    Args:
        name: of the notebook, for messages.
    Raises:
        SubmissionError: this is no notebook.
    """
    try:
        notebook = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise SubmissionError(
            f"{name} is not UTF-8.", expected="a notebook as Jupyter saves it.", hint="ask for it again."
        ) from None
    except (ValueError, RecursionError):
        raise SubmissionError(
            f"{name} is no complete notebook: it is cut off or damaged.",
            expected="JSON, as Jupyter saves it.",
            hint="ask for it again, or for the solution as a .py file.",
        ) from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise SubmissionError(
            f"{name} has no list of cells.",
            expected="a notebook of version 4, as Jupyter saves it.",
            hint="open it in JupyterLab and save it.",
        )
    found: dict[str, list[str]] = {}
    for cell in cells:
        exercise, source = _solution_of(cell)
        if exercise:
            found.setdefault(exercise, []).append(source)
    return found


def _solution_of(cell: Any) -> tuple[str, str]:
    """Return the exercise and the source of a solution cell; two empty texts for any other cell."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return "", ""
    text = cell.get("source", "")
    if isinstance(text, list):
        text = "".join(part for part in text if isinstance(part, str))
    if not isinstance(text, str):
        return "", ""
    # As in IPython, which passes over empty lines at the top.
    while text and not text.partition("\n")[0].strip():
        text = text.partition("\n")[2]
    first, _, rest = text.partition("\n")
    words = first.split()
    if len(words) != 2 or words[0] != MAGIC:
        return "", ""
    return words[1], rest
