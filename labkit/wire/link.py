"""One connection through the proxy: two sockets and, between them, a pipe for each direction."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
from collections.abc import Callable
from typing import Any

from labkit.wire.frame import Sender
from labkit.wire.pipe import End, Fault, Pipe
from labkit.wire.record import Record

SOCKET_BUFFER_BYTES = 128 * 1024
WRITE_BUFFER_BYTES = 64 * 1024
"""The proxy's own buffers are small: with large ones a peer that does not read would go unnoticed for long. A message
of 64 KiB still fits whole: with less room, each such message stops and starts both sockets several times.
"""

CLOSE_TIMEOUT_S = 5.0


def make_small(sock: socket.socket) -> None:
    """Give a socket small buffers in the kernel; those that a listening one accepts inherit them."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)


class Side(asyncio.Protocol):
    """One of a link's two sockets."""

    def __init__(self, name: Sender) -> None:
        self.name = name
        self.transport: Any = None
        self.lost = False
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_end: Callable[[Side, End], None] = lambda side, end: None
        self.on_lost: Callable[[Side, bool], None] = lambda side, reset: None
        self.on_full: Callable[[bool], None] = lambda full: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket over."""
        self.transport = transport
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on."""
        self.on_data(data)

    def eof_received(self) -> bool:
        """Tell that the peer sends no more; keep the other direction open, as TCP does."""
        self.on_end(self, "fin")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the socket is gone."""
        self.lost = True
        self.on_lost(self, exc is not None)

    def pause_writing(self) -> None:
        """The peer does not read as fast as it is written to."""
        self.on_full(True)

    def resume_writing(self) -> None:
        """It has caught up."""
        self.on_full(False)

    def write(self, data: bytes) -> None:
        """Send bytes, unless the socket is gone."""
        if not self.lost and not self.transport.is_closing():
            self.transport.write(data)

    def read(self, wanted: bool) -> None:
        """Read the socket, or let its bytes wait in the kernel."""
        if self.lost or self.transport.is_closing():
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def finish(self, end: End) -> None:
        """Tell the peer that no more comes: by FIN, after what is written, or by RST at once."""
        if self.lost:
            return
        if end == "rst":
            self.reset()
        elif not self.transport.is_closing():
            try:
                with contextlib.suppress(OSError):
                    self.transport.write_eof()
            except NotImplementedError:  # TLS knows no half-closed connection
                self.close()

    def close(self) -> None:
        """Close when what is written has been taken, but do not wait for ever."""
        if not self.lost:
            self.transport.close()
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._abandon)

    def _abandon(self) -> None:
        if not self.lost:
            self.transport.abort()

    def reset(self) -> None:
        """Cut the connection: SO_LINGER 0 makes the kernel send RST and forget what is unsent."""
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Link:
    """Both sockets of one connection."""

    def __init__(self, client: Side, server: Side, record: Record, on_over: Callable[[Link], None]) -> None:
        self.record = record
        self._sides = (client, server)
        self._on_over = on_over
        self._ends: dict[Sender, list[End]] = {"client": [], "server": []}
        self._told: set[Sender] = set()
        self._over = False
        self._pipes: dict[Sender, Pipe] = {}
        for side, other in ((client, server), (server, client)):
            passed_on = functools.partial(self._passed_on, other)
            pipe = Pipe(side.name, record, write=other.write, end=passed_on, read=side.read)
            self._pipes[side.name] = pipe
        for side, other in ((client, server), (server, client)):
            pipe = self._pipes[side.name]
            side.on_data = pipe.feed
            side.on_end = self._side_ended
            side.on_lost = self._side_lost
            side.on_full = self._pipes[other.name].receiver_is_full

    def set_faults(self, faults: list[Fault]) -> None:
        """Put to work those faults that concern this connection."""
        for pipe in self._pipes.values():
            pipe.set_faults(
                tuple(each for each in faults if each.plan.concerns(self.record.id, pipe.receiver))
            )

    def cut(self, why: str) -> None:
        """Reset both connections at once."""
        self.record.end("proxy", why)
        for side in self._sides:
            if not side.lost:
                side.reset()
        self._finish()

    def _side_ended(self, side: Side, end: End) -> None:
        """Note that a side has let go, and pass it on: FIN and RST are told apart."""
        if self._over or end in self._ends[side.name]:
            return
        self._ends[side.name].append(end)
        self.record.end(side.name, end)
        self._pipes[side.name].feed_end(end)

    def _side_lost(self, side: Side, reset: bool) -> None:
        if reset or not self._ends[side.name]:
            self._side_ended(side, "rst" if reset else "fin")
        if all(each.lost for each in self._sides):
            self._finish()

    def _passed_on(self, to: Side, end: End) -> None:
        """Tell a side that the other has let go; close both when both have been told."""
        to.finish(end)
        self._told.add(to.name)
        if len(self._told) == 2:
            for side in self._sides:
                side.close()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            for pipe in self._pipes.values():
                pipe.stop()
            self._on_over(self)
