"""One direction of a connection through the proxy: passes bytes on, and does to them what the faults say."""

from __future__ import annotations

import asyncio
import collections
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labkit.wire.fault import FaultPlan
from labkit.wire.frame import DROPPED, Frame, Sender
from labkit.wire.record import Record

QUEUE_MAX_BYTES = 64 * 1024
"""What a delayed direction holds before its sender is no longer read: like a router's queue, it is not endless."""

DROPPABLE_MAX_BYTES = 1024 * 1024
"""A frame that is longer passes even where it should be dropped: it cannot be held until it is complete."""

SPLIT_GAP_S = 0.001
TRICKLE_S = 0.02

End = Literal["fin", "rst"]


@dataclass(slots=True)
class _Parcel:
    due_s: float
    data: bytes
    end: End | None = None


class Fault:
    """A `FaultPlan` at work, with the number of frames that it may still drop."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._drops_left = plan.drop_count

    def takes(self, frame: Frame) -> bool:
        """Whether this frame is dropped; counts it."""
        if self._drops_left == 0 or not self.plan.drops(frame):
            return False
        if self._drops_left is not None:
            self._drops_left -= 1
        return True


class Pipe:
    """Takes what one side sent and hands it to the other, in order.

    Args:
        sender: whose bytes.
        record: where they are noted.
        write: hands bytes to the receiver.
        end: tells the receiver that nothing comes any more, by FIN or by RST.
        read: told whether the sender is to be read.
    """

    def __init__(
        self,
        sender: Sender,
        record: Record,
        *,
        write: Callable[[bytes], None],
        end: Callable[[End], None],
        read: Callable[[bool], None],
    ) -> None:
        self.sender = sender
        self.receiver: Sender = "server" if sender == "client" else "client"
        self._record = record
        self._write = write
        self._end = end
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._faults: tuple[Fault, ...] = ()
        self._queue: collections.deque[_Parcel] = collections.deque()
        self._queued_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._together = bytearray()
        self._together_timer: asyncio.TimerHandle | None = None
        self._unjudged = bytearray()
        self._last_due_s = 0.0
        self._receiver_is_full = False
        self._over = False

    # -- what comes in -----------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Pass bytes on, now or later."""
        self._record.feed(self.sender, data)
        if self._faults or self._queue:
            self._mistreat(data)
        else:
            self._write(data)

    def feed_end(self, end: End) -> None:
        """Pass on that nothing more comes."""
        self._release_together()
        self._flush_unjudged()
        self._enqueue(b"", end)

    def receiver_is_full(self, full: bool) -> None:
        """Take note that the receiver does not keep up, or does again."""
        self._receiver_is_full = full
        self._pump()

    def set_faults(self, faults: tuple[Fault, ...]) -> None:
        """Put faults to work in place of those before; what was held is let go."""
        before, self._faults = self._faults, faults
        drops, dropped = (any(each.plan.drop is not None for each in some) for some in (faults, before))
        if drops and not dropped:
            self._record.tap(self.sender)
        elif dropped and not drops:
            self._record.untap(self.sender)
            self._release_together()
            self._flush_unjudged()
        if not any(fault.plan.coalesce_s for fault in faults):
            self._release_together()
        self._last_due_s = 0.0
        for parcel in self._queue:
            parcel.due_s = 0.0
        self._pump()

    def stop(self) -> None:
        """Drop what is held; the connection is over."""
        self._over = True
        self._queue.clear()
        self._queued_bytes = 0
        for timer in (self._timer, self._together_timer):
            if timer is not None:
                timer.cancel()

    # -- what the faults do to it ------------------------------------------------------------------

    def _mistreat(self, data: bytes) -> None:
        if any(fault.plan.drop is not None for fault in self._faults):
            data = self._without_dropped(data)
        wait_s = max((fault.plan.coalesce_s for fault in self._faults), default=0.0)
        if not wait_s:
            self._enqueue(data)
        elif data:
            self._together += data
            if self._together_timer is None:
                self._together_timer = self._loop.call_later(wait_s, self._release_together)

    def _release_together(self) -> None:
        if self._together_timer is not None:
            self._together_timer.cancel()
            self._together_timer = None
        if self._together:
            data, self._together = bytes(self._together), bytearray()
            self._enqueue(data)

    def _without_dropped(self, data: bytes) -> bytes:
        """Return the bytes that are whole frames and are not to be dropped, and what is no frame at all."""
        frames, partial_bytes = self._record.tapped(self.sender)
        held = self._unjudged
        held += data
        before = len(held) - sum(frame.wire_bytes for frame in frames) - partial_bytes
        kept = bytearray(held[: max(0, before)])  # HTTP, when positive
        place = before  # negative: the first frame has partly been passed on already
        for frame in frames:
            end = place + frame.wire_bytes
            if place < 0 or not any(fault.takes(frame) for fault in self._faults):
                kept += held[max(0, place) : end]
            else:
                self._record.note(frame.number, DROPPED)
            place = end
        del held[: max(0, place)]
        if len(held) > DROPPABLE_MAX_BYTES:
            kept += held
            held.clear()
        return bytes(kept)

    def _flush_unjudged(self) -> None:
        if self._unjudged:
            data, self._unjudged = bytes(self._unjudged), bytearray()
            self._enqueue(data)

    def _enqueue(self, data: bytes, end: End | None = None) -> None:
        now = self._loop.time()
        plans = [fault.plan for fault in self._faults]
        delay_s = sum(plan.latency_s for plan in plans)
        jitter_s = sum(plan.jitter_s for plan in plans)
        rates = [plan.bandwidth_bytes_per_s for plan in plans if plan.bandwidth_bytes_per_s]
        due_s = now + max(0.0, delay_s + random.uniform(-jitter_s, jitter_s))
        for piece in self._pieces(data, plans, rates):
            gap_s = len(piece) / min(rates) if rates else 0.0
            if any(plan.split_bytes for plan in plans):
                gap_s = max(gap_s, SPLIT_GAP_S)
            self._last_due_s = due_s = max(due_s, self._last_due_s) + gap_s
            self._queue.append(_Parcel(due_s, piece))
            self._queued_bytes += len(piece)
        if end is not None:
            self._queue.append(_Parcel(max(due_s, self._last_due_s), b"", end))
        self._pump()

    def _pieces(self, data: bytes, plans: list[FaultPlan], rates: list[float]) -> list[bytes]:
        sizes = [plan.split_bytes for plan in plans if plan.split_bytes]
        sizes += [max(1, int(rate * TRICKLE_S)) for rate in rates]
        size = min(sizes, default=len(data))
        return [data[place : place + size] for place in range(0, len(data), size or 1)]

    # -- what goes out -----------------------------------------------------------------------------

    @property
    def _stalled(self) -> bool:
        return any(fault.plan.stall for fault in self._faults)

    def _pump(self) -> None:
        """Hand over what is due, and see whether the sender is to be read."""
        if self._over:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        blocked = self._stalled or any(fault.plan.half_open for fault in self._faults)
        now = self._loop.time()
        while self._queue and not blocked and not self._receiver_is_full:
            if self._queue[0].due_s > now:
                self._timer = self._loop.call_at(self._queue[0].due_s, self._pump)
                break
            parcel = self._queue.popleft()
            self._queued_bytes -= len(parcel.data)
            if parcel.end is not None:
                self._end(parcel.end)
            elif parcel.data:
                self._write(parcel.data)
        full = self._queued_bytes + len(self._together) >= QUEUE_MAX_BYTES
        self._read(not (self._stalled or full or self._receiver_is_full))
