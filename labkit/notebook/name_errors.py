"""A `NameError` in a notebook says which cell to run first, instead of a bare traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from labkit.notebook.unrun_cells import CodeCell, code_cells, explain, position_of

NOTEBOOK_VARIABLES = ("JPY_SESSION_NAME",)
"""Environment variables in which a Jupyter server tells the kernel its notebook's file."""

NOTEBOOK_GLOBALS = ("__vsc_ipynb_file__",)
"""Names in which VS Code tells it."""


def show_name_error(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType | None, tb_offset: Any
) -> None:
    """Show a `NameError` in a cell: if another cell of the notebook makes the name, say which to run first."""
    told = _explanation(shell, error)
    if told is not None:
        # IPython asks the error itself what to show; its type and words stay Python's, for whoever catches it.
        error._render_traceback_ = told.splitlines  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def _explanation(shell: Any, error: BaseException) -> str | None:
    name = getattr(error, "name", None)
    message = shell.kernel.get_parent("shell") if getattr(shell, "kernel", None) is not None else None
    if not name or not message:
        return None
    source = str(message.get("content", {}).get("code", ""))
    cell_id = str(message.get("metadata", {}).get("cellId", ""))
    for path in _candidates(shell):
        cells = _read(path)
        running = position_of(cells, cell_id, source)
        if running is not None and (told := explain(cells, name, running)) is not None:
            return told
    return None


def _candidates(shell: Any) -> list[Path]:
    """Return the notebook's file if anybody told it, else those of the current folder."""
    told = [os.environ.get(variable) for variable in NOTEBOOK_VARIABLES]
    told += [shell.user_ns.get(name) for name in NOTEBOOK_GLOBALS]
    paths = [Path(str(path)) for path in told if path]
    found = [path for path in paths if path.suffix == ".ipynb" and path.is_file()]
    return found or sorted(Path.cwd().glob("*.ipynb"))


def _read(path: Path) -> list[CodeCell]:
    try:
        return code_cells(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []
