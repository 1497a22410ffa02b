"""What a cell shows while its solution is being judged: a line for each check, filled in as the results come."""

from __future__ import annotations

import html
import sys
from typing import Any

from labkit.grader import CheckResult
from labkit.grader.catalogue import find_exercise
from labkit.grader.report_words import SIGNS

_WAITING = "·"


class LiveChecks:
    """The lines of a running check. Outside of a notebook it shows nothing.

    Use it as a context: when it ends its lines are gone, and the report takes their place.
    """

    def __init__(self, exercise: str) -> None:
        self._exercise = exercise
        self._titles = {spec.id: spec.title for spec in find_exercise(exercise).checks}
        self._results: dict[str, CheckResult] = {}
        self._handle: Any = None

    def __enter__(self) -> LiveChecks:
        """Show all checks as waiting."""
        shell = _notebook_shell()
        if shell is not None:
            from IPython.display import display

            self._handle = display(self._shown(), raw=True, display_id=True)
        return self

    def __exit__(self, *exception: object) -> None:
        """Make room for the report."""
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def note(self, result: CheckResult) -> None:
        """Fill in the line of one check."""
        self._results[result.id] = result
        if self._handle is not None:
            self._handle.update(self._shown(), raw=True)

    def _shown(self) -> dict[str, str]:
        lines = [self._line(check, title) for check, title in self._titles.items()]
        head = f"{self._exercise}: {len(self._results)} of {len(lines)} checks"
        rows = "".join(f"<div>{html.escape(line)}</div>" for line in lines)
        return {
            "text/plain": "\n".join([head, *lines]),
            "text/html": f'<div role="status" style="line-height:1.6"><b>{html.escape(head)}</b>{rows}</div>',
        }

    def _line(self, check: str, title: str) -> str:
        result = self._results.get(check)
        if result is None:
            return f"{_WAITING} {title}"
        sign = SIGNS[result.outcome]
        return f"{sign.icon} {title}{'' if result.passed else f' ({sign.word})'}"


def _notebook_shell() -> Any:
    """Return the shell of a notebook's kernel, None anywhere else."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell if hasattr(shell, "kernel") else None
