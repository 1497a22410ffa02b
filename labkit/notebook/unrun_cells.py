"""Which cell of a notebook makes a name: what a learner has to run when a name is not there.

Plain values in and out; `labkit.notebook.name_errors` asks when a cell fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.errors import LabError

BEGINNING_MAX_CHARS = 60


@dataclass(frozen=True)
class CodeCell:
    """A code cell: its id, its source, and the heading that it stands under."""

    id: str
    source: str
    heading: str = ""

    @property
    def beginning(self) -> str:
        """The first line that is no comment: by it a reader finds the cell."""
        lines = [line.strip() for line in self.source.splitlines()]
        told = next((line for line in lines if line and not line.startswith("#")), "")
        return told if len(told) <= BEGINNING_MAX_CHARS else f"{told[:BEGINNING_MAX_CHARS]}…"


def code_cells(notebook: object) -> list[CodeCell]:
    """Return the code cells of a notebook, given as its JSON; of something else, none."""
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    found, heading = [], ""
    for cell in cells if isinstance(cells, list) else []:
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", "")
        source = "".join(source) if isinstance(source, list) else str(source)
        if cell.get("cell_type") == "markdown":
            titles = re.findall(r"^#+ +(.+?) *$", source, re.M)
            heading = titles[-1] if titles else heading
        elif cell.get("cell_type") == "code":
            found.append(CodeCell(str(cell.get("id", "")), source, heading))
    return found


def names_made(source: str) -> set[str]:
    """Return the names that a cell binds at its top level: imports, assignments, functions, loops."""
    try:
        tree = ast.parse("" if source.startswith("%%") else source)
    except SyntaxError:
        return set()
    return set(_bound(tree.body))


def _bound(body: Iterable[ast.AST]) -> Iterable[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name  # what is inside of it stays there
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                yield node.id
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            yield from _bound(ast.iter_child_nodes(node))


def position_of(cells: Sequence[CodeCell], cell_id: str, source: str) -> int | None:
    """Return which cell is running: the one with this id and source, else this source, else this id."""
    same_id = [position for position, cell in enumerate(cells) if cell.id == cell_id]
    same_source = [position for position, cell in enumerate(cells) if cell.source == source]
    both = [position for position in same_source if position in same_id]
    return next(iter(both + same_source + same_id), None)


def maker_of(cells: Sequence[CodeCell], name: str, running: int) -> int | None:
    """Return the position of the cell that makes a name: the nearest above the running one, else below it."""
    makers = [position for position, cell in enumerate(cells) if name in names_made(cell.source)]
    above = [position for position in makers if position < running]
    below = [position for position in makers if position > running]
    return above[-1] if above else below[0] if below else None


def explain(cells: Sequence[CodeCell], name: str, running: int) -> str | None:
    """Return what to tell a learner whose cell lacks a name; None if no other cell makes it."""
    maker = maker_of(cells, name, running)
    if maker is None:
        return None
    above = maker < running
    cell = cells[maker]
    under = f", under “{cell.heading}”" if cell.heading else ""
    told = LabError(
        f"{name!r} is not there yet: the cell that makes it has not been run since the kernel started.",
        expected="the cells above this one, run from top to bottom."
        if above
        else "a name made above. This one is made further down.",
        hint=f"first run the cell that begins with  {cell.beginning}{under}"
        + ("; or all above: menu Run, Run All Above Selected Cell." if above else "."),
    )
    return f"NameError: {told}"
