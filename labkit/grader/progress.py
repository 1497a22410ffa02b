"""Remembers a learner's last results in their workspace, as plain JSON that may be deleted at any time.

`.labkit/progress.json` is `{exercise: {"score", "max_score", "outcome", "first_not_passed", "submission", "at"}}`.
It is a convenience for hints and overviews, never evidence.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from labkit.course import workspace_root
from labkit.grader.record import Record

_PLACE = Path(".labkit", "progress.json")


def remember(record: Record, workspace: Path | None = None) -> None:
    """Keep what a later hint needs of a record. Outside of a workspace, nothing is kept.

    Args:
        workspace: where, if not in the workspace around the current folder.
    """
    root = workspace or workspace_root()
    if root is None:
        return
    summary = {
        "score": record.score,
        "max_score": record.max_score,
        "outcome": record.outcome,
        "first_not_passed": next((check.id for check in record.checks if not check.passed), ""),
        "submission": record.submission,
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    path = root / _PLACE
    try:
        path.parent.mkdir(exist_ok=True)
        _replace(path, json.dumps({**_read(path), record.exercise: summary}, indent=1, ensure_ascii=False))
    except OSError:
        # A read-only workspace is no reason to withhold a result.
        return


def last_summary(exercise: str, workspace: Path | None = None) -> dict[str, Any]:
    """Return what `remember` kept of an exercise; an empty dict if nothing, or nothing readable, is there."""
    root = workspace or workspace_root()
    summary = _read(root / _PLACE).get(exercise) if root is not None else None
    return summary if isinstance(summary, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _replace(path: Path, text: str) -> None:
    """Write a file so that whoever reads it meanwhile sees the old or the new one, whole."""
    handle, part = tempfile.mkstemp(prefix=".progress-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
