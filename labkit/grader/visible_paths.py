"""Which files a child may read: the system's, Python's and the packages', but none of labkit's and the course's."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from labkit.course.locate import PACKAGE

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")

SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/hosts",
    "/etc/os-release",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)

CHILD_FILES = (
    "__init__.py",
    "grader/__init__.py",
    "grader/child.py",
    "grader/confinement.py",
    "grader/landlock.py",
)
"""What of labkit the child's own program consists of."""


def python_folders() -> list[Path]:
    """Return the folders that hold the interpreter and the installed packages, none inside of another."""
    named = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        named.append(site.getusersitepackages())
    packages = {Path(folder).resolve() for folder in site.getsitepackages()}
    checkout = PACKAGE.parent
    # What .pth files add, such as other editable installations; never a checkout of labkit itself.
    named += [entry for entry in sys.path if checkout in packages or Path(entry or ".").resolve() != checkout]
    folders = {Path(name) for name in named if name and os.path.isabs(name) and os.path.isdir(name)}
    too_much = {
        Path(folder) for folder in ("/", "/root", "/home", "/etc", "/var", "/tmp", os.path.expanduser("~"))
    }
    return without_nested(folders - too_much - {Path.cwd()})


def hidden_folders() -> list[Path]:
    """Return what a child must not see even where it lies inside of what it may see."""
    beside = [PACKAGE.parent / name for name in ("exercises", "tests", "notebooks")]
    is_checkout = (PACKAGE.parent / "pyproject.toml").is_file()
    return [PACKAGE, *(beside if is_checkout else [])]


def child_files() -> list[Path]:
    """Return the files of labkit that the child needs to start."""
    return [PACKAGE / name for name in CHILD_FILES]


def without_nested(folders: Iterable[Path]) -> list[Path]:
    """Return the folders that are inside of no other one, sorted."""
    kept: list[Path] = []
    for folder in sorted(folders):
        if not any(folder.is_relative_to(outer) for outer in kept):
            kept.append(folder)
    return kept


def readable_parts(folder: Path, hidden: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield what together is a folder without its hidden parts, each with whether all below it is meant.

    For rules that can only allow. A part that is not meant with all below it may only be listed.
    """
    inside = [path for path in hidden if path.is_relative_to(folder)]
    if not inside:
        yield folder, True
    elif folder not in inside:
        yield folder, False
        for part in sorted(folder.iterdir()):
            yield from readable_parts(part, inside)
