"""One simulated user: connects, sends on schedule, receives until the connection is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from labkit.swarm.plan import CLOSE_TIMEOUT_S, OPEN_TIMEOUT_S, SwarmPlan
from labkit.swarm.report import Closer
from labkit.swarm.schedule import due_s
from labkit.swarm.script import Script
from labkit.swarm.tally import Tally

MAX_RECEIVED_BYTES = 16 * 1024 * 1024
NO_CLOSE_FRAME = 1006

_SILENT = logging.getLogger("labkit.swarm.client")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False  # what goes wrong is counted; two thousand tracebacks would tell less


class Clock:
    """Microseconds since the run began, the same for all clients."""

    def __init__(self) -> None:
        self._start_ns = time.perf_counter_ns()

    def now_us(self) -> int:
        """Return the time."""
        return (time.perf_counter_ns() - self._start_ns) // 1000


class Client:
    """A simulated user.

    Args:
        number: which one, from 1.
        plan: what it is to do.
        address: the IP address and port that its URL's host was found at.
        script: what it says.
        tally: where it counts.
        clock: the run's clock.
    """

    def __init__(
        self,
        number: int,
        plan: SwarmPlan,
        address: tuple[str, int],
        script: Script,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self.number = number
        self._plan = plan
        self._address = address
        self._script = script
        self._tally = tally
        self._clock = clock
        self._connection: ClientConnection | None = None
        self._leaving = False

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._connection is not None

    async def open(self) -> bool:
        """Connect; return whether that worked. What did not is counted."""
        host, port = self._address
        try:
            connection = await connect(
                self._plan.url_of(self.number),
                host=host,  # with a host given, websockets follows no redirect to another one
                port=port,
                proxy=None,
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=MAX_RECEIVED_BYTES,
                logger=_SILENT,
            )
        except InvalidStatus as refusal:
            self._tally.refused[str(refusal.response.status_code)] += 1
            return False
        except (OSError, InvalidHandshake, ValueError, EOFError) as error:
            self._tally.failed[kind_of(error)] += 1
            return False
        self._connection = connection
        self._tally.open(self.number, self._clock.now_us())
        return True

    async def receive(self) -> None:
        """Receive until the connection is over, and count how it ended."""
        connection, tally, clock = self._connection, self._tally, self._clock
        if connection is None:
            return
        try:
            while True:
                data = await connection.recv(decode=False)
                tally.receive(self.number, data, clock.now_us())
        except ConnectionClosed as end:
            code, closed_by = describe_end(end)
            tally.close(self.number, code, closed_by, early=not self._leaving or closed_by != "swarm")
            self._connection = None

    async def send(self, start_us: int, phase_s: float) -> None:
        """Send on schedule until cancelled, or until the connection is over.

        A message's time is that of its sending; but if it waited behind the one before, because the server
        did not read, its time is when it was due: otherwise a server could hide its delay by not reading.
        """
        connection, clock, rate_hz = self._connection, self._clock, self._plan.rate_hz
        sequence = 0
        while connection is not None:
            due_us = start_us + round(due_s(phase_s, rate_hz, sequence) * 1e6)
            sent_us = clock.now_us()
            if sent_us < due_us:
                await asyncio.sleep((due_us - sent_us) / 1e6)
                sent_us = clock.now_us()
            else:
                sent_us = due_us
            try:
                marker = self._tally.send(self.number, sent_us)
                await connection.send(self._script.message(self.number, marker))
            except ConnectionClosed:
                return
            sequence += 1

    async def leave(self) -> None:
        """Close the connection, waiting at most 2 s for the server's answer."""
        if self._connection is not None:
            self._leaving = True
            await self._connection.close()

    def abort(self) -> None:
        """Cut the connection, if there still is one."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.transport.abort()


def describe_end(end: ConnectionClosed) -> tuple[int, Closer]:
    """Return the close code and who sent the first close frame."""
    if end.rcvd is not None and end.rcvd_then_sent is not False:
        return end.rcvd.code, "server"
    if end.sent is None:
        return NO_CLOSE_FRAME, "nobody"
    if end.rcvd is not None or end.sent.code not in (1000, 1001):
        return end.sent.code, "swarm"  # such as 1002 for a broken frame, 1011 without a pong
    return NO_CLOSE_FRAME, "swarm"


def kind_of(error: Exception) -> str:
    """Return in a few words why a connection did not come about."""
    if isinstance(error, TimeoutError):
        return f"no handshake within {OPEN_TIMEOUT_S:g} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'reason', None) or error}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError):
        return "connection reset"
    if isinstance(error, OSError):
        return str(error.strerror or type(error).__name__).lower()
    return f"no WebSocket handshake ({error})"
