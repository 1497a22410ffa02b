"""Copies the course into a workspace of the learner's own, again and again, without ever losing their work.

What labkit copied is remembered in `.labkit/course.json` by its SHA-256. So a file that the learner never
touched can follow the course, and a file that they changed stays theirs: only if the course has changed it
too since then, its new version is put beside it as `NAME.new`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from labkit import __version__
from labkit.course.locate import PACKAGE, course_root
from labkit.errors import LabError

COURSE_FOLDERS = ("notebooks", "exercises")
STATE_FOLDER = ".labkit"
"""What labkit keeps in a workspace for itself."""

NEW_SUFFIX = ".new"


class Action(Enum):
    """What happens to one file of a workspace."""

    ADD = "the workspace has no such file"
    LEAVE = "the file is already the course's"
    UPDATE = "the learner never changed the file, but the course did"
    KEEP = "the learner changed the file, the course did not"
    KEEP_BESIDE_NEW = "both changed the file"


def decide(mine: str | None, course: str, copied: str | None) -> Action:
    """Decide what to do with one file, given digests of its contents.

    Args:
        mine: what the workspace has, None if it has no such file.
        course: what the course has.
        copied: what labkit copied into the workspace last time, None if that is not known.
    """
    if mine is None:
        return Action.ADD
    if mine == course:
        return Action.LEAVE
    if mine == copied:
        return Action.UPDATE
    return Action.KEEP if course == copied else Action.KEEP_BESIDE_NEW


@dataclass
class Report:
    """What `init` did, as paths relative to the workspace."""

    workspace: Path
    added: list[Path] = field(default_factory=list)
    updated: list[Path] = field(default_factory=list)
    up_to_date: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)
    """New versions put beside changed files, each named `NAME.new`."""

    def render_text(self) -> str:
        """Say it in one line, and in one more for each new version beside a learner's file."""
        counts = [
            f"{len(paths)} {what}"
            for what, paths in (
                ("added", self.added),
                ("updated", self.updated),
                ("up to date", self.up_to_date),
                ("kept yours", self.kept),
            )
            if paths
        ]
        lines = [f"The course is in {self.workspace}: {', '.join(counts)}."]
        lines += [f"  {path.as_posix()} is new in the course; yours stays beside it." for path in self.beside]
        return "\n".join(lines)


def init(workspace: Path) -> Report:
    """Copy the course into a folder, which is made if need be; doing it again is harmless.

    Raises:
        LabError: there is no course to copy, or the folder cannot take it.
    """
    source = course_root()
    workspace = workspace.expanduser().absolute()
    _require_place(workspace, source)
    report = Report(workspace)
    record = _Record.load(workspace)
    try:
        (workspace / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
        _write(workspace / STATE_FOLDER / ".gitignore", b"*\n")
        for file in course_files(source):
            _bring(file, (source / file).read_bytes(), record, report)
        record.save()
    except OSError as error:
        raise _cannot_write(workspace, error) from error
    return report


def course_files(root: Path) -> Iterator[Path]:
    """Yield the files of a course relative to its root, sorted: no caches, nothing hidden, no solutions."""
    for name in COURSE_FOLDERS:
        for path in sorted((root / name).rglob("*")):
            file = path.relative_to(root)
            if path.is_file() and not any(_is_private(part) for part in file.parts):
                yield file


def _is_private(part: str) -> bool:
    return part.startswith((".", "solution")) or part == "__pycache__" or part.endswith((".pyc", NEW_SUFFIX))


def _bring(file: Path, content: bytes, record: _Record, report: Report) -> None:
    """Bring one file of the course into the workspace, as `decide` says."""
    target = report.workspace / file
    course = _digest(content)
    action = decide(_digest_of(target), course, record.copied(file))
    if action in (Action.ADD, Action.UPDATE):
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, content)
        (report.added if action is Action.ADD else report.updated).append(file)
    elif action is Action.LEAVE:
        report.up_to_date.append(file)
    else:
        report.kept.append(file)
    if action is Action.KEEP_BESIDE_NEW:
        beside = file.with_name(file.name + NEW_SUFFIX)
        # A NAME.new that labkit did not write, or that was changed since, is the learner's too.
        about_new = decide(_digest_of(report.workspace / beside), course, record.copied(beside))
        if about_new in (Action.ADD, Action.UPDATE):
            _write(report.workspace / beside, content)
        report.beside.append(beside)
        record.note(beside, course)
    record.note(file, course)


class _Record:
    """Which versions labkit has put into a workspace: `.labkit/course.json`."""

    def __init__(self, path: Path, digests: dict[str, str]) -> None:
        self._path = path
        self._digests = digests

    @classmethod
    def load(cls, workspace: Path) -> _Record:
        """Read the record; a missing or broken one knows nothing, and then nothing counts as untouched."""
        path = workspace / STATE_FOLDER / "course.json"
        try:
            told = json.loads(path.read_text(encoding="utf-8"))["files"]
            digests = {str(file): str(digest) for file, digest in told.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            digests = {}
        return cls(path, digests)

    def copied(self, file: Path) -> str | None:
        return self._digests.get(file.as_posix())

    def note(self, file: Path, digest: str) -> None:
        self._digests[file.as_posix()] = digest

    def save(self) -> None:
        told = {"labkit_version": __version__, "files": self._digests}
        _write(self._path, json.dumps(told, indent=1).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    """Return the digest of a file, or None if nothing is there."""
    return _digest(path.read_bytes()) if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a copy that was cut short would count as the learner's version."""
    part = path.with_name(f".labkit-{os.getpid()}-{path.name}")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _require_place(workspace: Path, source: Path) -> None:
    if workspace.exists() and not workspace.is_dir():
        raise LabError(
            f"{workspace} is a file.",
            expected="a folder, or a name that is still free.",
            hint="labkit init my-course",
        )
    place = workspace.resolve()
    closed = [PACKAGE, *(source / name for name in COURSE_FOLDERS)]
    if place == source or any(place.is_relative_to(folder) for folder in closed):
        raise LabError(
            f"{workspace} belongs to labkit itself.",
            expected="a folder of your own to copy the course to.",
            hint=f"labkit init {Path.home() / 'labkit-course'}",
        )


def _cannot_write(workspace: Path, error: OSError) -> LabError:
    where = f" ({error.filename})" if error.filename else ""
    return LabError(
        f"The course cannot be copied to {workspace}: {error.strerror or error}{where}.",
        expected="a folder that you may write to, on a disk with space left.",
        hint=f"labkit init {Path.home() / 'labkit-course'}",
    )
