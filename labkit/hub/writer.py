"""Writes one client's outbox to its transport: one write at a time, in order, and never without an end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from labkit.hub import close_codes
from labkit.hub.close_codes import clip_reason
from labkit.hub.counters import Counters
from labkit.hub.limits import WRITES_PER_TURN, Limits
from labkit.hub.outbox import DROPPED, REPLACED, WAITS, Outbox
from labkit.hub.parcel import Parcel
from labkit.hub.transport import Suspended, Transport, start
from labkit.hub.turn import Run, Turn

logger = logging.getLogger("labkit.hub")

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Writer:
    """The writing half of a connection.

    It has a task only while it waits for the peer or closes; at other times it writes at the end of
    the loop's turn, without one.

    Attributes:
        closing: None while it is open, then the code and the reason; nothing is queued from then on.
        clear: the transport's `send_now` while nothing is in its way, neither a queue nor a write nor the end.
            Nearly always that is so, and a client that is not queued for costs half as much.
    """

    __slots__ = (
        "_counters",
        "_joiner",
        "_limits",
        "_queued",
        "_ready",
        "_send_now",
        "_spawn",
        "_task",
        "_transport",
        "_turn",
        "clear",
        "closing",
        "on_closing",
        "outbox",
    )

    def __init__(
        self,
        transport: Transport,
        *,
        batches: bool,
        limits: Limits,
        counters: Counters,
        turn: Turn,
        spawn: Spawn,
    ) -> None:
        self._transport = transport
        self._joiner = turn.joiner if batches else None
        self._send_now: Callable[[str | bytes], bool] | None = getattr(transport, "send_now", None)
        self._limits = limits
        self._counters = counters
        self._turn = turn
        self._ready = turn.ready.append
        self._spawn = spawn
        self._queued = False
        self._task: asyncio.Task[None] | None = None
        self.outbox = Outbox(limits)
        self.on_closing: Callable[[], None] = lambda: None
        self.closing: tuple[int, str] | None = None
        self.clear = self._send_now

    def offer(self, parcel: Parcel) -> None:
        """Queue a parcel in a fan-out, which counts it and wakes the turn. Changes no registry."""
        if self.closing is not None:
            self._counters.ignored += 1
            return
        put = self.outbox.put(parcel)
        if put is WAITS:
            self.clear = None
            if not self._queued:
                self._queued = True
                self._ready(self)
        elif put is REPLACED:
            self._counters.replaced += 1
        elif put is DROPPED:
            self._counters.dropped += 1
        elif self.outbox.stalled or not (frames := self.write()):
            self.overflow()
        else:
            # Not the peer is behind but the publisher ahead: so many messages in one turn of the loop.
            self._counters.frames += frames
            self.offer(parcel)

    def offer_run(self, run: Run) -> int:
        """Write parcels at the end of a turn, past the outbox if that is clear. Return the frames written."""
        written = 0
        if self.clear is not None:
            try:
                written, frames = run.write(self.clear, joined=self._joiner is not None)
            except Exception as error:  # noqa: BLE001  # as in write()
                self.lost(error, len(run.parcels))
                return 0
            if written == len(run.parcels):
                return frames
        for parcel in run.parcels[written:]:
            self.offer(parcel)
        return written

    def lost(self, error: Exception, ignored: int = 0) -> None:
        """Close a connection whose transport failed, and that was to write so many more messages."""
        logger.debug("a peer is lost: %r", error)
        self._counters.ignored += ignored
        self._counters.transport_errors += 1
        self.close(close_codes.INTERNAL_ERROR, "the connection failed", flush=False)

    def send(self, parcel: Parcel) -> None:
        """Queue a parcel for this client alone."""
        self._turn.hand_out()
        self._counters.offered += 1
        self.offer(parcel)
        self._turn.wake()

    def send_free(self, data: str | bytes) -> None:
        """Queue what a client gets on entering, without counting it against the bounds."""
        self._turn.hand_out()
        if self.closing is None:
            self._counters.offered += 1
            self.outbox.put_free(data)
            self._wake()

    def overflow(self) -> None:
        """Close a connection that is too far behind. What waits is not written: history repairs it."""
        self._counters.overflows += 1
        self.close(close_codes.SLOW, "too slow: come back and resume", flush=False)

    def write(self) -> int:
        """Write what waits, up to this turn's share. Return the number of frames written."""
        self._queued = False
        if self._task is not None or self.closing is not None:
            return 0
        outbox = self.outbox
        frames = 0
        try:
            while outbox.queue and frames < WRITES_PER_TURN:
                data = outbox.take(self._joiner)
                frames += 1
                if self._send_now is not None and self._send_now(data):
                    continue
                if (suspended := start(self._transport.send(data))) is not None:
                    outbox.stalled = True
                    self._counters.blocked += 1
                    self._task = self._spawn(self._wait(suspended))
                    return frames
        except Exception as error:  # noqa: BLE001  # a transport may raise anything; the peer is lost
            self.lost(error)
            return frames
        if outbox.queue:
            self._wake()
        else:
            self.clear = self._send_now
        return frames

    def close(self, code: int, reason: str, *, flush: bool = True) -> None:
        """Close the connection, once; later calls change nothing.

        Args:
            flush: write what waits before the close frame, within the write timeout.
        """
        self._turn.hand_out()
        if not self._begin_closing(code, reason):
            return
        if not flush:
            self._discard()
        self._task = self._spawn(self._close(self._task, code, clip_reason(reason), flush=flush))

    def abandon(self, code: int) -> None:
        """End a connection that is gone already: there is nobody to send anything to."""
        if not self._begin_closing(code, ""):
            return
        self._discard()
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Return when nothing more will be written. Call it after `close` or `abandon`."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def give_up(self) -> None:
        """Stop closing politely: time is up."""
        if self._task is not None:
            self._task.cancel()

    def _begin_closing(self, code: int, reason: str) -> bool:
        if self.closing is not None:
            return False
        self.closing = (code, reason)
        self.clear = None
        self._counters.closed[code] += 1
        self._turn.later(self.on_closing)
        return True

    def _discard(self) -> None:
        self._counters.discarded += self.outbox.clear()

    def _wake(self) -> None:
        """See to it that what waits is written; without any, the way is clear."""
        if not self.outbox:
            self.clear = self._send_now
        elif not self._queued:
            self.clear = None
            self._queued = True
            self._ready(self)
            self._turn.wake()

    async def _wait(self, suspended: Suspended) -> None:
        """Finish a write that has to wait for the peer, then go on writing by turns."""
        try:
            async with asyncio.timeout(self._limits.write_timeout_s) as deadline:
                await suspended
        except Exception as error:  # noqa: BLE001  # as in write()
            if self.closing is not None:
                self._discard()  # what is behind the lost one would hide the gap from who resumes
                return
            self._task = None
            if deadline.expired():
                self._counters.write_timeouts += 1
                self.close(close_codes.SLOW, "a write took too long: come back and resume", flush=False)
            else:
                self.lost(error)
        else:
            # While closing, `_task` is the closing task, which waits for this one.
            if self.closing is None:
                self._task = None
                self.outbox.stalled = False
                self._wake()

    async def _close(
        self, writing: asyncio.Task[None] | None, code: int, reason: str, *, flush: bool
    ) -> None:
        """Finish writing, send the close frame, and end in bounded time whatever the peer does."""
        try:
            async with asyncio.timeout(self._limits.write_timeout_s) as deadline:
                if writing is not None:
                    if not flush:
                        writing.cancel()
                    await asyncio.wait([writing])
                while self.outbox:
                    await self._transport.send(self.outbox.take(self._joiner))
                    self._counters.frames += 1
                await self._transport.close(code, reason)
        except Exception as error:  # noqa: BLE001  # the peer may be gone already, and gone is what we want
            logger.debug("closing a peer that is lost: %r", error)
            if deadline.expired():
                self._counters.close_timeouts += 1
        finally:
            if writing is not None:
                writing.cancel()
            self._discard()
