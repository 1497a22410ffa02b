"""Raw play: send a server frames made by hand, and see what it does.

    play = raw(lab, "/ws")
    play.send("ping", b"x" * 126)
    print(play.outcome())          # what you sent, which rule it breaks, what the server did

No library stands between the cell and the server: nothing is corrected, no ping is answered, no close returned.
"""

from __future__ import annotations

import contextlib
import html
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from labkit.errors import CLOSE_CODE_NAMES, ConnectError, ConnectionClosed, HandshakeRefused, ReceiveTimeout
from labkit.host.connecting import url_of
from labkit.host.identity import Reachable
from labkit.wire.building import build, close_payload
from labkit.wire.conversation_reader import ConversationReader
from labkit.wire.frame import CLOSE, PONG, Frame, Problem
from labkit.wire.handshake import Handshake

RAW_TIMEOUT_S = 5.0
QUIET_S = 0.2
"""How long the server is given to say more, after it has shown that it read everything."""

READ_BYTES = 64 * 1024
RFC_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def raw(
    target: Reachable | str,
    path: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = RAW_TIMEOUT_S,
) -> RawPlay:
    """Open a connection to a server, make the handshake, and leave every byte after it to the caller.

    Args:
        target: a server from `serve()`, its `wire`, or a `ws://` URL.
        path: the path on it; `/ws` of a server unless given.
        headers: request headers to add, or to replace, such as `Sec-WebSocket-Version`; an empty value leaves one out.
        timeout_s: seconds for the handshake.

    Raises:
        HandshakeRefused: the server answered with another status than 101.
        ConnectError: nothing listens there, or no answer came in time.
    """
    url = url_of(target, path)
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ConnectError(f"{url!r} is not for raw play.", expected="ws://host:port/path, without TLS.")
    port = parts.port or 80
    try:
        sock = socket.create_connection((parts.hostname, port), timeout_s)
    except OSError as error:
        raise ConnectError(f"Nothing listens at {url}: {error}.", expected="a running server.") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    play = RawPlay(sock, "ws" + url.removeprefix("http"))
    try:
        target_path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        play.send_bytes(_request(target_path, f"{parts.hostname}:{port}", headers or {}))
        play._await_handshake(timeout_s)
    except BaseException:
        play.end()
        raise
    return play


