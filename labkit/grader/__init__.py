"""Judges a submission from outside: over its sockets, from another process.

Names are imported when they are first used: pytest loads `labkit.grader.plugin` in every run of an
environment that has labkit, and must not pay for the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.grader.catalogue import exercise_names
    from labkit.grader.hints import Hint, hints_for
    from labkit.grader.judging import judge, unattempted
    from labkit.grader.progress import last_summary, remember
    from labkit.grader.record import CheckResult, Record
    from labkit.grader.report_html import render_html
    from labkit.grader.report_text import render_text
    from labkit.grader.submission import find_submission, save_cell

__all__ = [
    "CheckResult",
    "Hint",
    "Record",
    "exercise_names",
    "find_submission",
    "hints_for",
    "judge",
    "last_summary",
    "remember",
    "render_html",
    "render_text",
    "save_cell",
    "unattempted",
]

_HOMES = {
    "CheckResult": "record",
    "Hint": "hints",
    "Record": "record",
    "exercise_names": "catalogue",
    "find_submission": "submission",
    "hints_for": "hints",
    "judge": "judging",
    "last_summary": "progress",
    "remember": "progress",
    "render_html": "report_html",
    "render_text": "report_text",
    "save_cell": "submission",
    "unattempted": "judging",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
