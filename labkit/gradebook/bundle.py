"""What one student handed in, a file, a folder or a zip archive, read without trusting any of it.

Nothing is unpacked to disk, no symbolic link is followed, and nothing is read beyond its limit.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from labkit.errors import SubmissionError
from labkit.grader.wording import printable, shorten

MAX_FILES = 2_000
MAX_ARCHIVE_BYTES = 100 * 2**20
MAX_READ_BYTES = 20 * 2**20
MAX_DEPTH = 8
SHOWN_NAME_CHARACTERS = 120

_IGNORED = {
    "__pycache__",
    "__MACOSX",
    ".ipynb_checkpoints",
    ".git",
    ".venv",
    "venv",
    "node_modules",
    ".labkit",
    "labkit",
    "tests",
}


class Bundle(Protocol):
    """The files that one student handed in."""

    def names(self) -> list[str]:
        """Return the relative names of its Python files and notebooks, with `/` between the parts.

        Raises:
            SubmissionError: it cannot be looked through.
        """

    def read(self, name: str) -> bytes:
        """Return the content of one of them.

        Raises:
            SubmissionError: it cannot be read.
        """


def shown(name: str) -> str:
    """Return a name that a stranger chose in a form that is safe to show."""
    return shorten(printable(name).replace("\n", "\\u000a"), SHOWN_NAME_CHARACTERS)


def is_source(name: str) -> bool:
    """Tell whether a name is that of a Python file or notebook which could be a submission."""
    path = PurePosixPath(name)
    return path.suffix.lower() in (".py", ".ipynb") and not any(
        part in _IGNORED or part.startswith("._") for part in path.parts
    )


def read_regular_file(path: Path) -> bytes:
    """Return the content of a file, if it is one.

    Raises:
        SubmissionError: it is a link, a FIFO, a device, too large or cannot be read.
    """
    name = shown(path.name)
    # Without these, a link would lead elsewhere, and opening a FIFO would wait for a writer.
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        if path.is_symlink():
            raise SubmissionError(
                f"{name} is a symbolic link, which is not followed.",
                expected="the file itself.",
                hint="copy the file to this place.",
            )
        fd = os.open(path, flags)
    except OSError as error:
        raise SubmissionError(
            f"{name} cannot be read: {error.strerror}.", hint="look at its permissions, or ask for it again."
        ) from None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError(f"{name} is no regular file.", expected="a Python file or a notebook.")
        try:
            content = file.read(MAX_READ_BYTES + 1)
        except OSError as error:
            raise SubmissionError(f"{name} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_READ_BYTES:
        raise _too_large(name)
    return content


class FileBundle:
    """A single file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        """Return its name."""
        return [self._path.name]

    def read(self, name: str) -> bytes:
        """Return its content."""
        return read_regular_file(self._path)


class FolderBundle:
    """A folder with all below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of its sources."""
        found: list[str] = []
        for count, name in enumerate(self._walk(self._folder, "", 0), start=1):
            if count > MAX_FILES:
                raise _too_many(shown(self._folder.name))
            if is_source(name):
                found.append(name)
        return sorted(found)

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        return read_regular_file(self._folder / name)

    def _walk(self, folder: Path, prefix: str, depth: int) -> Iterator[str]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        yield f"{prefix}{entry.name}/"
                        if depth < MAX_DEPTH and entry.name not in _IGNORED:
                            yield from self._walk(folder / entry.name, f"{prefix}{entry.name}/", depth + 1)
                    else:
                        yield prefix + entry.name
        except OSError as error:
            raise SubmissionError(
                f"The folder {shown(folder.name)} cannot be read: {error.strerror}.",
                hint="look at its permissions.",
            ) from None


class ZipBundle:
    """A zip archive, read in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._title = shown(path.name)

    def names(self) -> list[str]:
        """Return the names of its sources."""
        with self._open() as archive:
            members = archive.infolist()
            if len(members) > MAX_FILES:
                raise _too_many(self._title)
            if sum(member.file_size for member in members) > MAX_ARCHIVE_BYTES:
                raise SubmissionError(
                    f"{self._title} would unpack to more than {MAX_ARCHIVE_BYTES // 2**20} MiB.",
                    expected="an archive of the solutions alone.",
                    hint="ask for an archive without data, environments and build results.",
                )
            for member in members:
                if _leads_out(member.filename):
                    raise SubmissionError(
                        f"{self._title} names a file outside of itself: {shown(member.filename)}.",
                        expected="an archive whose files all lie within it.",
                        hint="have the archive made again with an ordinary program, and ask how this one came about.",
                    )
            return sorted(member.filename for member in members if is_source(member.filename))

    def read(self, name: str) -> bytes:
        """Return the content of one member."""
        title = f"{self._title}, {shown(name)},"
        with self._open() as archive:
            member = archive.getinfo(name)
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Python unpacks the others without any limit, a gigabyte from half a kilobyte.
                raise SubmissionError(
                    f"{title} is packed in an unusual way.", expected="an ordinary zip archive."
                )
            if stat.S_ISLNK(member.external_attr >> 16):
                raise SubmissionError(
                    f"{title} is a symbolic link, which is not followed.", expected="the file itself."
                )
            try:
                with archive.open(member) as file:
                    # What the archive says of its size is no promise.
                    content = file.read(MAX_READ_BYTES + 1)
            except (RuntimeError, NotImplementedError) as error:
                raise SubmissionError(
                    f"{title} cannot be unpacked: {error}.", expected="an archive without a password."
                ) from None
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
                raise SubmissionError(
                    f"{title} is damaged: {printable(str(error))}.", hint="ask for it again."
                ) from None
        if len(content) > MAX_READ_BYTES:
            raise _too_large(title)
        return content

    def _open(self) -> zipfile.ZipFile:
        if self._path.is_symlink() or not self._path.is_file():
            raise SubmissionError(f"{self._title} is no regular file.", expected="a zip archive.")
        try:
            return zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise SubmissionError(
                f"{self._title} is no zip archive that could be read: {printable(str(error))}.",
                hint="ask for it again.",
            ) from None


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1])


def _too_large(name: str) -> SubmissionError:
    return SubmissionError(
        f"{name} has more than {MAX_READ_BYTES // 2**20} MiB.",
        expected="a Python file or a notebook without large outputs.",
        hint="clear the notebook's outputs, or ask for the right file.",
    )


def _too_many(name: str) -> SubmissionError:
    return SubmissionError(
        f"{name} holds more than {MAX_FILES} files.",
        expected="the solutions alone.",
        hint="remove environments and data, or copy the solutions to a folder of their own.",
    )
