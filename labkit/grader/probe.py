"""Finds out how far this machine can keep a submission apart: by trying, never by asking for versions."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from labkit.grader.bubblewrap import find_bubblewrap
from labkit.grader.levels import Level, Sandbox, SandboxTooWeak, level_name
from labkit.grader.process_tree import end_tree
from labkit.grader.sandbox import DATA_NAME, closes_tcp, launch

PROBE_TIMEOUT_S = 10.0


def candidates() -> list[Sandbox]:
    """Return what may work on this system, the strongest first."""
    if sys.platform == "win32":
        return [Sandbox(Level.PROCESS)]
    levels = [Level.LIMITS, Level.PROCESS]
    if sys.platform.startswith("linux"):
        levels = [Level.LANDLOCK, *levels]
        if find_bubblewrap() is not None:
            levels = [Level.BUBBLEWRAP, *levels]
    is_root = os.geteuid() == 0
    return [
        Sandbox(level, own_user=own_user, tcp_closed=level is Level.BUBBLEWRAP or level_closes_tcp(level))
        for level in levels
        for own_user in ([True, False] if is_root and level >= Level.LIMITS else [False])
    ]


def level_closes_tcp(level: Level) -> bool:
    """Tell whether a level is meant to refuse TCP connections to elsewhere."""
    return level is Level.LANDLOCK and closes_tcp()


@lru_cache
def strongest_sandbox(at_most: Level = Level.BUBBLEWRAP) -> Sandbox:
    """Return the strongest sandbox that really holds here."""
    for sandbox in candidates():
        if sandbox.level is Level.PROCESS or (sandbox.level <= at_most and not shortcomings(sandbox)):
            return sandbox
    return Sandbox(Level.PROCESS)


def require_sandbox(level: Level) -> Sandbox:
    """Return the strongest sandbox.

    Raises:
        SandboxTooWeak: it is below a level; the message says what was tried and what stood in the way.
    """
    found = strongest_sandbox()
    if found.level >= level:
        return found
    tried = [
        f"  {level_name(sandbox.level)}{' as a user of its own' if sandbox.own_user else ''}: "
        f"{shortcomings(sandbox)}"
        for sandbox in candidates()
        if sandbox.level > found.level
    ]
    missing = (
        "" if find_bubblewrap() or not sys.platform.startswith("linux") else "  bubblewrap: not installed"
    )
    raise SandboxTooWeak(
        "\n".join(
            filter(
                None,
                [f"The sandbox of this machine reaches {level_name(found.level)} only.", missing, *tried],
            )
        ),
        expected=f"{level_name(level)}, as --require-sandbox asks for.",
        hint="install bubblewrap and allow user namespaces, grade on another machine, or require less.",
    )


def shortcomings(sandbox: Sandbox) -> str:
    """Say what a sandbox fails to do here, empty if it holds."""
    try:
        facts = _try(sandbox)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"it does not start ({error})"
    wanted: dict[str, Any] = {"finds_packages": True, "writes_own_folder": True}
    if sandbox.level >= Level.LIMITS:
        wanted["limits_files"] = True
    if sandbox.level >= Level.LANDLOCK:
        wanted |= {"reads_others": False, "writes_elsewhere": False}
        if sandbox.tcp_closed:
            wanted["connects"] = False
    if sandbox.level >= Level.BUBBLEWRAP:
        wanted["is_alone"] = True
    if sandbox.own_user:
        wanted["is_root"] = False
    wrong = [f"{name} is {facts.get(name)}" for name, value in wanted.items() if facts.get(name) != value]
    return ", ".join(wrong)


def _try(sandbox: Sandbox) -> dict[str, Any]:
    """Start the child's program in a sandbox and return what it can do there."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labkit-probe-")))
        (folder / DATA_NAME).mkdir()
        outside = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labkit-outside-")))
        outside.chmod(0o777)
        secret = outside / "secret"
        secret.write_text("hush", encoding="utf-8")
        secret.chmod(0o666)
        trial = {"others": str(secret), "elsewhere": str(outside / "new"), "port": listener.getsockname()[1]}
        read_fd, write_fd = os.pipe()
        told = stack.enter_context(os.fdopen(read_fd, "rb"))
        try:
            process = launch({"trial": trial}, folder, {}, sandbox, write_fd, listener)
        finally:
            os.close(write_fd)
        try:
            process.wait(PROBE_TIMEOUT_S)
        finally:
            end_tree(process.pid)
            process.wait(PROBE_TIMEOUT_S)
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        said = told.read().decode("utf-8", "replace").strip()
    try:
        facts = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise ValueError(said[-300:] or f"exit code {process.returncode}") from None
    return dict(facts)
