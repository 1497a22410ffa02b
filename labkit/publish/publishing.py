"""Publishes the course: every notebook executed, as pages to read, with a table of contents.

What an earlier run wrote is remembered in `.labkit-published.json` by its SHA-256. A file of that name that labkit
did not write, or that somebody changed since, is never overwritten and never removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import nbformat

from labkit import __version__
from labkit.course.locate import course_root
from labkit.errors import LabError, UnknownName
from labkit.publish.execution import execute
from labkit.publish.page import INDEX, Summary, index_page, notebook_page

AT_ONCE = 2
LIMIT_S = 180.0
RECORD = ".labkit-published.json"


@dataclass
class Published:
    """What `publish` did: the pages that it wrote, and why others could not be made."""

    folder: Path
    pages: list[Path] = field(default_factory=list)
    failures: dict[str, LabError] = field(default_factory=dict)


def publish(
    folder: Path,
    names: Sequence[str] = (),
    *,
    limit_s: float = LIMIT_S,
    on_line: Callable[[str], None] = lambda line: None,
) -> Published:
    """Execute notebooks of the course and write a page for each, and `index.html`, into a folder.

    Each runs in a kernel and a fresh workspace of its own, two at once. What fails costs the others nothing.
    Pages of an earlier run that this one does not make are removed.

    Args:
        folder: where the pages go; made if need be.
        names: which notebooks, without suffix; all unless given.
        limit_s: seconds that each may take.
        on_line: called with each line of progress.

    Raises:
        UnknownName: the course has no notebook of that name.
        LabError: the folder cannot take the pages, or holds other files of their names.
    """
    chosen = _choose(names)
    folder = folder.expanduser().absolute()
    shelf = _Shelf(folder, [*(f"{name}.html" for name in chosen), INDEX])
    done: dict[str, tuple[Summary, str]] = {}
    published = Published(folder)

    async def make(name: str, place: Path, turn: asyncio.Semaphore) -> None:
        async with turn:
            on_line(f"{name}: running")
            started = time.monotonic()
            try:
                notebook = await execute(name, place / name, limit_s=limit_s)
                summary = Summary.of(name, notebook)
                page = notebook_page(
                    summary,
                    notebook,
                    published=chosen,
                    places=_places(place / name),
                    folder=str(place / name / "course" / "notebooks"),
                )
            except LabError as failure:
                published.failures[name] = failure
                on_line(f"{name}: failed")
                return
            done[name] = (summary, page)
            on_line(f"{name}: done in {time.monotonic() - started:.0f} s")

    async def make_all(place: Path) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for name in chosen:
                tasks.create_task(make(name, place, turn))

    with tempfile.TemporaryDirectory(prefix="labkit-publish-", ignore_cleanup_errors=True) as place:
        asyncio.run(make_all(Path(place)))
    summaries = [done[name][0] if name in done else _summary_as_shipped(name) for name in chosen]
    pages = {f"{name}.html": page for name, (_, page) in sorted(done.items())}
    pages[INDEX] = index_page(summaries, list(published.failures), _made_with())
    published.pages = shelf.fill(pages)
    return published


def _choose(names: Sequence[str]) -> list[str]:
    there = sorted(path.stem for path in (course_root() / "notebooks").glob("*.ipynb"))
    for name in names:
        if name not in there:
            raise UnknownName("notebook", name, there)
    return sorted(set(names)) or there


def _summary_as_shipped(name: str) -> Summary:
    try:
        notebook = nbformat.read(course_root() / "notebooks" / f"{name}.ipynb", as_version=4)
    except (OSError, ValueError):
        return Summary(name, "", "", "")
    return Summary.of(name, notebook)


def _places(workspace: Path) -> dict[str, str]:
    """Return what to write instead of this machine's folders, the longest first."""
    instead = {
        str(workspace / "course"): "labkit-course",
        str((workspace / "course").resolve()): "labkit-course",
        sys.prefix: "python",
        str(Path(tempfile.gettempdir())): "tmp",
        str(course_root()): "labkit",
        str(Path.home()): "~",
    }
    return {place: instead[place] for place in sorted(instead, key=len, reverse=True) if len(place) > 1}


def _made_with() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("fastapi", "uvicorn", "websockets"))
    return f"Executed with labkit {__version__}, Python {platform.python_version()}, {libraries}."


class _Shelf:
    """The folder that pages go to, which may hold other files; seen to be fit before anything is executed."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._own = self._load()
            foreign = [name for name in names if (folder / name).exists() and not self._is_own(name)]
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise _cannot_write(folder, error) from error
        if foreign:
            raise LabError(
                f"{folder} holds {', '.join(foreign)}, which labkit did not write or somebody changed.",
                expected="a folder in which the pages overwrite nothing of yours.",
                hint="another folder, or move these away.",
            )

    def fill(self, pages: dict[str, str]) -> list[Path]:
        """Write pages, remove those of an earlier run that are none of them, and return where the pages are."""
        try:
            for name in self._own.keys() - pages.keys():
                if self._is_own(name):
                    (self._folder / name).unlink()
            data = {name: page.encode() for name, page in pages.items()}
            digests = {name: _digest(content) for name, content in data.items()}
            (self._folder / RECORD).write_text(json.dumps(digests, indent=1), encoding="utf-8")
            for name, content in data.items():
                (self._folder / name).write_bytes(content)
        except OSError as error:
            raise _cannot_write(self._folder, error) from error
        return [self._folder / name for name in pages]

    def _load(self) -> dict[str, str]:
        """Return the digests of what an earlier run wrote; a broken record knows nothing."""
        try:
            told = json.loads((self._folder / RECORD).read_text(encoding="utf-8"))
            return {str(name): str(digest) for name, digest in told.items() if Path(name).name == name}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}

    def _is_own(self, name: str) -> bool:
        path = self._folder / name
        return path.is_file() and self._own.get(name) == _digest(path.read_bytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _cannot_write(folder: Path, error: OSError) -> LabError:
    return LabError(
        f"The pages cannot be written to {folder}: {error.strerror or error}.",
        expected="a folder that you may write to, or a name that is still free.",
        hint="labkit dev publish site",
    )
