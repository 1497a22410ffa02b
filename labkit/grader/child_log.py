"""Keeps the end of what a child prints, and none of the rest: not on disk, not in memory."""

from __future__ import annotations

import os
import select
import sys
import threading

MAX_KEPT_BYTES = 1024 * 1024
"""What is remembered of a child's output."""

_READ_BYTES = 256 * 1024
_DRAIN_READS = 64
_POLL_S = 0.1


class ChildLog:
    """Reads a child's output from a pipe, so that however much it prints, it neither stalls nor fills a disk."""

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe()
        self._kept = bytearray()
        self._seen_bytes = 0
        self._lock = threading.Lock()
        self._closed = False
        # Windows cannot poll a pipe: there the thread blocks in its read until the child is gone.
        self._can_poll = sys.platform != "win32"
        if self._can_poll:
            os.set_blocking(self._read_fd, False)
        self._thread = threading.Thread(target=self._follow, name="labkit-child-log", daemon=True)
        self._thread.start()

    def child_started(self) -> None:
        """Close our copy of the end that the child writes to."""
        os.close(self.write_fd)

    @property
    def mark(self) -> int:
        """Return the place in the output that has been reached, for `text_since`."""
        self._drain()
        return self._seen_bytes

    def text_since(self, mark: int = 0) -> str:
        """Return what was printed since a mark, or as much of it as is still remembered.

        Everything that the child had written when this is called is included.
        """
        self._drain()
        with self._lock:
            first_kept = self._seen_bytes - len(self._kept)
            return bytes(self._kept[max(0, mark - first_kept) :]).decode("utf-8", "replace")

    def close(self) -> None:
        """Stop reading, once the child is gone."""
        self._drain()
        self._closed = True
        self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            os.close(self._read_fd)

    def _follow(self) -> None:
        while not self._closed:
            if self._can_poll and not select.select([self._read_fd], [], [], _POLL_S)[0]:
                continue
            if not self._read_once():
                return

    def _drain(self) -> None:
        if not self._can_poll or self._closed:
            return
        for _ in range(_DRAIN_READS):
            if not select.select([self._read_fd], [], [], 0)[0] or not self._read_once():
                return

    def _read_once(self) -> bool:
        """Read what is there and return whether the output goes on."""
        with self._lock:
            try:
                data = os.read(self._read_fd, _READ_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
            self._seen_bytes += len(data)
            self._kept += data
            if len(self._kept) > 2 * MAX_KEPT_BYTES:
                del self._kept[:-MAX_KEPT_BYTES]
            return bool(data)
