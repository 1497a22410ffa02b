"""Runs one notebook of the course from top to bottom, in a real kernel and a workspace of its own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from labkit.course.kernels import OwnKernelOnly
from labkit.course.transport import connection_options
from labkit.course.workspace import init
from labkit.errors import LabError


class NotebookFailed(LabError):
    """A notebook did not run to its end: which cell, and why."""


async def execute(name: str, folder: Path, *, limit_s: float) -> nbformat.NotebookNode:
    """Return a notebook of the course with what its cells show.

    Args:
        name: the notebook's name without its suffix.
        folder: where a fresh workspace for it is made; the caller removes it.
        limit_s: seconds that the whole notebook may take.

    Raises:
        NotebookFailed: a cell raised an error, the time was up, or the kernel died.
    """
    await asyncio.to_thread(init, folder / "course")
    path = folder / "course" / "notebooks" / f"{name}.ipynb"
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError) as error:
        raise NotebookFailed(f"{name} is no complete notebook: {error}") from error
    at = {"cell": notebook.cells[0]} if notebook.cells else {}

    def note(cell: nbformat.NotebookNode, cell_index: int) -> None:
        at["cell"] = cell

    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=OwnKernelOnly(), **connection_options()
    )
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=None,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=note,
    )
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            await client.async_execute(env=_environment(folder), cleanup_kc=True)
    except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError, TimeoutError) as error:
        raise _failed(name, at, error, limit_s if limit.expired() else None) from error
    finally:
        if manager.has_kernel:  # nbclient leaves one behind that it was cancelled in the middle of starting
            await manager.shutdown_kernel(now=True)
    return notebook


def _environment(folder: Path) -> dict[str, str]:
    """Return the kernel's environment: IPython's profile and history of whoever publishes have no part in it."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONSTARTUP", "FORCE_COLOR")}
    return own | {"IPYTHONDIR": str(folder / "ipython")}


def _failed(name: str, at: dict[str, Any], error: Exception, limit_s: float | None) -> NotebookFailed:
    where = _cell_words(at["cell"]) if at else "its first cell"
    if limit_s is not None:  # nbclient tells a kernel's death when it is cancelled
        return NotebookFailed(
            f"{name} did not end within {limit_s:g} s: it was in {where}.",
            hint="run it in `labkit lab`, or give it more time with --limit.",
        )
    if isinstance(error, CellExecutionError):
        return NotebookFailed(f"{name} failed in {where}: {error.ename}: {error.evalue}")
    return NotebookFailed(f"{name} failed in {where}: {type(error).__name__}: {error}")


def _cell_words(cell: nbformat.NotebookNode) -> str:
    lines: list[str] = str(cell.source).strip().splitlines() or ["nothing"]
    return f"cell {cell.get('id', '?')!r}, which begins with  {lines[0]}"
