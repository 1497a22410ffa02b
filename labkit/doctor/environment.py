"""Probes of the Python environment and of the machine."""

from __future__ import annotations

import asyncio
import shutil
import sys
from importlib import metadata
from pathlib import Path

from labkit.doctor.report import Finding, State

MIN_PYTHON = (3, 11)
MIN_OPEN_FILES = 1024
LOW_DISK_BYTES = 500 * 1024**2
FULL_DISK_BYTES = 20 * 1024**2


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Is this Python new enough?"""
    found = f"{'.'.join(map(str, version))} in {sys.prefix}"
    if version >= MIN_PYTHON:
        return Finding("Python", State.OK, found)
    wanted = ".".join(map(str, MIN_PYTHON))
    return Finding("Python", State.FAIL, found, f"make a new environment with Python {wanted} or newer.")


def packages() -> Finding:
    """Is everything that labkit needs installed, and new enough?"""
    from packaging.requirements import Requirement

    try:
        told = metadata.requires("labkit") or []
    except metadata.PackageNotFoundError:
        return Finding(
            "packages",
            State.FAIL,
            "labkit itself is not installed in this environment",
            "python -m pip install -e . in the checkout.",
        )
    needed = [
        need for need in map(Requirement, told) if need.marker is None or need.marker.evaluate({"extra": ""})
    ]
    wrong = {str(need): found for need in needed if (found := _wrong_version(need))}
    if not wrong:
        return Finding("packages", State.OK, f"all {len(needed)} that labkit needs, each new enough")
    wanted = " ".join(f'"{need.partition(";")[0].strip()}"' for need in wrong)
    return Finding(
        "packages",
        State.FAIL,
        ", ".join(f"{need.partition(';')[0].strip()} is needed: {found}" for need, found in wrong.items()),
        f"{_pip()} install {wanted}",
    )


def _wrong_version(need: object) -> str:
    """Return what is installed instead of the requirement, or an empty text if it is met."""
    from packaging.requirements import Requirement

    if not isinstance(need, Requirement):
        raise TypeError(f"{need!r} is no requirement")
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        return "not installed"
    return "" if need.specifier.contains(version, prereleases=True) else f"{version} is installed"


def _pip() -> str:
    return f"{sys.executable} -m pip"


def asyncio_unpatched() -> Finding:
    """Is asyncio as Python ships it?"""
    if hasattr(asyncio, "_nest_patched"):
        return Finding(
            "asyncio",
            State.WARN,
            "changed by nest-asyncio, in this whole process",
            "find what calls nest_asyncio.apply(), such as a start-up file; nothing in the course needs it.",
        )
    return Finding("asyncio", State.OK, "as Python ships it")


def open_files() -> Finding:
    """May one process open enough sockets for a class?"""
    try:
        import resource
    except ImportError:
        return Finding("open files", State.OK, "no limit of this kind on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= MIN_OPEN_FILES:
        return Finding(
            "open files", State.OK, f"{'no limit' if soft == resource.RLIM_INFINITY else soft} a process"
        )
    reachable = hard == resource.RLIM_INFINITY or hard >= MIN_OPEN_FILES
    return Finding(
        "open files",
        State.WARN,
        f"{soft} a process, and each connection needs one",
        f"ulimit -n {MIN_OPEN_FILES} in this terminal, before labkit."
        if reachable
        else f"ask who runs this machine to raise the limit of {hard} (ulimit -Hn).",
    )


def disk_space(folder: Path | None = None) -> Finding:
    """Is there room for a learner's work?"""
    folder = folder or Path.cwd()
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free in {folder}"
    if free >= LOW_DISK_BYTES:
        return Finding("disk space", State.OK, found)
    state = State.FAIL if free < FULL_DISK_BYTES else State.WARN
    return Finding("disk space", state, found, "free some space, or work on another disk.")


def terminal() -> Finding:
    """Can this terminal show what the course writes?"""
    encoding = (getattr(sys.stdout, "encoding", None) or "unknown").lower()
    if encoding.replace("-", "").replace("_", "") == "utf8":
        return Finding("terminal", State.OK, "shows every character (UTF-8)")
    how = "use Windows Terminal and set PYTHONUTF8=1" if sys.platform == "win32" else "set LANG=C.UTF-8"
    return Finding(
        "terminal",
        State.WARN,
        f"{encoding}: some characters show as ?",
        f"{how}. Notebooks are not affected.",
    )
