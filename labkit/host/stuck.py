"""A handler that blocks its event loop: where it is, and how to get the thread back."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import traceback

from labkit.errors import is_library_file

BREAK_OFF_TIMEOUT_S = 1.0
BREAK_OFF_EVERY_S = 0.1


def break_off(thread: threading.Thread) -> bool:
    """Raise SystemExit in a thread that is in the learner's code and won't end; return whether it has ended.

    Python does that at the thread's next line: a `while True: pass` ends at once, a call that waits outside of
    Python, such as `time.sleep(3600)`, when it returns.
    """
    deadline = time.monotonic() + BREAK_OFF_TIMEOUT_S
    while thread.is_alive() and time.monotonic() < deadline:
        # Again and again: who waited for the blocked server is let in now, and the next handler may block too.
        if line_of(thread) and thread.ident is not None:
            ident, error = ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, error)
        thread.join(BREAK_OFF_EVERY_S)
    return not thread.is_alive()


def line_of(thread: threading.Thread) -> str:
    """Return where a thread is in the learner's code, such as ``chat(), line 7: time.sleep(60)``; "" if nowhere."""
    frame = sys._current_frames().get(thread.ident or 0)
    own = (
        [each for each in traceback.extract_stack(frame) if not is_library_file(each.filename)]
        if frame
        else []
    )
    return f"{own[-1].name}(), line {own[-1].lineno}: {own[-1].line}" if own else ""


def words(name: str, waited_s: float, line: str, ended: bool) -> str:
    """Return what to tell about a server that did not stop."""
    where = f" in {line}" if line else ""
    return (
        f"{name} did not stop within {waited_s:g} s: a handler blocks its event loop{where}\n"
        "While it does, that server answers nobody. Expected: an await where a handler waits, "
        "such as await asyncio.sleep(...).\n"
        + (
            "It has been broken off."
            if ended
            else "It is left behind and ends when that call returns; a new server is not in its way."
        )
    )
