"""One server at a time in a data folder: two would write into each other's journals."""

from __future__ import annotations

import os
import sys
from io import FileIO
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FolderLock:
    """Held from `take` to `release`, or to the end of the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "in-use.lock"
        self._file: FileIO | None = None

    def take(self) -> bool:
        """Take it; False if another process has it.

        Raises:
            OSError: the folder can't be used.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let another have it."""
        if self._file is not None:
            self._file.close()
            self._file = None
