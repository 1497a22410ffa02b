"""All processes below one: found, counted, and ended, even those that have left their parents."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_EMPTY_S = 5.0
_LOOK_EVERY_S = 0.01

_adopting = False


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind (Linux).

    Only for a process that has no children of its own but submissions: `end_tree` ends all of them.
    """
    global _adopting
    if sys.platform.startswith("linux"):
        _adopting = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below one, as far as they are there while this looks."""
    waiting = [pid]
    while waiting:
        below = _children(waiting.pop())
        yield from below
        waiting += below


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds, 0 if it is gone."""
    if sys.platform.startswith("linux"):
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def count_of_own_threads() -> int:
    """Return how many threads the user of this process has now: the limit counts those of other programs too."""
    if sys.platform == "win32":
        return 0
    number, count = os.geteuid(), 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().effective == number:
                count += process.num_threads()
    return count


def end_tree(pid: int) -> None:
    """End a process that leads a session, with all that it started, and wait until they are gone."""
    if sys.platform == "win32":
        below = list(descendants(pid))
        for each in [pid, *below]:
            with contextlib.suppress(psutil.Error):
                psutil.Process(each).kill()
        return
    below = list(descendants(pid))
    # The session has the number of its first process, and keeps it while any member lives.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for each in below:
        _kill(each)
    if _adopting:
        _end_adopted(pid)


def _end_adopted(pid: int) -> None:
    """End the orphans; each one that goes may leave others."""
    deadline = time.monotonic() + _EMPTY_S
    while time.monotonic() < deadline:
        adopted = [child for child in _children(os.getpid()) if child != pid]
        if not adopted:
            return
        for each in adopted:
            for process in [each, *descendants(each)]:
                _kill(process)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(each, os.WNOHANG)
        time.sleep(_LOOK_EVERY_S)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    if sys.platform.startswith("linux"):
        try:
            found: list[int] = []
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                    found += map(int, file.read().split())
            return found
        except OSError:
            if os.path.exists("/proc/self/task") and not os.path.exists(f"/proc/{pid}"):
                return []
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []
