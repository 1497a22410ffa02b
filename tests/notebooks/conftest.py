"""A workspace of one's own and a real kernel to run a notebook in."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from labkit.course.transport import connection_options
from labkit.course.workspace import init

CELL_TIMEOUT_S = 300

BEFORE = """
import asyncio, psutil
def _listening():
    return {c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN}
_ports_before, _tasks_before = _listening(), len(asyncio.all_tasks())
"""

AFTER = """
import threading
_ours = [t for t in threading.enumerate() if t.name.startswith("labkit")]
[t.join(5) for t in _ours]
print("threads left:", [t.name for t in _ours if t.is_alive()])
print("ports left:", sorted(_listening() - _ports_before))
print("tasks left:", len(asyncio.all_tasks()) - _tasks_before)
"""

NOTHING_LEFT = "threads left: []\nports left: []\ntasks left: 0\n"


def code_cell(id: str, source: str) -> Any:
    """Return a code cell with an id."""
    cell = nbformat.v4.new_code_cell(source)
    cell["id"] = id
    return cell


def text_of(cell: Any) -> str:
    """Return everything that a cell printed or showed, as text."""
    shown = ""
    for output in cell.outputs:
        if output.output_type == "stream":
            shown += output.text  # one print may arrive in several pieces
        elif output.output_type == "error":
            shown += "\n".join(output.traceback) + "\n"
        else:
            shown += output.data.get("text/plain", "") + "\n"
    return shown


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fresh workspace, as `labkit init` makes it."""
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path / "matplotlib")))
    init(tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture
def run_notebook(workspace: Path) -> Callable[..., dict[str, str]]:
    """Run a notebook from top to bottom in a real kernel, then more cells in the same one.

    `run_notebook("01_echo", then={"check-again": 'check("echo")'})`; with `twice`, each cell runs twice.

    Returns what each code cell printed and showed, as text, by cell id. It has been seen that no cell failed
    and that no thread, port or task is left.
    """

    def run(name: str, *, then: dict[str, str] | None = None, twice: bool = False) -> dict[str, str]:
        path = workspace / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells += [code_cell(id, source) for id, source in (then or {}).items()]
        if twice:
            notebook.cells = [copied for cell in notebook.cells for copied in _run_twice(cell)]
        notebook.cells = [code_cell("before", BEFORE), *notebook.cells, code_cell("after", AFTER)]
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            iopub_timeout=60,
            km=AsyncKernelManager(kernel_name="python3", **connection_options()),
            allow_errors=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.execute(cleanup_kc=True)
        errors = [(cell.id, text_of(cell)) for cell in notebook.cells if _has_error(cell)]
        assert errors == [], f"{name}: cells with errors"
        told = {cell.id: text_of(cell) for cell in notebook.cells if cell.cell_type == "code"}
        assert told["after"] == NOTHING_LEFT
        return told

    return run


def _run_twice(cell: Any) -> list[Any]:
    if cell.cell_type != "code":
        return [cell]
    again = copy.deepcopy(cell)
    again["id"] = f"{cell.id}-again"
    return [cell, again]


def _has_error(cell: Any) -> bool:
    return cell.cell_type == "code" and any(output.output_type == "error" for output in cell.outputs)
