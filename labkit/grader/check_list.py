"""Reads what the checks of an exercise are from their source, without running it.

So a report can list every check of a file that never became a server, a hint costs no run, and the
maximum cannot depend on what a run did.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from labkit.errors import LabError

HINT_LEVELS = 3
"""A question, a cause, a pointer."""

_PREFIX = "test_"


@dataclass(frozen=True)
class CheckSpec:
    """What the source of a check says of it: `@points(2)`, `@needs("accepts")`, `@hints(…, …, …)`.

    Attributes:
        id: the name of its function without `test_`.
        title: the first line of its docstring.
        needs: ids of the checks that must pass before it is tried.
        hints: three, from a question to a pointer.
    """

    id: str
    title: str
    points: int
    needs: tuple[str, ...]
    hints: tuple[str, ...]


@lru_cache
def read_checks(path: Path) -> tuple[CheckSpec, ...]:
    """Return the checks of one `test_task.py` in their order.

    Raises:
        LabError: a check lacks its title, its points or its three hints, or needs one that is not before it.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    checks: list[CheckSpec] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(_PREFIX):
            check = _read(node)
            _require_complete(check, {earlier.id for earlier in checks}, path)
            checks.append(check)
    if not checks:
        raise LabError(f"{path} has no checks.", expected="functions named test_…")
    return tuple(checks)


def _read(node: ast.FunctionDef) -> CheckSpec:
    marks = dict(_marks(node))
    (points,) = marks.get("points", (0,))
    return CheckSpec(
        id=node.name.removeprefix(_PREFIX),
        title=(ast.get_docstring(node) or "").partition("\n")[0],
        points=points,
        needs=marks.get("needs", ()),
        hints=marks.get("hints", ()),
    )


def _marks(node: ast.FunctionDef) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the marks with plain arguments, written as `@points(2)` or as `@pytest.mark.points(2)`."""
    for call in node.decorator_list:
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            yield name, tuple(ast.literal_eval(argument) for argument in call.args)


def _require_complete(check: CheckSpec, earlier: set[str], path: Path) -> None:
    missing = [
        what
        for what, is_there in (
            ("a docstring that is its title", bool(check.title)),
            ("points", check.points > 0),
            (f"{HINT_LEVELS} hints", len(check.hints) == HINT_LEVELS and all(check.hints)),
            ("a name of its own", check.id not in earlier),
            ("needs that are earlier checks", set(check.needs) <= earlier),
        )
        if not is_there
    ]
    if missing:
        raise LabError(f"The check {check.id!r} in {path} lacks {', '.join(missing)}.")
