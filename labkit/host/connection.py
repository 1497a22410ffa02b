"""One open WebSocket connection in a notebook: plain calls, usable across cells, every wait with an end.

httpx-ws makes the handshake; its sessions are context managers that belong to one block of code, so a
`Connection` keeps one open and reads it in a thread of its own. Messages that arrive while no cell is
waiting are kept, pings are answered, and a close is noticed at once.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import html
import json
import os
import socket
import struct
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import httpcore
import httpx_ws
from wsproto import events
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from labkit.errors import ConnectionClosed, LabError, ReceiveTimeout, describe_close
from labkit.host.logs import redact

RECEIVE_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
IO_TIMEOUT_S = 5.0
READ_CHUNK_BYTES = 64 * 1024
INTERRUPTIBLE_WAIT_S = 0.5
TRANSCRIPT_ENTRIES = 1000

Party = Literal["client", "server", "nobody"]


@dataclass(frozen=True)
class Close:
    """How a connection ended; `closed_by` is who sent the first close frame, or "nobody"."""

    code: int
    reason: str
    closed_by: Party

    def __str__(self) -> str:
        return describe_close(self.code, self.reason, self.closed_by)


LOST = Close(1006, "", "nobody")
"""The connection ended without a close frame from either side."""


@dataclass(frozen=True)
class Entry:
    """One line of a connection's transcript: `at_s` counts from the end of the handshake."""

    at_s: float
    direction: Literal["sent", "received", "note"]
    data: str | bytes


