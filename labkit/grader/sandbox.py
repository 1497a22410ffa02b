"""Starts a submission in a process of its own, as far apart from everything else as a level of the sandbox says.

This is the one place that knows how; `probe` finds out which level this machine has.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from labkit.course.locate import PACKAGE
from labkit.grader import landlock
from labkit.grader.bubblewrap import BOX, find_bubblewrap, wrapped
from labkit.grader.child_log import ChildLog
from labkit.grader.job_object import Job
from labkit.grader.levels import Level, Sandbox
from labkit.grader.process_tree import count_of_own_threads, end_tree
from labkit.grader.visible_paths import (
    SYSTEM_FILES,
    SYSTEM_FOLDERS,
    hidden_folders,
    python_folders,
    readable_parts,
)
from labkit.grader.watcher import MAX_MEMORY_BYTES, MAX_PROCESSES, Watcher
from labkit.interpreter import python_command, scrubbed_environment

SEND_BUFFER_BYTES = 32 * 1024
RECEIVE_BUFFER_BYTES = 64 * 1024
"""Accepted connections inherit both, so that back-pressure shows after kilobytes instead of megabytes."""

SOLUTION_NAME = "solution.py"
DATA_NAME = "data"
"""Within a child's folder: where `DATA_DIR` points."""

MAX_ADDRESS_SPACE_BYTES = 4 * 2**30
MAX_FILE_BYTES = 16 * 2**20
MAX_OPEN_FILES = 1024
MAX_THREADS = 256
MAX_CPU_S = 150

_FIRST_USER = 1_610_612_736
_USERS_OF_A_PROCESS = 64
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
_KERNEL_FOLDERS = ("/proc", "/sys/devices/system/cpu")

_PLAIN_KINDS = (stat.S_IFREG, stat.S_IFDIR)

_BACKLOG = 512
_GONE_S = 5.0

_users = itertools.count()


class Child:
    """A process that serves a submission on a port of 127.0.0.1."""

    def __init__(
        self, process: subprocess.Popen[bytes], folder: Path, port: int, log: ChildLog, sandbox: Sandbox
    ) -> None:
        self._process = process
        self._folder = folder
        self._is_boxed = sandbox.level is Level.BUBBLEWRAP
        self._is_stopped = False
        self.port = port
        self.log = log
        self._job = _job_of(process)
        self._watcher = Watcher(process.pid, folder, self._end) if sandbox.level >= Level.LIMITS else None

    @property
    def solution_path(self) -> str:
        """Return where the child sees the submission, as its tracebacks name it."""
        return f"{BOX}/{SOLUTION_NAME}" if self._is_boxed else str(self._folder / SOLUTION_NAME)

    @property
    def data_folder(self) -> Path:
        """Return the folder that the child knows as `DATA_DIR`."""
        return self._folder / DATA_NAME

    @property
    def is_alive(self) -> bool:
        """Tell whether the process is still there."""
        return self._process.poll() is None

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait for the process to end and tell whether it did."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def describe_end(self) -> str:
        """Say how the process ended, such as `exit code 3` or `killed by SIGKILL`."""
        if self._watcher is not None and self._watcher.verdict:
            return f"ended by the grader: {self._watcher.verdict}"
        code = self._process.returncode
        if code is not None and self._is_boxed and code > _SIGNAL_BASE:
            code = _SIGNAL_BASE - code
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def stop(self) -> None:
        """End the process with all that it started, and leave its folder as it is."""
        if self._is_stopped:
            # Ending it again would end a child that was started since.
            return
        self._is_stopped = True
        if self._watcher is not None:
            self._watcher.stop()
        self._end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_S)

    def kill(self) -> None:
        """End the process with all that it started, and remove its folder. Doing it twice is harmless."""
        self.stop()
        lifeline = self._process.stdin
        if lifeline is not None:
            with contextlib.suppress(OSError):
                lifeline.close()
        self.log.close()
        _remove(self._folder)

    def _end(self) -> None:
        if self._job is not None:
            self._job.close()
            self._job = None
        # A process that has been waited for may have given its number away.
        if self._process.returncode is None or sys.platform != "win32":
            end_tree(self._process.pid)


_SIGNAL_BASE = 128
"""What bubblewrap, like a shell, adds to the number of the signal that ended a program."""


def start_child(
    source: bytes,
    settings: Mapping[str, str],
    sandbox: Sandbox,
    *,
    trusted: bool = False,
    data: Path | None = None,
) -> Child:
    """Start a process that imports a submission and serves its `app`.

    The socket is bound here and passed on, so the submission cannot choose where it listens, and a
    connection waits in the backlog until the child serves or is gone.

    Args:
        source: the submission's file.
        settings: environment variables that it gets.
        trusted: let it import labkit, for the kit's own apps.
        data: what its `DATA_DIR` holds at first is a copy of this folder, without links.
    """
    folder = Path(tempfile.mkdtemp(prefix="labkit-"))
    (folder / SOLUTION_NAME).write_bytes(source)
    if data is None:
        (folder / DATA_NAME).mkdir()
    else:
        shutil.copytree(data, folder / DATA_NAME, symlinks=True, ignore=_neither_files_nor_folders)
    log = ChildLog()
    with _listening_socket() as listener:
        assignment = {"solution": SOLUTION_NAME, "trusted": trusted}
        process = launch(assignment, folder, settings, sandbox, log.write_fd, listener, trusted=trusted)
        log.child_started()
        # From here on only the child holds the socket: when it is gone, whoever waits is told at once.
        return Child(process, folder, listener.getsockname()[1], log, sandbox)