def _request(path: str, host: str, changes: Mapping[str, str]) -> bytes:
    fields = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": RFC_KEY,
        "Sec-WebSocket-Version": "13",
    }
    named = {name.lower(): name for name in fields}
    for name, value in changes.items():
        fields[named.get(name.lower(), name)] = value
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was sent, and what the server did about it.

    Attributes:
        sent: the frames sent since the outcome before.
        received: the server's frames since then.
        ended: how the server ended the TCP connection: `fin`, `rst`, or empty while it is open.
        read_all: whether the server showed that it has read everything: it answered a ping sent behind.
    """

    sent: tuple[Frame, ...]
    received: tuple[Frame, ...]
    ended: str
    read_all: bool

    @property
    def rule(self) -> Problem | None:
        """The first rule that what was sent breaks, with its section; None if it breaks none."""
        return next((frame.problem for frame in self.sent if frame.problem is not None), None)

    @property
    def close_code(self) -> int | None:
        """The code with which the server closed: 1005 without one, 1006 without a close frame; None: it is open."""
        for frame in self.received:
            if frame.opcode == CLOSE:
                return frame.close[0] if frame.close is not None else None
        return 1006 if self.ended else None

    def __str__(self) -> str:
        lines = [f"you sent     {frame}" for frame in self.sent]
        lines += [f"it answered  {frame}" for frame in self.received]
        code = self.close_code
        if code is not None:
            name = CLOSE_CODE_NAMES.get(code, "private code")
            how = {"fin": ", then ended TCP", "rst": ", then cut TCP (RST)", "": ""}[self.ended]
            lines.append(f"the server   closed with {code} ({name}){how}")
        elif self.read_all:
            lines.append("the server   read it all, and keeps the connection open")
        else:
            lines.append("the server   waits: it has not read a whole frame, or does not read at all")
        if (rule := self.rule) is not None:
            lines.append(f"the rule     {rule}")
            lines.append(f"             the receiver has to fail the connection, best with {rule.close_code}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


class RawPlay:
    """A connection whose frames are made by hand.

    Attributes:
        url: where it is connected to.
        sent: every frame sent so far, with the rule that it breaks, if any.
        received: every frame of the server so far.
        ended: how the server ended the TCP connection: `fin`, `rst`, or empty while it is open.
    """

    def __init__(self, sock: socket.socket, url: str) -> None:
        self.url = url
        self.sent: list[Frame] = []
        self.received: list[Frame] = []
        self.ended = ""
        self._sock = sock
        self._reader = ConversationReader()
        self._opened_at = time.monotonic()
        self._told = (0, 0)
        self._given = 0

    @property
    def handshake(self) -> Handshake | None:
        """The opening handshake."""
        return self._reader.handshake

    # -- sending -----------------------------------------------------------------------------------

    def send(self, opcode: str | int, payload: str | bytes = b"", **details: Any) -> Self:
        """Send one frame; `details` are those of `labkit.wire.building.build`: `fin`, `rsv1`, `masked`, `key`, …"""
        return self.send_bytes(build(opcode, payload, **details))

    def close(self, code: int | None = None, reason: str | bytes = "") -> Self:
        """Send a close frame with any code at all; the TCP connection stays open."""
        return self.send("close", close_payload(code, reason))

    def send_bytes(self, data: bytes) -> Self:
        """Send bytes as they are: several frames in one piece, or a part of one."""
        self._sort(self._reader.feed("client", data, self._now()))
        with contextlib.suppress(OSError):  # the server may have gone: its answer is still to be read
            self._sock.settimeout(RAW_TIMEOUT_S)
            self._sock.sendall(data)
        return self

    def finish(self) -> Self:
        """End the sending direction by FIN, without a close frame."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        return self

    # -- seeing ------------------------------------------------------------------------------------

    def receive(self, *, timeout_s: float = RAW_TIMEOUT_S) -> Frame:
        """Return the server's next frame that has not been returned yet.

        Raises:
            ReceiveTimeout: none came within `timeout_s` seconds.
            ConnectionClosed: the server ended the TCP connection.
        """
        if not self._read_until(lambda: len(self.received) > self._given, timeout_s):
            if self.ended:
                raise ConnectionClosed(1006, "", "nobody")
            raise ReceiveTimeout(f"The server sent nothing within {timeout_s:g} s.", expected="a frame.")
        self._given += 1
        return self.received[self._given - 1]

    def outcome(self, *, timeout_s: float = RAW_TIMEOUT_S) -> Outcome:
        """Return what the server did about what was sent since the last time.

        A ping goes behind it: a server that answers it has read all before. Then it is given 0.2 s to say more.
        """
        probe = secrets.token_bytes(8)
        sent = tuple(self.sent[self._told[0] :])
        partial = tuple(frame for frame in self._reader.partial_frames() if frame.sender == "client")
        whole = not self._reader.partial_bytes("client")
        if whole:
            self.send("ping", probe)

        def answered() -> bool:
            return any(frame.opcode == PONG and frame.payload == probe for frame in self.received)

        def decided() -> bool:
            return answered() or self.ended != ""

        self._read_until(decided, timeout_s if whole else QUIET_S)
        read_all = answered()
        self._read_until(lambda: self.ended != "", QUIET_S)
        received = self.received[self._told[1] :]
        self._told = (len(self.sent), len(self.received))
        return Outcome(
            (*sent, *partial), tuple(each for each in received if each.payload != probe), self.ended, read_all
        )

    def end(self) -> None:
        """Close the TCP connection; it is a reset if the server still has something to say."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def __repr__(self) -> str:
        return f"<RawPlay {self.url} {len(self.sent)} frames sent, {len(self.received)} received>"

    # -- inside ------------------------------------------------------------------------------------

    def _now(self) -> float:
        return time.monotonic() - self._opened_at

    def _sort(self, frames: list[Frame]) -> None:
        for frame in frames:
            (self.sent if frame.sender == "client" else self.received).append(frame)

    def _read_until(self, enough: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not enough():
            left_s = deadline - time.monotonic()
            if self.ended or left_s <= 0:
                return False
            self._sock.settimeout(left_s)
            try:
                data = self._sock.recv(READ_BYTES)
            except TimeoutError:
                return False
            except OSError:
                self.ended = "rst"
                return enough()
            if not data:
                self.ended = "fin"
                return enough()
            self._sort(self._reader.feed("server", data, self._now()))
        return True

    def _await_handshake(self, timeout_s: float) -> None:
        def answered() -> bool:
            return self._reader.handshake is not None and self._reader.handshake.response is not None

        if not self._read_until(answered, timeout_s):
            raise ConnectError(
                f"The server at {self.url} did not answer the handshake.", expected="HTTP 101."
            )
        shake = self._reader.handshake
        if shake is not None and shake.response is not None and not shake.accepted:
            response = shake.response
            self._read_until(lambda: False, QUIET_S)
            shake = self._reader.handshake
            body = shake.response.body if shake is not None and shake.response is not None else b""
            fields = {name.lower(): value for name, value in response.headers}
            raise HandshakeRefused(
                self.url, response.status, response.reason, fields, body.decode("utf-8", "replace")
            )
