"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest

# A machine that is busy with other tests must not make one of them fail.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs deaf to Ctrl-C, and their children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


RUNTIME_DIR = "JUPYTER_RUNTIME_DIR"
THREAD_END_S = 5.0
BLAMED: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
"""Threads that outlived a test which has failed for it: the tests after it are not to blame."""
MOST_WORKERS = 4
WAITING = Path(__file__).parent / "grader" / "test_submissions.py"


def pytest_configure(config: pytest.Config) -> None:
    """Give Jupyter a folder whose path is short enough for a kernel's sockets; a test's own folder is not."""
    folder = tempfile.mkdtemp(prefix="labkit-")
    before = os.environ.get(RUNTIME_DIR)
    os.environ[RUNTIME_DIR] = folder

    def undo() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        del os.environ[RUNTIME_DIR]
        if before is not None:
            os.environ[RUNTIME_DIR] = before

    config.add_cleanup(undo)


def pytest_xdist_auto_num_workers() -> int:
    """Return what `-n auto` means here: two more than there are cores, for most tests mostly wait."""
    return min((os.cpu_count() or 1) + 2, MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the tests of the banks, which wait for what never comes, among those that keep the cores busy."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    waiting = [item for item in items if item.path == WAITING]
    busy = [item for item in items if item.path != WAITING]
    if not waiting or not busy:
        return
    places = [(place + 0.5) / len(busy) for place in range(len(busy))]
    places += [(place + 0.5) / len(waiting) for place in range(len(waiting))]
    order = sorted(zip(places, range(len(items)), strict=True))
    together = busy + waiting
    items[:] = [together[index] for _, index in order]


@pytest.fixture
def lasting_port() -> int:
    """A port that nobody takes between two starts of a server: systems give out none so low by themselves."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Stop the servers that a test forgot, and fail the test if a thread of the kit outlives it."""
    yield
    if "labkit.host" in sys.modules:
        from labkit.host import stop_all

        stop_all()
    threads = threading.enumerate()
    ours = [thread for thread in threads if thread.name.startswith("labkit") and thread not in BLAMED]
    for thread in ours:
        thread.join(THREAD_END_S)  # a client's thread ends once it has read that its server closed
    left = [thread for thread in ours if thread.is_alive()]
    BLAMED.update(left)
    assert not left, f"threads left behind: {[thread.name for thread in left]}"
