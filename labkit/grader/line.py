"""A WebSocket over one socket that moves bytes only while it is pumped, and never longer than it may.

Written over the protocol of `websockets` without its threads: there, sending to a server that has stopped
reading blocks for ever, and a connection cannot be cut.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Origin
from websockets.uri import parse_uri

from labkit.grader.fetch import USER_AGENT

MAX_MESSAGE_BYTES = 4 * 2**20
"""A full board comes in one message."""
MAX_INBOX_BYTES = 8 * 2**20
BUFFER_BYTES = 64 * 1024

_READ_BYTES = 64 * 1024


class Line:
    """A WebSocket client without a thread: whoever waits for something pumps.

    Attributes:
        protocol: says what state the connection is in, and how it ended.
        has_response: the handshake was answered.
        pongs: payloads of the pongs that came.
        waited_s: how long the last `pump` that was in vain took.
    """

    def __init__(self, port: int, path: str, timeout_s: float, receive_buffer_bytes: int) -> None:
        self.has_response = False
        self.pongs: list[bytes] = []
        self.waited_s = 0.0
        self._inbox: deque[str | bytes] = deque()
        self._inbox_bytes = 0
        self._outgoing = bytearray()
        self._parts: list[bytes] = []
        self._parts_are_text = True
        self._socket = _connected_socket(port, timeout_s, receive_buffer_bytes)
        uri = parse_uri(f"ws://127.0.0.1:{port}{path}")
        # The Origin that a browser sends from the submission's own page.
        self.protocol = ClientProtocol(
            uri, origin=Origin(f"http://127.0.0.1:{port}"), max_size=MAX_MESSAGE_BYTES
        )
        request = self.protocol.connect()
        request.headers["User-Agent"] = USER_AGENT
        self.protocol.send_request(request)
        self._collect_outgoing()

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more can come."""
        return self.protocol.state is State.CLOSED

    @property
    def is_let_go(self) -> bool:
        """Tell whether the socket is closed on this side."""
        return self._socket.fileno() == -1

    @property
    def waiting(self) -> int:
        """Return how many messages have come that were not taken yet."""
        return len(self._inbox)

    def holds(self, text: str) -> bool:
        """Tell whether a text is among the messages that were not taken yet."""
        return text in self._inbox

    @property
    def has_unsent(self) -> bool:
        """Tell whether something is still to be written."""
        return bool(self._outgoing)

    def take_message(self) -> str | bytes:
        """Return the oldest message that was not taken yet."""
        message = self._inbox.popleft()
        self._inbox_bytes -= len(message)
        return message

    def queue_text(self, text: str) -> None:
        """Put a text frame in line for writing.

        Raises:
            InvalidState: the connection is closed or closing.
        """
        self.protocol.send_text(text.encode())
        self._collect_outgoing()

    def queue_ping(self, payload: bytes) -> None:
        """Put a ping in line for writing.

        Raises:
            InvalidState: the connection is closed or closing.
        """
        self.protocol.send_ping(payload)
        self._collect_outgoing()

    def queue_close(self, code: int | None, reason: str = "") -> None:
        """Put a close frame in line for writing, unless one was sent before."""
        with contextlib.suppress(InvalidState):
            self.protocol.send_close(code, reason)
        self._collect_outgoing()

    def pump(self, until: Callable[[], bool], deadline: float, *, at_least_once: bool = False) -> bool:
        """Read and write until something holds, and tell whether it does before the deadline.

        Args:
            deadline: by `time.monotonic()`.
            at_least_once: read what is there already, even if the deadline is past.
        """
        started = time.monotonic()
        while not until():
            left_s = deadline - time.monotonic()
            if at_least_once:
                left_s, at_least_once = max(0.0, left_s), False
            elif left_s <= 0:
                self.waited_s = time.monotonic() - started
                return False
            wants_read = self._inbox_bytes < MAX_INBOX_BYTES and not self.is_over
            readable, writable, _ = select.select(
                [self._socket] if wants_read else [], [self._socket] if self._outgoing else [], [], left_s
            )
            if writable:
                self._write()
            if readable:
                self._read()
        return True

    def write_only(self, stalled_s: float, deadline: float) -> None:
        """Write without reading, until all is written or the server has taken nothing for a while."""
        while self._outgoing and time.monotonic() < deadline:
            if not select.select([], [self._socket], [], stalled_s)[1]:
                return
            self._write()

    def wait_for_bytes(self, deadline: float) -> None:
        """Wait until something could be read, and leave it there."""
        select.select([self._socket], [], [], max(0, deadline - time.monotonic()))

    def cut(self) -> None:
        """Cut the TCP connection without a close frame."""
        # With a linger time of 0, closing sends RST instead of FIN.
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def hang_up(self) -> None:
        """Close the socket after the goodbyes."""
        self._socket.close()

    def _collect_outgoing(self) -> None:
        for data in self.protocol.data_to_send():
            self._outgoing += data

    def _write(self) -> None:
        try:
            del self._outgoing[: self._socket.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError:
            # The other side is gone. What it sent before is still to be read.
            self._outgoing.clear()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        for event in self.protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
            else:
                self.has_response = True
        self._collect_outgoing()

    def _take(self, frame: Frame) -> None:
        """Put the frames of a message together."""
        if frame.opcode is Opcode.PONG:
            self.pongs.append(bytes(frame.data))
            return
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._parts = []
            self._parts_are_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._parts)
            self._inbox.append(message.decode("utf-8", "replace") if self._parts_are_text else message)
            self._inbox_bytes += len(self._inbox[-1])


def _connected_socket(port: int, timeout_s: float, receive_buffer_bytes: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Set before connecting, they stay: otherwise the system takes in megabytes for one who does not read.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connection.settimeout(timeout_s)
        connection.connect(("127.0.0.1", port))
        connection.setblocking(False)
    except BaseException:
        connection.close()
        raise
    return connection
