"""A teaching kit for real-time web programming with FastAPI WebSockets.

    from labkit import serve, connect, show, check, hint, predict

Importing this package imports nothing else: each verb loads what it needs when it is first used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.host import connect as connect
    from labkit.host import serve as serve
    from labkit.host import show as show
    from labkit.notebook import check as check
    from labkit.notebook import hint as hint
    from labkit.notebook import predict as predict

__version__ = "0.1.0"
__all__ = ["check", "connect", "hint", "predict", "serve", "show"]

_HOME_OF = {
    "check": "labkit.notebook",
    "connect": "labkit.host",
    "hint": "labkit.notebook",
    "predict": "labkit.notebook",
    "serve": "labkit.host",
    "show": "labkit.host",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    verb = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = verb
    return verb


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook the `%%solution` cell magic, and NameErrors that say which cell to run first.

    `%load_ext labkit` calls this; importing labkit does it too, and `labkit lab` starts each kernel with it.
    """

    def solution(line: str, cell: str) -> Any:
        return importlib.import_module("labkit.notebook").solution(line, cell)

    def explain(shell: Any, *error: Any, tb_offset: int | None = None) -> None:
        importlib.import_module("labkit.notebook.name_errors").show_name_error(shell, *error, tb_offset)

    shell.register_magic_function(solution, "cell", "solution")
    if not shell.custom_exceptions:  # somebody else's stay
        shell.set_custom_exc((NameError,), explain)


def _greet_notebook() -> None:
    """Register the magic when this import happens inside IPython; cost nothing elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        load_ipython_extension(shell)


_greet_notebook()
