"""Watches what the limits of a single process do not catch: the memory, number and files of all of them together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from labkit.grader.process_tree import descendants, resident_bytes

MAX_MEMORY_BYTES = 1536 * 1024 * 1024
MAX_PROCESSES = 64
MAX_FOLDER_BYTES = 256 * 1024 * 1024
MAX_FOLDER_FILES = 5_000

LOOK_EVERY_S = 0.1
_LOOKS_PER_FOLDER_LOOK = 5


class Watcher:
    """Ends a child that takes too much, and remembers why.

    Attributes:
        verdict: what it took too much of, empty while all is well.
    """

    def __init__(self, pid: int, folder: Path, end: Callable[[], None]) -> None:
        self.verdict = ""
        self._pid = pid
        self._folder = folder
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="labkit-watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _watch(self) -> None:
        looks = 0
        while not self._stopped.wait(LOOK_EVERY_S):
            looks += 1
            excess = self._excess_of_processes()
            if not excess and looks % _LOOKS_PER_FOLDER_LOOK == 0:
                excess = excess_of_folder(self._folder)
            if excess:
                self.verdict = excess
                self._end()
                return

    def _excess_of_processes(self) -> str:
        processes = [self._pid, *descendants(self._pid)]
        if len(processes) > MAX_PROCESSES:
            return f"it had more than {MAX_PROCESSES} processes"
        if sum(map(resident_bytes, processes)) > MAX_MEMORY_BYTES:
            return f"its processes used more than {MAX_MEMORY_BYTES // 2**20} MiB of memory"
        return ""


def excess_of_folder(folder: Path) -> str:
    """Say what a folder holds too much of, if anything; symbolic links are not followed."""
    files = total_bytes = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    files += 1
                    if files > MAX_FOLDER_FILES:
                        return f"it made more than {MAX_FOLDER_FILES} files"
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        # Blocks, not length: a file of a terabyte may be nothing but a hole.
                        status = entry.stat(follow_symlinks=False)
                        blocks = getattr(status, "st_blocks", None)
                        total_bytes += status.st_size if blocks is None else blocks * 512
        except OSError:
            continue
    if total_bytes > MAX_FOLDER_BYTES:
        return f"it wrote more than {MAX_FOLDER_BYTES // 2**20} MiB of files"
    return ""