def launch(
    assignment: dict[str, Any],
    folder: Path,
    settings: Mapping[str, str],
    sandbox: Sandbox,
    output_fd: int,
    listener: socket.socket,
    *,
    trusted: bool = False,
) -> subprocess.Popen[bytes]:
    """Start the child's program in a folder that becomes all it can write to.

    Args:
        output_fd: where its stdout and stderr go.
    """
    user = _give_to_own_user(folder) if sandbox.own_user else None
    place = BOX if sandbox.level is Level.BUBBLEWRAP else str(folder)
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["start_new_session"] = True
        options["pass_fds"] = (listener.fileno(),)
    command = python_command("labkit.grader.child", writes_bytecode=False)
    if sandbox.level is Level.BUBBLEWRAP:
        program = find_bubblewrap()
        if program is None:
            raise OSError("bubblewrap has gone since it was tried")
        command = wrapped(program, command, folder, own_user=sandbox.own_user, trusted=trusted)
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=output_fd,
        stderr=output_fd,
        cwd=folder,
        env=scrubbed_environment(place, {**settings, "DATA_DIR": f"{place}/{DATA_NAME}"}),
        **options,
    )
    how = _confinement(sandbox, user, folder, trusted=trusted)
    _tell(
        process.stdin,
        {**assignment, "place": place, "confinement": how, **_handed_over(listener, process.pid)},
    )
    return process


def _confinement(sandbox: Sandbox, user: int | None, folder: Path, *, trusted: bool) -> dict[str, Any]:
    """Return what the child does to itself, see `labkit.grader.confinement`."""
    if sandbox.level < Level.LIMITS:
        return {}
    limits = {
        "CORE": 0,
        "CPU": MAX_CPU_S,
        "AS": MAX_ADDRESS_SPACE_BYTES,
        "FSIZE": MAX_FILE_BYTES,
        "NOFILE": MAX_OPEN_FILES,
        # It counts the threads of a user, wherever they come from.
        "NPROC": MAX_THREADS + (0 if user is not None else count_of_own_threads()),
    }
    how: dict[str, Any] = {"user": user, "limits": limits}
    if sandbox.level is Level.LANDLOCK:
        how["landlock"] = _landlock_rules(folder, trusted=trusted)
    return how


def _landlock_rules(folder: Path, *, trusted: bool) -> dict[str, list[str]]:
    readable = [*SYSTEM_FILES, *_KERNEL_FOLDERS, *([str(PACKAGE)] if trusted else [])]
    listable: list[str] = []
    hidden = hidden_folders()
    for root in [*map(Path, SYSTEM_FOLDERS), *python_folders()]:
        if root.is_dir():
            for part, is_whole in readable_parts(root, hidden):
                (readable if is_whole else listable).append(str(part))
    return {"readable": readable, "listable": listable, "writable": [str(folder), *_DEVICES]}


def closes_tcp() -> bool:
    """Tell whether this kernel's Landlock knows about TCP."""
    return sys.platform.startswith("linux") and landlock.abi_version() >= landlock.NET_ABI


def _neither_files_nor_folders(folder: str, names: list[str]) -> list[str]:
    """Return what a submission may have put into a folder that is not to be followed, opened or given away."""
    return [name for name in names if stat.S_IFMT(os.lstat(f"{folder}/{name}").st_mode) not in _PLAIN_KINDS]


def _give_to_own_user(folder: Path) -> int:
    """Make a user that nobody else is the owner of a folder, and return its number."""
    number = _FIRST_USER + os.getpid() * _USERS_OF_A_PROCESS + next(_users) % _USERS_OF_A_PROCESS
    for path in (folder, *folder.rglob("*")):
        # Bubblewrap enters it before the child has changed its user, as a root without powers.
        os.chown(path, number, os.getegid())
        path.chmod(path.stat().st_mode | (stat.S_IRWXG if path.is_dir() else stat.S_IRGRP))
    return number


def _listening_socket() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


def _handed_over(listener: socket.socket, pid: int) -> dict[str, Any]:
    """Say how the child gets at the socket: by its number, or on Windows by a copy made for that process."""
    if sys.platform == "win32":
        return {"socket_share": base64.b64encode(listener.share(pid)).decode()}
    return {"socket_fd": listener.fileno()}


def _tell(stdin: IO[bytes] | None, assignment: dict[str, Any]) -> None:
    """Write the child its assignment. Its stdin stays open as a lifeline: it ends when we do."""
    if stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps(assignment).encode() + b"\n")
            stdin.flush()


def _job_of(process: subprocess.Popen[bytes]) -> Job | None:
    if sys.platform != "win32":
        return None
    # It still waits for its assignment, so it has started nothing yet.
    handle: int = process._handle  # type: ignore[attr-defined,unused-ignore]
    try:
        return Job(handle, max_memory_bytes=MAX_MEMORY_BYTES, max_processes=MAX_PROCESSES)
    except OSError:
        return None


def _remove(folder: Path) -> None:
    """Remove a folder even if its owner has closed parts of it to himself."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for inner, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                os.chmod(inner, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
