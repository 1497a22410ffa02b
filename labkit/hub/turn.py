"""Writes what was queued in one turn of the event loop, at the end of that turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from labkit.hub.counters import Counters
from labkit.hub.limits import BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, TURN_MAX_WRITES
from labkit.hub.outbox import Joiner, join_texts
from labkit.hub.parcel import Parcel

if TYPE_CHECKING:
    from labkit.hub.audience import Audience
    from labkit.hub.writer import Writer


class Run:
    """Parcels that follow each other and go to the same connections: up to 16, one frame's worth of texts."""

    __slots__ = ("_joined", "parcels")

    def __init__(self) -> None:
        self.parcels: list[Parcel] = []
        self._joined: str | None = None

    def write(self, send_now: Callable[[str | bytes], bool], *, joined: bool) -> tuple[int, int]:
        """Write as many parcels as can be written now. Return how many these are, and in how many frames."""
        parcels = self.parcels
        if joined and len(parcels) > 1 and (text := self._join()):
            return (len(parcels), 1) if send_now(text) else (0, 0)
        written = 0
        for parcel in parcels:
            if not send_now(parcel.data):
                break
            written += 1
        return written, written

    def _join(self) -> str:
        """Return the texts of all, one a line; empty if they don't go into one frame."""
        if self._joined is None:
            size = sum(parcel.size for parcel in self.parcels) + len(self.parcels) - 1
            fits = size <= BATCH_MAX_BYTES and all(parcel.joins for parcel in self.parcels)
            self._joined = join_texts(self.parcels) if fits else ""
        return self._joined


class Turn:
    """The writers that have something to write, and the things that had to wait until nobody iterates.

    Publishing only queues. So it can't be re-entered, a burst published in one turn can share frames,
    and no client's transport is touched while a room is being gone through.

    What goes to all of an audience is held back, together with what follows it, until the end of the turn or
    until something else happens to one of these connections: then it takes its place in the outboxes first.

    Attributes:
        ready: the writers, each once. Whoever appends one calls `wake` afterwards.
        joiner: shared by all writers of this hub.
    """

    __slots__ = ("_audience", "_chores", "_counters", "_run", "_scheduled", "joiner", "ready")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._chores: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._audience: Audience | None = None
        self._run = Run()
        self.ready: deque[Writer] = deque()
        self.joiner = Joiner()

    def wake(self) -> None:
        """See to it that the turn's end writes what is ready."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.run)

    def hold(self, audience: Audience, parcel: Parcel) -> None:
        """Take a parcel that goes to all of an audience."""
        if self._audience is not audience or len(self._run.parcels) >= BATCH_MAX_MESSAGES:
            self.hand_out()
            self._audience = audience
        self._run.parcels.append(parcel)
        self.wake()

    def hand_out(self) -> None:
        """Queue what is held. Whatever changes an audience or queues something else calls this first."""
        if self._audience is None:
            return
        audience, run = self._take_run()
        for receiver in audience.receivers.values():
            for parcel in run.parcels:
                receiver.offer(parcel)

    def _write_out(self) -> int:
        """Write what is held, up to this turn's share, and queue the rest. Return the number of frames."""
        if self._audience is None:
            return 0
        audience, run = self._take_run()
        only = run.parcels[0].data if len(run.parcels) == 1 else None
        frames = 0
        for receiver in audience.receivers.values():
            if frames >= TURN_MAX_WRITES:
                for parcel in run.parcels:
                    receiver.offer(parcel)
            elif only is None or receiver.clear is None:
                frames += receiver.offer_run(run)
            else:  # what offer_run does, for the one parcel that there mostly is
                try:
                    if receiver.clear(only):
                        frames += 1
                    else:
                        receiver.offer(run.parcels[0])
                except Exception as error:  # noqa: BLE001  # a transport may raise anything; the peer is lost
                    receiver.lost(error, 1)
        return frames

    def _take_run(self) -> tuple[Audience, Run]:
        if self._audience is None:
            raise RuntimeError("nothing is held")
        audience, run = self._audience, self._run
        self._audience, self._run = None, Run()
        return audience, run

    def later(self, chore: Callable[[], None]) -> None:
        """Have something done at the end of this turn."""
        self._chores.append(chore)
        self.wake()

    def run(self) -> None:
        """Do the chores, then write; leave the rest for the next turn, so that others get theirs."""
        self._scheduled = False
        ready = self.ready
        frames = 0
        try:
            while self._chores:
                self._chores.popleft()()
            frames = self._write_out()
            # What is added from here on is for the next turn.
            for _ in range(len(ready)):
                if frames >= TURN_MAX_WRITES:
                    break
                frames += ready.popleft().write()
        finally:
            self._counters.frames += frames
            self.joiner.forget()
            if ready or self._chores:
                self.wake()
