"""The opening handshake (RFC 6455 section 4), and the plain HTTP that shares a connection with it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.wire.frame import Problem

if TYPE_CHECKING:
    from labkit.wire.handshake_steps import Explanation

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server appends to the key before it hashes it (section 1.3)."""

SWITCHING_PROTOCOLS = 101

Headers = tuple[tuple[str, str], ...]


def accept_for(key: str) -> str:
    """Return the Sec-WebSocket-Accept that belongs to a Sec-WebSocket-Key (section 4.2.2, step 5.4)."""
    return base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode(), usedforsecurity=False).digest()).decode()


def values_of(headers: Headers, name: str) -> list[str]:
    """Return the values of all headers of that name, in order; lower and upper case are the same."""
    return [value for each, value in headers if each.lower() == name.lower()]


def value_of(headers: Headers, name: str) -> str | None:
    """Return a header's value, several joined by a comma as HTTP has it, or None."""
    values = values_of(headers, name)
    return ", ".join(values) if values else None


def listed(text: str | None) -> tuple[str, ...]:
    """Return the parts of a header such as Sec-WebSocket-Protocol, split at the commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request's head.

    Attributes:
        at_s: when its last byte was recorded, in seconds since the trace began.
        method: `GET` for a handshake.
        target: path and query, as in the first line.
        headers: names as they were written, and values, in order.
        http_version: such as `1.1`.
        size_bytes: the head's size on the wire, the empty line included.
    """

    at_s: float
    method: str
    target: str
    headers: Headers
    http_version: str = "1.1"
    size_bytes: int = 0

    def header(self, name: str) -> str | None:
        """Return a header's value, or None."""
        return value_of(self.headers, name)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response, with the beginning of its body.

    Attributes:
        at_s: when its head was recorded, in seconds since the trace began.
        status: 101 when the protocol is switched.
        reason: the phrase behind the status, such as `Switching Protocols`.
        headers: names as they were written, and values, in order.
        body: at most its first 4096 bytes.
        body_bytes: how long it was.
        http_version: such as `1.1`.
        size_bytes: the head's size on the wire.
    """

    at_s: float
    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    body_bytes: int = 0
    http_version: str = "1.1"
    size_bytes: int = 0

    def header(self, name: str) -> str | None:
        """Return a header's value, or None."""
        return value_of(self.headers, name)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its response, either of which may be missing; `problem` says what could not be read."""

    request: HttpRequest | None = None
    response: HttpResponse | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Handshake(Exchange):
    """The exchange that asks for a WebSocket, whatever the answer was."""

    @property
    def accepted(self) -> bool:
        """Whether the server switched protocols: 101."""
        return self.response is not None and self.response.status == SWITCHING_PROTOCOLS

    @property
    def key(self) -> str | None:
        """The client's Sec-WebSocket-Key (section 4.1)."""
        return self.request.header("Sec-WebSocket-Key") if self.request else None

    @property
    def accept(self) -> str | None:
        """The server's Sec-WebSocket-Accept."""
        return self.response.header("Sec-WebSocket-Accept") if self.response else None

    @property
    def expected_accept(self) -> str | None:
        """What Sec-WebSocket-Accept has to be for this key."""
        return accept_for(self.key) if self.key is not None else None

    @property
    def accept_is_right(self) -> bool:
        """Whether the server's Sec-WebSocket-Accept is the one for the key."""
        return self.accept is not None and self.accept == self.expected_accept

    @property
    def subprotocols_offered(self) -> tuple[str, ...]:
        """What the client offered in Sec-WebSocket-Protocol, best first."""
        return listed(self.request.header("Sec-WebSocket-Protocol")) if self.request else ()

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose."""
        return self.response.header("Sec-WebSocket-Protocol") if self.response else None

    @property
    def extensions_offered(self) -> tuple[str, ...]:
        """What the client offered in Sec-WebSocket-Extensions, such as `permessage-deflate`."""
        return listed(self.request.header("Sec-WebSocket-Extensions")) if self.request else ()

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions that the server agreed to."""
        return (
            listed(self.response.header("Sec-WebSocket-Extensions"))
            if self.accepted and self.response
            else ()
        )

    @property
    def duration_s(self) -> float | None:
        """Seconds between the request's last byte and the response's head."""
        return self.response.at_s - self.request.at_s if self.request and self.response else None

    def explain(self) -> Explanation:
        """Return the handshake explained, for a cell to display: why each header, and the accept key recomputed."""
        from labkit.wire.handshake_steps import explain

        return explain(self)
