"""Finds a learner's own part of a traceback in the log of their server."""

from __future__ import annotations

import re
from pathlib import PurePath

from labkit.grader.wording import printable, shorten

START = "Traceback (most recent call last):"
MAX_TAIL_CHARACTERS = 1500

_GROUP_MARGIN = re.compile(r"^[ ]*[|+][-+ ]?[ ]?")
_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line \d+')


def has_traceback(log: str) -> bool:
    """Tell whether a log shows that something was raised and not caught."""
    return START in log


def own_traceback(log: str, submission: str) -> str:
    """Return the last traceback of a log, with only the frames of the submission.

    Args:
        log: what the server printed.
        submission: path of the file as the server saw it.
    Returns:
        its frames, then the error, shortened; empty if there is no traceback.
    """
    _, start, text = log.rpartition(START)
    if not start:
        return ""
    lines = [
        _GROUP_MARGIN.sub("", line) if line.lstrip().startswith(("|", "+")) else line
        for line in text.splitlines()
    ]
    kept: list[str] = []
    is_own = False
    for line in lines:
        frame = _FRAME.match(line)
        if frame:
            is_own = frame["path"] == submission
        elif line and not line[0].isspace():
            kept.append(line)
            break
        if is_own:
            kept.append(line)
    tail = "\n".join(kept).replace(submission, PurePath(submission).name)
    return shorten(printable(tail), MAX_TAIL_CHARACTERS)
