"""Single keys from the terminal, without waiting for them and without Enter."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import Any

_MAX_READ_BYTES = 64


class Keys:
    """The keys pressed while this context lasts; none where stdin is no terminal.

    Attributes:
        available: whether there is a terminal to press keys on.
    """

    def __init__(self) -> None:
        self.available = False
        self._before: Any = None

    def __enter__(self) -> Keys:
        self.available = sys.stdin is not None and sys.stdin.isatty()
        if self.available and sys.platform != "win32":
            import termios
            import tty

            try:
                self._before = termios.tcgetattr(sys.stdin)
                tty.setcbreak(sys.stdin.fileno())
            except (termios.error, OSError):
                self.available = False
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None and sys.platform != "win32":
            import termios

            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def pressed(self) -> str:
        """Return what was pressed since the last call, in lower case."""
        if not self.available:
            return ""
        if sys.platform == "win32":
            import msvcrt

            pressed = ""
            while msvcrt.kbhit():
                pressed += msvcrt.getwch()
            return pressed.lower()
        if not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        return os.read(sys.stdin.fileno(), _MAX_READ_BYTES).decode("utf-8", "ignore").lower()
