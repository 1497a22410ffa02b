"""Which notebook cell is running: the key under which a server is replaced when its cell runs again."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class CellRun:
    """One execution of one cell: `cell` stays the same when the cell runs again, `run` does not."""

    cell: str
    run: str


def current_cell_run() -> CellRun | None:
    """Return the execution that the calling code belongs to, or None outside a Jupyter kernel.

    JupyterLab and VS Code send the cell's id with each execution. Where a front end sends none
    (nbclient, a console), the cell's source stands for it.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    message = kernel.get_parent("shell") or {}
    run = message.get("header", {}).get("msg_id")
    if not run:
        return None
    cell = message.get("metadata", {}).get("cellId")
    if not cell:
        source = str(message.get("content", {}).get("code", ""))
        cell = "source:" + hashlib.sha256(source.encode()).hexdigest()
    return CellRun(cell=str(cell), run=str(run))
