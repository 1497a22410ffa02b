"""All boards of the app, and the folder that keeps them: opened when they are asked for, written as they change."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from labkit.apps.live_board import LiveBoard
from labkit.apps.messages.drawing import Notice
from labkit.board.board import Board
from labkit.board.board_file import BoardFile
from labkit.board.filenames import file_name
from labkit.board.folder_lock import FolderLock
from labkit.board.keeping import dump
from labkit.board.limits import BOARD_NAME_MAX_CHARS
from labkit.board.shelf import FolderShelf, MemoryShelf, Shelf
from labkit.hub import Hub, Refused
from labkit.hub.showable import is_showable

logger = logging.getLogger("labkit.apps")

WRITE_EVERY_S = 0.25
"""So a process that is killed loses a quarter of a second of strokes, and the time that writing takes."""
RETRY_EVERY_S = 5.0
JOURNAL_MIN_BYTES = 8_388_608
"""A journal that is larger than this, and than the snapshot before it, becomes a snapshot."""
BOARDS_MAX = 100


class KeptBoard:
    """A live board and its file, if it has one: what happened and is not written yet."""

    def __init__(self, file: BoardFile | None) -> None:
        self.file = file
        self.records: list[str] = []
        self.broken = False
        self.retry_at = 0.0

    def record(self, record: str) -> None:
        """Take note of something that happened."""
        if self.file is not None and not self.broken:
            self.records.append(record)


class Boards:
    """The boards by name. `async with` it: it writes what is left in the end.

    Args:
        folder: where they are kept; None for in memory alone.
    """

    def __init__(self, hub: Hub, folder: Path | None) -> None:
        self._hub = hub
        self._wanted = folder
        self._lock: FolderLock | None = None
        self._key = secrets.token_bytes(32)
        self._boards: dict[str, tuple[LiveBoard, KeptBoard]] = {}

    async def __aenter__(self) -> Self:
        # Anew for each life: an app that was stopped may be served again, by another event loop.
        self._opening, self._writing, self._ending = asyncio.Lock(), asyncio.Lock(), asyncio.Event()
        self._folder: Path | None = None
        self._trouble: Notice | None = None
        self._writer: asyncio.Task[None] | None = None
        self.shelf: Shelf = MemoryShelf()
        if self._wanted is None:
            return self
        if await asyncio.to_thread(self._take_folder, self._wanted):
            self._folder = self._wanted
            self.shelf = FolderShelf(self._folder / "drawings")
            self._writer = asyncio.create_task(self._keep_writing(), name="boards' writer")
        else:
            self._trouble = not_saved("the server's folder can't be used")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            # Not cancelled: a thread that is writing would go on, and take a new journal for the old one.
            self._ending.set()
            await self._writer
        for live, kept in list(self._boards.values()):
            live.close()
            kept.retry_at = 0.0
            await self._write(live, kept)
            if kept.file is not None:
                kept.file.close()
        self._boards.clear()
        if self._lock is not None:
            self._lock.release()

    def get(self, name: str) -> LiveBoard | None:
        """Return a board that is open."""
        found = self._boards.get(name)
        return found[0] if found else None

    async def open(self, name: str) -> LiveBoard:
        """Return a board by name, as it was kept or new.

        Raises:
            Refused: no board can be called so, or there are too many.
        """
        if not 0 < len(name) <= BOARD_NAME_MAX_CHARS or not is_showable(name) or "/" in name:
            raise Refused(
                "bad_room",
                f"{name[:BOARD_NAME_MAX_CHARS]!r} can't be the name of a board.",
                expected=f"1 to {BOARD_NAME_MAX_CHARS} printable characters without a slash.",
            )
        async with self._opening:
            if name not in self._boards:
                await self._make_room()
                self._boards[name] = await self._open(name)
            else:
                self._boards[name] = self._boards.pop(name)  # who asks for it will use it: it goes last
        return self._boards[name][0]

    async def find(self, name: str) -> LiveBoard | None:
        """Return a board that is open or was kept; None if there is none, and none is made."""
        live = self.get(name)
        if live is None and self._folder is not None and self._board_folder(self._folder, name).is_dir():
            return await self.open(name)
        return live

    # Inside

    def _take_folder(self, folder: Path) -> bool:
        """Take the folder for this server alone, and read the key in it. False, and a line in the log, if not."""
        lock = FolderLock(folder)
        try:
            if not lock.take():
                logger.error(
                    "%s is in use by another server: what is drawn here is kept in memory alone. "
                    "Stop that one, or set DATA_DIR to another folder.",
                    folder,
                )
                return False
            self._lock = lock
            path = folder / "artists.key"
            if path.exists() and len(key := path.read_bytes()) == len(self._key):
                self._key = key
            else:
                path.write_bytes(self._key)
                path.chmod(0o600)
        except OSError as error:
            logger.error("%s can't be used, so what is drawn is kept in memory alone: %s", folder, error)
            lock.release()
            self._lock = None
            return False
        return True

    def _board_folder(self, folder: Path, name: str) -> Path:
        return folder / "boards" / file_name("board", name)

    async def _open(self, name: str) -> tuple[LiveBoard, KeptBoard]:
        board, kept = Board(""), KeptBoard(None)
        failure: OSError | None = None
        if self._folder is not None:
            file = BoardFile(self._board_folder(self._folder, name))
            try:
                board = await asyncio.to_thread(file.open)
                kept = KeptBoard(file)
            except OSError as error:
                failure = error
        kept.record(board.begin_epoch(secrets.token_hex(8)).record)
        live = LiveBoard(name, self._hub, board, key=self._key, record=kept.record)
        live.trouble = self._trouble
        if failure is not None:
            self._tell_broken(live, failure)
        return live, kept

    async def _make_room(self) -> None:
        """Let boards that nobody uses go from memory, the oldest first, so that one more fits."""
        for name, (live, kept) in list(self._boards.items()):
            if len(self._boards) < BOARDS_MAX:
                return
            if live.idle:
                await self._write(live, kept)
                if live.idle and not kept.records and not kept.broken:
                    del self._boards[name]
                    live.close()
                    if kept.file is not None:
                        kept.file.close()
        if len(self._boards) >= BOARDS_MAX:
            raise Refused("full", f"There are {BOARDS_MAX} boards already.", hint="use one of them.")

    async def _keep_writing(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_EVERY_S):
                    await self._ending.wait()
            for live, kept in list(self._boards.values()):
                try:
                    await self._write(live, kept)
                except Exception:
                    logger.exception("board %r was not written", live.name)

    async def _write(self, live: LiveBoard, kept: KeptBoard) -> None:
        """Write what is not written yet; after a failure, at times, the whole board."""
        file = kept.file
        if file is None:
            return
        async with self._writing:
            now = asyncio.get_running_loop().time()
            if kept.broken and now < kept.retry_at:
                return
            grown = file.size > max(JOURNAL_MIN_BYTES, file.snapshot_size)
            was_broken = kept.broken
            try:
                if kept.broken or grown:
                    # From here on records belong after the snapshot. If it can't be written they are in vain.
                    kept.records, lines = [], list(dump(live.board))
                    kept.broken = False
                    await asyncio.to_thread(file.replace, lines)
                    if was_broken:
                        live.trouble = None
                        live.notify(Notice(code="saved_again", detail="The board is being saved again."))
                        logger.warning("board %r is being saved again", live.name)
                elif kept.records:
                    records, kept.records = kept.records, []
                    await asyncio.to_thread(file.append, records)
            except OSError as error:
                kept.retry_at = now + RETRY_EVERY_S
                kept.broken, kept.records = True, []
                if not was_broken:
                    self._tell_broken(live, error)

    def _tell_broken(self, live: LiveBoard, error: OSError) -> None:
        reason = "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error))
        logger.error("board %r can't be saved: %s; it goes on in memory", live.name, error)
        live.trouble = not_saved(reason)
        live.notify(live.trouble)


def not_saved(reason: str) -> Notice:
    """Return what everybody is told while nothing can be written."""
    return Notice(
        code="not_saved", detail=f"What is drawn now is not saved: {reason}. The board goes on in memory."
    )
