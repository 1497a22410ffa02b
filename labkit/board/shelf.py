"""Drawings that were saved by a name, in a folder or, without one, in memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Protocol

from labkit.board.filenames import file_name
from labkit.board.refusal import BoardRefused

DRAWINGS_MAX = 500
MEMORY_DRAWINGS_MAX = 20


class Shelf(Protocol):
    """Where drawings are. Both methods may block.

    Attributes:
        lasting: what is saved outlives the process.
    """

    @property
    def lasting(self) -> bool:
        """Whether what is saved outlives the process."""

    def save(self, name: str, text: str) -> None:
        """Keep a text by a name, in the place of what had it.

        Raises:
            BoardRefused: there is no room for it.
        """

    def load(self, name: str) -> str | None:
        """Return what was saved by a name, None if nothing was."""


class MemoryShelf:
    """Drawings that end with the process."""

    lasting = False

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def save(self, name: str, text: str) -> None:
        """Keep a text by a name."""
        if name not in self._texts and len(self._texts) >= MEMORY_DRAWINGS_MAX:
            raise _full(MEMORY_DRAWINGS_MAX)
        self._texts[name] = text

    def load(self, name: str) -> str | None:
        """Return what was saved by a name."""
        return self._texts.get(name)


class FolderShelf:
    """Drawings in files of one folder, whatever their names are."""

    lasting = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def save(self, name: str, text: str) -> None:
        """Write a text to the file of its name: all of it, or nothing."""
        path = self._path(name)
        with self._lock:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                if not path.exists() and sum(1 for _ in self._folder.glob("drawing-*")) >= DRAWINGS_MAX:
                    raise _full(DRAWINGS_MAX)
                beside = path.with_suffix(".tmp")
                with beside.open("w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(beside, path)
            except OSError as error:
                raise BoardRefused(
                    "not_saved", f"The drawing could not be saved: {error.strerror}.", hint="free some space."
                ) from error

    def load(self, name: str) -> str | None:
        """Read the file of a name."""
        try:
            return self._path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BoardRefused("no_drawing", f"The drawing can't be read: {error}.") from error

    def _path(self, name: str) -> Path:
        return self._folder / f"{file_name('drawing', name)}.json"


def _full(most: int) -> BoardRefused:
    return BoardRefused(
        "not_saved",
        f"There are {most} drawings already.",
        expected=f"at most {most}.",
        hint="use a name again.",
    )
