"""A board on the disk: a snapshot, and a journal of what has happened since. Everything here blocks.

``board.jsonl`` names its generation in its first line; ``journal-<generation>.jsonl`` goes on from there. A new
snapshot is written beside the old one and put in its place, so at any instant one pair of them is whole.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

from labkit.board.board import Board
from labkit.board.keeping import replay, restore

logger = logging.getLogger("labkit.board")

SNAPSHOT = "board.jsonl"


class BoardFile:
    """One board's folder. Open it, then append and replace; close it in the end.

    Attributes:
        size: how many bytes the journal has.
        snapshot_size: how many the snapshot has.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.size = 0
        self.snapshot_size = 0
        self._generation = 0
        self._journal: FileIO | None = None

    def open(self) -> Board:
        """Return the board as it was kept, a new one if there is none, and get ready to append.

        What a crash has left half-written at the journal's end is cut off and put aside, with a line in the log.
        A snapshot that can't be read is put aside too, and the board is empty.

        Raises:
            OSError: the folder can't be used.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        board = self._read_snapshot()
        path = self._journal_path()
        self.size = self._replay(board, path) if path.exists() else 0
        self._journal = FileIO(path, "a")
        return board

    def append(self, records: Iterable[str]) -> None:
        """Write records at the journal's end, so that they survive the process.

        Raises:
            OSError: not all of them were written; call `replace` before appending again.
        """
        if self._journal is None:
            raise ValueError("the board's file is not open")
        data = "".join(f"{record}\n" for record in records).encode()
        _write_all(self._journal, data)
        self.size += len(data)

    def replace(self, lines: Iterable[str]) -> None:
        """Write a snapshot, and begin a new journal after it.

        Raises:
            OSError: it was not written; what was there before is still whole.
        """
        generation = self._generation + 1
        beside = self.folder / f"{SNAPSHOT}.tmp"
        head = json.dumps({"labkit_board": 1, "generation": generation})
        data = "".join(f"{line}\n" for line in (head, *lines)).encode()
        with FileIO(beside, "w") as file:
            _write_all(file, data)
            os.fsync(file.fileno())
        old = self._journal_path()
        journal = FileIO(self._journal_path(generation), "w")
        try:
            os.replace(beside, self.folder / SNAPSHOT)
        except OSError:
            journal.close()
            raise
        self.close()
        self._generation, self._journal = generation, journal
        self.size, self.snapshot_size = 0, len(data)
        old.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _journal_path(self, generation: int | None = None) -> Path:
        return self.folder / f"journal-{self._generation if generation is None else generation}.jsonl"

    def _read_snapshot(self) -> Board:
        path = self.folder / SNAPSHOT
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return Board("")
        try:
            head, *lines = data.decode().splitlines()
            self._generation = int(json.loads(head)["generation"])
            self.snapshot_size = len(data)
            return restore(lines)
        except (ValueError, KeyError, TypeError) as error:
            aside = path.with_suffix(".damaged")
            os.replace(path, aside)
            for journal in self.folder.glob("journal-*.jsonl"):  # it means nothing without the snapshot
                os.replace(journal, journal.with_suffix(".damaged"))
            self._generation = 0
            logger.error(
                "%s can't be read, so the board begins empty; it is put aside as %s: %s", path, aside, error
            )
            return Board("")

    def _replay(self, board: Board, path: Path) -> int:
        """Make happen again what the journal says, and return its size after cutting what is damaged."""
        data = path.read_bytes()
        whole = 0
        while (end := data.find(b"\n", whole)) >= 0:
            try:
                replay(board, data[whole:end].decode())
            except ValueError:
                break
            whole = end + 1
        if whole < len(data):
            aside = path.with_suffix(".damaged")
            aside.write_bytes(data[whole:])
            os.truncate(path, whole)
            logger.warning(
                "the last %d bytes of %s are no whole record, as a crash leaves them: they are cut off, and put "
                "aside as %s. All before them is there.",
                len(data) - whole,
                path,
                aside,
            )
        return whole


def _write_all(file: FileIO, data: bytes) -> None:
    """Write all of it: a full disk takes a part first, and says so at the next try."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
