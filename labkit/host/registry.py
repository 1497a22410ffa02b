"""Which servers run in this process, and which one a new one replaces."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  its end is registered before ours: the last one is called first
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from labkit.host.cell import current_cell_run
from labkit.host.server import Lab

Start = Callable[[socket.socket | None, int], Lab]
"""Starts a server on the socket given or, if there is none, preferably on the port given (0: on any)."""


@dataclass(frozen=True)
class Place:
    """What a server is replaced by: its name, or its cell and its number among the servers of that cell."""

    key: str
    number: int = 0


class Registry:
    """All running servers of this process.

    A server with a name replaces the one of that name. A server without one belongs to its cell: when the
    cell runs again, its first server replaces the first of the run before, and so on. A place keeps its
    port, also when its server was stopped or failed to start in between.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running: dict[Lab, None] = {}
        self._at: dict[Place, Lab] = {}
        self._port_of: dict[Place, int] = {}
        self._runs: dict[str, _Run] = {}

    def start(self, name: str | None, start: Start) -> Lab:
        """Start a server in the place of the one that it replaces, if any, on the same port."""
        with self._lock:
            place = self._place_for(name)
            if place is None:
                lab = start(None, 0)
            else:
                lab = start(self._take_socket(place), self._port_of.get(place, 0))
                self._at[place] = lab
                self._port_of[place] = lab.port
            return lab

    def _place_for(self, name: str | None) -> Place | None:
        """Return the place of the server that starts now; None outside a kernel, where nothing is replaced."""
        current = current_cell_run()
        self._stop_leftovers(current.run if current else "")
        if name is not None:
            return Place(f"name {name}")
        if current is None:
            return None
        run = self._runs.get(current.cell)
        if run is None or run.id != current.run:  # the cell runs for the first time, or again
            run = self._runs[current.cell] = _Run(current.run)
        run.started += 1
        return Place(f"cell {current.cell}", run.started - 1)

    def _take_socket(self, place: Place) -> socket.socket | None:
        """End the server at a place and return its socket, still listening, if there is one."""
        replaced = self._at.get(place)
        sock = replaced.release() if replaced is not None and replaced.holds_port else None
        self._at.pop(place, None)  # not before: an interrupt while it ends must not lose it
        return sock

    def _stop_leftovers(self, run_now: str) -> None:
        """Stop servers of cells that started fewer in their newest run than in the one before."""
        for cell, run in self._runs.items():
            left = Place(f"cell {cell}", run.started)
            while run.id != run_now and left in self._at:
                self._at[left].stop()
                del self._at[left]
                left = Place(left.key, left.number + 1)

    def remember(self, lab: Lab) -> None:
        """Count a server among the running ones, before it starts: an interrupt while it does must not lose it."""
        self._running[lab] = None

    def forget(self, lab: Lab) -> None:
        """Take a stopped server out of the list of running ones."""
        self._running.pop(lab, None)  # without the lock: who holds it may be waiting for this very server

    def running(self) -> list[Lab]:
        """Return the servers that run now, oldest first."""
        with self._lock:
            return list(self._running)

    def stop_all(self) -> int:
        """Stop every server and return how many there were."""
        labs = self.running()
        for lab in labs:
            lab.stop()
        return len(labs)


@dataclass
class _Run:
    """The newest execution of a cell, and how many servers it has started so far."""

    id: str
    started: int = 0


REGISTRY = Registry()
# `atexit` alone would be too late: by then no app can use `asyncio.to_thread` any more, to write what it has.
getattr(threading, "_register_atexit", atexit.register)(REGISTRY.stop_all)
atexit.register(REGISTRY.stop_all)