class Session(httpx_ws.WebSocketSession):
    """An httpx-ws session without threads: `Connection` reads it. Its own would block a kernel's exit."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, exc: object, tb: object) -> None:
        self.stream.close()


class Connection:
    """An open WebSocket connection, as `connect()` returns it. It stays open from cell to cell.

    Attributes:
        url: where it is connected to.
        subprotocol: the one that the server chose, or None.
        closed: None while open, then a `Close` with code, reason and who closed first.
        transcript: what was sent and received, in order; the cell shows it as a table.
    """

    def __init__(self, session: Session, stack: contextlib.ExitStack, *, url: str) -> None:
        self.url = url
        self._shown_url = redact(url)
        self.subprotocol: str | None = session.subprotocol
        self.closed: Close | None = None
        self.transcript: collections.deque[Entry] = collections.deque(maxlen=TRANSCRIPT_ENTRIES)
        self._session = session
        self._stack = stack
        self._opened_at = time.monotonic()
        self._unread: collections.deque[str | bytes] = collections.deque()
        self._changed = threading.Condition()
        self._write_lock = threading.Lock()
        self._protocol_lock = threading.Lock()
        self._closing: Close | None = None
        self._pongs: dict[bytes, float] = {}
        self._reader = threading.Thread(
            target=self._read_until_closed, name=f"labkit client {self._shown_url}", daemon=True
        )
        _OPEN.add(self)
        try:
            self._reader.start()
        except BaseException:  # the interrupt button: nobody else holds this connection yet
            self._finish(LOST)
            raise

    # -- sending and receiving -------------------------------------------------------------------

    def send(self, message: str | bytes) -> None:
        """Send one message: a `str` goes out as a text frame, `bytes` as a binary one.

        Raises:
            ConnectionClosed: the connection is over.
            LabError: neither `str` nor `bytes`, or the server did not read for 5 s.
        """
        if not isinstance(message, str | bytes):
            raise LabError(
                f"A message is text or bytes, and this is {type(message).__name__}.",
                expected="str or bytes.",
                hint="send_json(...) for a dict or a list.",
            )
        event: events.Event = (
            events.TextMessage(message) if isinstance(message, str) else events.BytesMessage(message)
        )
        self._send_event(event, noting=message)

    def send_json(self, value: Any) -> None:
        """Send one value as JSON in a text frame."""
        self.send(json.dumps(value, ensure_ascii=False))

    def receive(self, *, timeout_s: float = RECEIVE_TIMEOUT_S) -> str | bytes:
        """Return the oldest message that has not been received yet, waiting for it if need be.

        Raises:
            ReceiveTimeout: none came within `timeout_s` seconds; the connection stays open.
            ConnectionClosed: the connection is over and every message has been received.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._unread:
                if self.closed is not None:
                    raise self._closed_error()
                self._wait(deadline, lambda: self._nothing_came(timeout_s))
            return self._unread.popleft()

    def receive_json(self, *, timeout_s: float = RECEIVE_TIMEOUT_S) -> Any:
        """Return the next message, decoded from JSON.

        Raises:
            LabError: the message is no JSON; otherwise as `receive()`.
        """
        message = self.receive(timeout_s=timeout_s)
        try:
            return json.loads(message)
        except ValueError as error:
            raise LabError(
                f"The server sent {message!r:.200}, which is no JSON ({error}).",
                expected="a JSON text.",
                hint="receive() returns it as it is.",
            ) from None

    def received(self) -> list[str | bytes]:
        """Return all messages that have arrived and not been received yet, without waiting."""
        with self._changed:
            messages = list(self._unread)
            self._unread.clear()
            return messages

    def ping(self, *, timeout_s: float = RECEIVE_TIMEOUT_S) -> float:
        """Send a ping and return the seconds until its pong came back (RFC 6455 sections 5.5.2 and 5.5.3).

        Raises:
            ReceiveTimeout: no pong within `timeout_s` seconds.
            ConnectionClosed: the connection is over.
        """
        payload = struct.pack("!d", time.monotonic())
        sent_at = time.monotonic()
        self._send_event(events.Ping(payload))
        with self._changed:
            while payload not in self._pongs:
                if self.closed is not None:
                    raise self._closed_error()
                self._wait(
                    sent_at + timeout_s,
                    lambda: ReceiveTimeout(
                        f"No pong within {timeout_s:g} s.",
                        expected="one: a WebSocket library answers pings by itself.",
                        hint="is the handler reading? A server that does not read sees no ping.",
                    ),
                )
            return self._pongs.pop(payload) - sent_at

    # -- the end ---------------------------------------------------------------------------------

    def close(self, code: int = 1000, reason: str = "") -> Close:
        """Close the connection and return how it ended. Closing twice changes nothing.

        Sends a close frame and waits up to 2 s for the server's (RFC 6455 section 7.1.2).

        Raises:
            LabError: not a code that may be sent, or a reason over 123 bytes.
        """
        _require_sendable(code, reason)
        with contextlib.suppress(ConnectionClosed):
            with self._protocol_lock:
                first = self._closing is None
                self._closing = self._closing or Close(code, reason, "client")
            if first:
                self._send_event(events.CloseConnection(code, reason), even_if_closing=True)
        return self.wait_closed(timeout_s=CLOSE_TIMEOUT_S, give_up=True)

    def abort(self) -> Close:
        """Cut the TCP connection without a close frame, as a crash or a lost network does."""
        sock = self._session.stream.get_extra_info("socket")
        with contextlib.suppress(OSError):  # SO_LINGER 0: the kernel sends RST and forgets what is unsent
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Shutting down the other half too would send FIN first: an end, where none may be seen.
        self._finish(LOST, wake=socket.SHUT_RD if os.name == "posix" else socket.SHUT_RDWR)
        return self._ended()

    def wait_closed(self, *, timeout_s: float = RECEIVE_TIMEOUT_S, give_up: bool = False) -> Close:
        """Wait until the connection is over and return how it ended.

        Args:
            timeout_s: seconds to wait.
            give_up: cut the connection after that time instead of raising.

        Raises:
            ReceiveTimeout: it is still open after that time.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self.closed is None:
                try:
                    self._wait(
                        deadline,
                        lambda: ReceiveTimeout(
                            f"The connection is still open after {timeout_s:g} s.", expected="a close."
                        ),
                    )
                except ReceiveTimeout:
                    if not give_up:
                        raise
                    break
        if self.closed is None:
            self._finish(self._closing or LOST)
        return self._ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------------------------

    def _wait(self, deadline: float, too_late: Any) -> None:
        """Wait for news, in slices so that the interrupt button works everywhere; raise past the deadline."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise too_late()
        self._changed.wait(min(left_s, INTERRUPTIBLE_WAIT_S))

    def _send_event(
        self, event: events.Event, *, noting: str | bytes | None = None, even_if_closing: bool = False
    ) -> None:
        with self._write_lock:
            with self._protocol_lock:
                if self.closed is not None or (self._closing is not None and not even_if_closing):
                    raise self._closed_error()
                try:
                    data = self._session.connection.send(event)
                except LocalProtocolError:
                    raise self._closed_error() from None
            if noting is not None:  # before the write, or the answer might be noted first
                self._note("sent", noting)
            try:
                self._session.stream.write(data, timeout=IO_TIMEOUT_S)
            except httpcore.WriteTimeout:
                raise LabError(
                    f"The server has not read for {IO_TIMEOUT_S:g} s: the message cannot be sent.",
                    expected="a server that keeps reading.",
                    hint="is its handler waiting for something else, or blocking?",
                ) from None
            except httpcore.NetworkError:
                self._finish(self._closing or LOST)
                raise self._closed_error() from None

    def _read_until_closed(self) -> None:
        """Read the socket until it ends: the body of the reader thread."""
        session, parts = self._session, list[str | bytes]()
        try:
            while self.closed is None:
                try:
                    data = session.stream.read(READ_CHUNK_BYTES, timeout=IO_TIMEOUT_S)
                except httpcore.ReadTimeout:
                    continue
                if not data:
                    break
                with self._protocol_lock:
                    session.connection.receive_data(data)
                    arrived = list(session.connection.events())
                for event in arrived:
                    self._handle(event, parts)
        except RemoteProtocolError as error:
            self._finish(Close(1002, str(error), "client"))
        except (httpcore.NetworkError, OSError, ValueError):
            pass  # the connection is lost; ValueError: its socket was closed while waiting
        except LabError:
            pass  # a pong could not be written: the server has gone, or has stopped reading
        finally:
            self._finish(self._closing or LOST)

    def _handle(self, event: events.Event, parts: list[str | bytes]) -> None:
        if isinstance(event, events.Message):
            parts.append(event.data)
            if event.message_finished:
                empty: Any = "" if isinstance(event, events.TextMessage) else b""
                self._deliver(empty.join(parts))
                parts.clear()
        elif isinstance(event, events.Ping):
            self._send_event(event.response(), even_if_closing=True)
        elif isinstance(event, events.Pong):
            with self._changed:
                self._pongs[bytes(event.payload)] = time.monotonic()
                self._changed.notify_all()
        elif isinstance(event, events.CloseConnection):
            if self._closing is None:
                self._closing = Close(int(event.code), event.reason or "", "server")
                with contextlib.suppress(ConnectionClosed, LabError):  # the server may have left already
                    self._send_event(event.response(), even_if_closing=True)
            self._finish(self._closing)

    def _deliver(self, message: str | bytes) -> None:
        message = bytes(message) if isinstance(message, bytearray) else message
        with self._changed:
            self._note("received", message)
            self._unread.append(message)
            self._changed.notify_all()

    def _finish(self, close: Close, *, wake: int = socket.SHUT_RDWR) -> None:
        """Record how the connection ended, once, and free its socket and thread."""
        with self._changed:
            if self.closed is not None:
                return
            self.closed = close
            self._note("note", str(close))
            self._changed.notify_all()
        _OPEN.discard(self)
        sock = self._session.stream.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(wake)  # wakes a reader that waits in recv()
        with contextlib.suppress(OSError, httpcore.NetworkError):
            self._stack.close()

    def _ended(self) -> Close:
        if self._reader is not threading.current_thread():
            self._reader.join(CLOSE_TIMEOUT_S)
        if self.closed is None:
            raise LabError("The connection did not end.")
        return self.closed

    def _closed_error(self) -> ConnectionClosed:
        close = self.closed or self._closing or LOST
        hint = (
            "connect() again." if close is not LOST else "is the server still running? Then connect() again."
        )
        return ConnectionClosed(close.code, close.reason, close.closed_by, hint)

    def _nothing_came(self, timeout_s: float) -> ReceiveTimeout:
        sent = [entry for entry in self.transcript if entry.direction == "sent"]
        last = f" Last sent: {sent[-1].data!r:.100}." if sent else " Nothing has been sent on it."
        return ReceiveTimeout(
            f"Nothing arrived on {self._shown_url} within {timeout_s:g} s; the connection is open.{last}",
            expected="a message.",
            hint="does the handler send one for this? lab.logs shows its errors; timeout_s=... waits longer.",
        )

    def _note(self, direction: Literal["sent", "received", "note"], data: str | bytes) -> None:
        self.transcript.append(Entry(time.monotonic() - self._opened_at, direction, data))

    # -- looks -----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield the messages until the connection closes; a gap of 5 s raises `ReceiveTimeout`."""
        while True:
            try:
                yield self.receive()
            except ConnectionClosed:
                return

    def __repr__(self) -> str:
        state = f"closed: {self.closed}" if self.closed else f"open, {len(self._unread)} message(s) unread"
        return f"<Connection {self._shown_url} {state}>"

    def _repr_html_(self) -> str:
        arrows = {"sent": "→ sent", "received": "← received", "note": "■ end"}
        rows = "".join(
            f'<tr><td style="text-align:right">{entry.at_s:.3f} s</td><td>{arrows[entry.direction]}</td>'
            f'<td style="text-align:left"><code>{html.escape(_preview(entry.data))}</code></td></tr>'
            for entry in list(self.transcript)
        )
        return f"<div><code>{html.escape(repr(self))}</code></div><table>{rows}</table>"


def _preview(data: str | bytes) -> str:
    text = data if isinstance(data, str) else repr(data)
    return (
        text
        if len(text) <= 200
        else f"{text[:200]}… ({len(data)} {'characters' if isinstance(data, str) else 'bytes'})"
    )


def _require_sendable(code: int, reason: str) -> None:
    if not (
        code in {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
        or 3000 <= code <= 4999
    ):
        raise LabError(
            f"A close frame may not carry {code}.",
            expected="1000, 1001, another registered code, or your own from 3000 to 4999.",
            hint="1005, 1006 and 1015 are what a library reports when no code arrived (RFC 6455 section 7.4.1).",
        )
    size = len(reason.encode())
    if size > 123:
        raise LabError(
            f"The reason takes {size} bytes.",
            expected="at most 123: a control frame carries 125 bytes, and the code takes 2.",
            hint="a shorter reason.",
        )


_OPEN: weakref.WeakSet[Connection] = weakref.WeakSet()


@atexit.register
def _abort_all() -> None:
    for connection in list(_OPEN):
        connection.abort()
