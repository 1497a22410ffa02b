"""The command line of bubblewrap around a child: what it sees of this machine, and nothing else.

The child gets its listening socket from outside, and so can be reached although its network is empty.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from labkit.course.locate import PACKAGE
from labkit.grader.visible_paths import (
    SYSTEM_FILES,
    SYSTEM_FOLDERS,
    child_files,
    hidden_folders,
    python_folders,
)

BOX = "/box"
"""Where a child finds its folder."""


def find_bubblewrap() -> str | None:
    """Return the program, None if there is none."""
    return shutil.which("bwrap")


def wrapped(
    program: str, command: Sequence[str], folder: Path, *, own_user: bool, trusted: bool = False
) -> list[str]:
    """Return a command that runs another one in namespaces of its own.

    Args:
        program: bubblewrap's.
        folder: shown as `BOX`, the one place that can be written to.
        own_user: the command changes its user by itself, which takes two of root's powers.
        trusted: show labkit itself too.
    """
    made = _Arguments()
    made.add("--die-with-parent", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
    made.add("--unshare-cgroup-try", "--cap-drop", "ALL")
    if own_user:
        made.add("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    else:
        made.add("--unshare-user")
    for name in SYSTEM_FOLDERS:
        if os.path.islink(name):
            made.add("--symlink", os.readlink(name), name)
        elif os.path.isdir(name):
            made.show(Path(name))
    for name in SYSTEM_FILES:
        if os.path.exists(name):
            made.show(Path(name))
    shown = [path for path in python_folders() if not path.is_relative_to("/usr")]
    for path in shown:
        made.show(path)
    for path in hidden_folders() if not trusted else ():
        if path.is_dir() and any(path.is_relative_to(outer) for outer in [*shown, Path("/usr")]):
            made.add("--tmpfs", str(path))
    for path in [PACKAGE] if trusted else child_files():
        made.show(path)
    made.add("--proc", "/proc", "--dev", "/dev", "--dir", "/tmp")
    made.add("--bind", str(folder), BOX, "--chdir", BOX)
    return [program, *made.arguments, "--", *command]


class _Arguments:
    def __init__(self) -> None:
        self.arguments: list[str] = []
        self._made: set[Path] = set()

    def add(self, *arguments: str) -> None:
        self.arguments += arguments

    def show(self, path: Path) -> None:
        """Show a path read-only. Folders on the way to it are made here: bubblewrap makes them for root alone."""
        for folder in reversed(path.parents):
            if folder != Path("/") and folder not in self._made:
                self._made.add(folder)
                self.add("--dir", str(folder))
        self.add("--ro-bind", str(path), str(path))
