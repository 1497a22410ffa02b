"""Keeps what went over a wire, within bounds, and gives it out as a trace.

The proxy hands in bytes and does not wait for them to be read: they are read in batches, or when somebody asks.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from labkit.wire.frame import Frame
from labkit.wire.record import Record, cost_bytes
from labkit.wire.trace import FaultSpan, Secret, Trace

RECORD_MAX_BYTES = 64 * 1024 * 1024
RECORD_MAX_FRAMES = 100_000
RECORD_MAX_CONVERSATIONS = 2_000
BACKLOG_MAX_CHUNKS = 50_000
BACKLOG_MAX_BYTES = 16 * 1024 * 1024
"""What may wait to be read, as it came: reading costs more than passing on, so it is left until somebody asks."""

BATCH_CHUNKS = 64

LOOK_AGAIN_S = 0.1
"""Who waits looks again after this time: news that came in just the wrong moment wakes nobody."""

_Result = TypeVar("_Result")


class Recorder:
    """The record of one wire. Its methods may be called from any thread.

    Args:
        title: what is recorded.
        max_bytes: how much is kept, counted as it lies in memory; the oldest frames are dropped beyond.
        max_frames: how many frames are kept.
    """

    def __init__(
        self,
        title: str = "",
        *,
        max_bytes: int = RECORD_MAX_BYTES,
        max_frames: int = RECORD_MAX_FRAMES,
        max_conversations: int = RECORD_MAX_CONVERSATIONS,
    ) -> None:
        self.title = title
        self.version = 0
        self._versions = itertools.count(1)
        self._max_bytes = max_bytes
        self._max_frames = max_frames
        self._max_conversations = max_conversations
        self._changed = threading.Condition(threading.RLock())
        self._waiting = 0
        self._next_id = 1
        self._fed_chunks = self._fed_bytes = 0  # changed by the proxy's thread only
        self._read_chunks = self._read_bytes = 0  # changed under the lock only
        self._reset()

    def _reset(self) -> None:
        self._started_at = time.time()
        self._origin = time.monotonic()
        self._records: collections.deque[Record] = collections.deque()
        self._by_port: dict[int, Record] = {}
        self._oldest_first: collections.deque[Record] = collections.deque()
        self._bytes = 0
        self._dropped_conversations = 0
        self._dropped_frames = 0
        self._dropped_bytes = 0
        self._faults: dict[object, FaultSpan] = {}

    # -- the proxy's side ------------------------------------------------------------------------

    def now(self) -> float:
        """Return the seconds since the trace began."""
        return time.monotonic() - self._origin

    def opened(self, client_port: int, server_port: int) -> Record:
        """Begin the record of a connection."""
        with self._changed:
            record = Record(self, self._next_id, client_port, server_port, self.now())
            self._next_id += 1
            self._records.append(record)
            self._by_port[server_port] = record
            self._forget_conversations()
            self.notify()
            return record

    def record_of(self, server_port: int) -> Record | None:
        """Return the newest record whose connection to the server has that port. It waits for no lock."""
        return self._by_port.get(server_port)

    def fault_began(self, key: object, text: str, toward: str, conversation: int | None) -> None:
        """Note that a fault is at work."""
        with self._changed:
            self._faults[key] = FaultSpan(self.now(), None, text, toward, conversation)
            self.notify()

    def fault_ended(self, key: object) -> None:
        """Note that a fault was taken back."""
        with self._changed:
            if (span := self._faults.get(key)) is not None and span.ended_s is None:
                self._faults[key] = dataclasses.replace(span, ended_s=self.now())
                self.notify()

    def notify(self) -> None:
        """Tell those who wait that there is something new. It never blocks: servers and the proxy call it."""
        self.version = next(self._versions)
        if self._waiting and self._changed.acquire(blocking=False):  # else who holds it looks at the version
            try:
                self._changed.notify_all()
            finally:
                self._changed.release()

    @property
    def lock(self) -> threading.Condition:
        """What guards the record: held while it is read or changed."""
        return self._changed

    # -- bounds ------------------------------------------------------------------------------------

    def fed(self, record: Record, size_bytes: int) -> None:
        """Count what waits to be read; if it is too much, read some."""
        self._fed_chunks += 1
        self._fed_bytes += size_bytes
        if self._too_much_waits():
            with self._changed:
                record.read(BATCH_CHUNKS)
                if self._too_much_waits():  # it waits elsewhere
                    for each in list(self._records):
                        each.read()
        self.notify()

    def _too_much_waits(self) -> bool:
        return (
            self._fed_chunks - self._read_chunks > BACKLOG_MAX_CHUNKS
            or self._fed_bytes - self._read_bytes > BACKLOG_MAX_BYTES
        )

    def read(self, size_bytes: int) -> None:
        """Count a chunk that was read."""
        self._read_chunks += 1
        self._read_bytes += size_bytes

    def kept(self, record: Record, frame: Frame) -> None:
        """Count a frame, and drop the oldest if the record is full."""
        self._oldest_first.append(record)
        self._bytes += cost_bytes(frame)
        while self._bytes > self._max_bytes or len(self._oldest_first) > self._max_frames:
            self._drop(self._oldest_first.popleft())

    def _drop(self, record: Record) -> None:
        frame = record.drop_oldest()
        if frame is not None:
            self._bytes -= cost_bytes(frame)
            self._dropped_frames += 1
            self._dropped_bytes += frame.wire_bytes

    def _forget_conversations(self) -> None:
        """Drop the oldest ended conversations beyond the bound, with their frames."""
        over = len(self._records) - self._max_conversations
        if over <= 0:
            return
        for record in [each for each in self._records if each.ended][:over]:
            self._records.remove(record)
            if self._by_port.get(record.server_port) is record:
                del self._by_port[record.server_port]
            record.forget_all()
            while (frame := record.drop_oldest()) is not None:
                self._bytes -= cost_bytes(frame)
                self._dropped_frames += 1
                self._dropped_bytes += frame.wire_bytes
            self._oldest_first = collections.deque(each for each in self._oldest_first if each is not record)
            self._dropped_conversations += 1

    # -- the reader's side -------------------------------------------------------------------------

    def trace(self) -> Trace:
        """Return all that is kept, its secrets hidden."""
        with self._changed:
            conversations, secrets = [], list[Secret]()
            for record in list(self._records):
                talk, places = record.conversation()
                conversations.append(talk)
                secrets += (Secret(talk.id, place) for place in places)
            return Trace(
                self._started_at,
                tuple(conversations),
                tuple(secrets),
                self._dropped_conversations,
                self._dropped_frames,
                self._dropped_bytes,
                self.title,
                tuple(self._faults.values()),
            )

    def clear(self) -> None:
        """Forget everything but the connections that are open; their frames from now on have new numbers."""
        with self._changed:
            still_open = [record for record in self._records if not record.ended]
            for record in [each for each in self._records if each.ended]:
                record.forget_all()
            shift_s = self.now()
            at_work = {
                key: dataclasses.replace(span, began_s=0.0)
                for key, span in self._faults.items()
                if span.ended_s is None
            }
            self._reset()
            self._faults |= at_work
            for record in still_open:
                record.forget(shift_s)
                self._records.append(record)
                self._by_port[record.server_port] = record
            self.notify()

    def wait_for(self, look: Callable[[Trace], _Result], timeout_s: float) -> _Result:
        """Return what `look(trace)` returns as soon as it is true, or what it returns at the end of the time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    seen = self.version
                    result = look(self.trace())
                    left_s = deadline - time.monotonic()
                    if result or left_s <= 0:
                        break
                    if seen == self.version:
                        self._changed.wait(min(left_s, LOOK_AGAIN_S))
            finally:
                self._waiting -= 1
            return result

    def changes(self, stopped: Callable[[], bool], every_s: float = 0.1) -> Iterator[Trace]:
        """Yield the trace now and after each change, at most once in `every_s` seconds, until told to stop."""
        seen = -1
        while not stopped():
            if seen != self.version:
                seen = self.version
                yield self.trace()
            with self._changed:
                self._waiting += 1
                try:
                    self._changed.wait_for(lambda before=seen: self.version != before, every_s)  # type: ignore[misc]
                finally:
                    self._waiting -= 1
