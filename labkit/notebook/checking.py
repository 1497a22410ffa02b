"""`check()`: the learner's solution judged, shown as a picture in the cell."""

from __future__ import annotations

import html
import io
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.course import workspace_root
from labkit.errors import SubmissionError
from labkit.grader import Record, find_submission, judge, remember, render_html, render_text
from labkit.grader.probe import strongest_sandbox
from labkit.notebook.hinting import in_a_cell
from labkit.notebook.live_checks import LiveChecks


@dataclass(frozen=True)
class CheckReport:
    """A record as a cell shows it; `record` has the figures."""

    record: Record

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return self.record.passed

    def __repr__(self) -> str:
        return _as_text(self.record)

    def _repr_html_(self) -> str:
        return render_html(self.record)


@dataclass(frozen=True)
class NotAttempted:
    """There is no solution yet, which is no error."""

    exercise: str
    what_to_do: str

    passed = False

    def __repr__(self) -> str:
        return f"{self.exercise}: not attempted yet.\n{self.what_to_do}"

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in self.what_to_do.splitlines())
        return (
            '<div style="border:1px dashed currentColor;border-radius:8px;padding:.6em 1em">'
            f"<b>○ {html.escape(self.exercise)}: not attempted yet</b><br>{lines}</div>"
        )


def check(
    exercise: str, file: str | Path | None = None, *, seed: int | None = None
) -> CheckReport | NotAttempted:
    """Judge a solution and return the report for the cell to display; meanwhile the cell shows each check's line.

    Args:
        exercise: a name of the catalogue, such as `"echo"`.
        file: the solution; unless given, the newer of the `%%solution` cell and `exercises/…/solution.py`.
        seed: repeats an earlier run's random data; the report names it.

    Raises:
        UnknownName: there is no such exercise.
    """
    try:
        path = find_submission(exercise, Path(file) if file is not None else None)
    except SubmissionError as error:
        return NotAttempted(exercise, str(error))
    with LiveChecks(exercise) as live:
        judged = judge(exercise, path, seed=seed, sandbox=strongest_sandbox(), on_check=live.note)
    record = replace(judged, submission=_shown(path))
    if file is None:
        remember(record)
    return CheckReport(_with_calls(record))


def _with_calls(record: Record) -> Record:
    """Return a record whose hints say what to call in a cell, in the place of a terminal's command."""
    return replace(
        record,
        checks=tuple(
            replace(
                check,
                hint=check.hint.replace(
                    f"labkit hint {record.exercise} {check.id}", in_a_cell(record.exercise, check.id), 1
                ),
            )
            for check in record.checks
        ),
    )


def _shown(path: Path) -> str:
    """Return a path as a learner knows it: from the workspace on."""
    root = workspace_root()
    inside = root is not None and path.is_relative_to(root)
    return path.relative_to(root).as_posix() if root is not None and inside else path.name


def _as_text(record: Record) -> str:
    from rich.console import Console

    page = io.StringIO()
    # In a kernel, rich would otherwise display in the cell instead of writing to the file.
    Console(file=page, width=100, color_system=None, force_jupyter=False).print(render_text(record))
    return page.getvalue().rstrip()
