"""Who may come in: the one ASGI middleware for what uvicorn and Starlette leave open.

| asked of a request     | HTTP | WebSocket | refused with |
|------------------------|------|-----------|--------------|
| a Host that is ours    | yes  | yes       | 400          |
| an Origin that is ours | no   | yes       | 403          |
| a free place           | no   | yes       | 503          |

uvicorn's `limit_concurrency` counts WebSockets but never refuses one, and locks out plain HTTP instead;
Starlette's CORSMiddleware and `@app.middleware("http")` do not see WebSockets at all. So without this any page
on the web may open a WebSocket to a server on the reader's machine, with the reader's cookies (cross-site
WebSocket hijacking), and through DNS rebinding read its pages too.

Messages above 64 KiB need nothing here: uvicorn's `ws_max_size` counts a message's fragments together.

**Host.** Loopback names and addresses, any other IP address and this machine's own name pass. DNS rebinding
makes a *name* of the attacker's point here; it cannot put an IP address, or a name that is resolved without
DNS, into the browser's address bar. Any other name passes

- if the policy lists it, or
- if the request shows that the browser used https: it has a Sec-Fetch-Site header (browsers send it to https
  and loopback addresses only, and pages cannot set it), or an Origin that is `https://` and the Host itself.
  This server speaks no TLS, so a proxy with a certificate for that name stands in between, and rebinding cannot
  be at work. Thus JupyterHub and Binder need no setting: jupyter-server-proxy passes Host, Origin and
  Sec-Fetch-Site on as the browser sent them.

VS Code's and Codespaces' port forwarding put `localhost` into Host, and into Origin where it was their own
address. X-Forwarded-Host is believed from nobody.

**Origin**, where there is one (programs send none, and are not what this is about): the same scheme, host and
port as the request was addressed to; or both are loopback names (JupyterLab's own page on port 8888 opening a
WebSocket on port 8000 of the same machine); or the policy lists it. `null` never passes.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Self

from labkit.errors import LabError
from labkit.host.identity import ASGIApp, Receive, Scope, Send
from labkit.hub.limits import MAX_CONNECTIONS

RETRY_AFTER_S = 5
RESERVED_CONNECTIONS = 20
SHOWN_MAX_CHARS = 200
HOSTS_VARIABLE = "LABKIT_HOSTS"
ORIGINS_VARIABLE = "LABKIT_ORIGINS"

DEFAULT_PORTS = {"http": 80, "https": 443}

_LOG = logging.getLogger("labkit.guard")
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Address:
    """What a Host header names: `host` in lower case, an IP address in its shortest form; `port` if given."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the address in a text such as `localhost:8000` or `[::1]`, or None if it is none."""
        match = _AUTHORITY.fullmatch(text)
        if match is None:
            return None
        host, port = match["host"].lower(), match["port"]
        if port is not None and not 0 < int(port) <= 65535:
            return None
        if host.startswith("["):
            try:
                host = f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
            except ValueError:
                return None
        return cls(host, int(port) if port is not None else None)

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The IP address, if the host is one and not a name."""
        try:
            return ipaddress.ip_address(self.host.strip("[]"))
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine for certain: a loopback address, or a name that no DNS server is asked for."""
        ip = self.ip
        if ip is None:
            return self.host == "localhost" or self.host.endswith(".localhost")
        return ip.is_loopback


@dataclass(frozen=True, slots=True)
class Origin:
    """A web origin (RFC 6454): scheme `http` or `https`, host as in `Address`, and port, the default one filled in."""

    scheme: str
    address: Address

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the origin in a text such as `http://localhost:8888`, or None: `null` is none, a path is too much."""
        scheme, separator, authority = text.partition("://")
        scheme = scheme.lower()
        address = Address.parse(authority)
        if not separator or scheme not in DEFAULT_PORTS or address is None:
            return None
        return cls(scheme, Address(address.host, address.port or DEFAULT_PORTS[scheme]))

    def is_of(self, address: Address) -> bool:
        """Whether a page of this origin was loaded from that address."""
        return self.address == Address(address.host, address.port or DEFAULT_PORTS[self.scheme])


@dataclass(frozen=True)
class Policy:
    """What a guard lets in, beyond the rules above.

    Attributes:
        hosts: more names that Host may have, such as `hub.example.org`, on any port.
        origins: more origins whose pages may open WebSockets, such as `https://lab.example.org`.
        max_connections: WebSocket connections at once.
        may_use_reserved: tells from an ASGI scope whether it is the instructor who comes; None: nobody is.
        reserved_connections: how many of the places are kept for the instructor, if there is one.

    Raises:
        LabError: a host or an origin that is none, or more places reserved than there are.
    """

    hosts: Collection[str] = ()
    origins: Collection[str] = ()
    max_connections: int = MAX_CONNECTIONS
    may_use_reserved: Callable[[Scope], bool] | None = None
    reserved_connections: int = RESERVED_CONNECTIONS
    known_hosts: frozenset[str] = field(init=False, repr=False)
    known_origins: frozenset[Origin] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.places < 1:
            raise LabError(
                f"Of {self.max_connections} connections, {self.places} would be for everybody.",
                expected="1 or more besides the reserved ones.",
            )
        object.__setattr__(self, "known_hosts", frozenset(map(_require_host, self.hosts)))
        object.__setattr__(self, "known_origins", frozenset(map(_require_origin, self.origins)))

    @property
    def places(self) -> int:
        """How many of the connections are for everybody."""
        return self.max_connections - (self.reserved_connections if self.may_use_reserved else 0)

    @classmethod
    def from_environment(cls) -> Self:
        """Return the default policy with what LABKIT_HOSTS and LABKIT_ORIGINS list, separated by commas."""
        return cls(hosts=_listed(HOSTS_VARIABLE), origins=_listed(ORIGINS_VARIABLE))


def _listed(variable: str) -> list[str]:
    return [part.strip() for part in os.environ.get(variable, "").split(",") if part.strip()]


def _require_host(text: str) -> str:
    address = Address.parse(text)
    if address is None or address.port is not None:
        raise LabError(
            f"{text!r} is no host name.",
            expected="a name alone, such as hub.example.org: no scheme, no port, no wildcard.",
        )
    return address.host


def _require_origin(text: str) -> Origin:
    origin = Origin.parse(text)
    if origin is None:
        raise LabError(
            f"{text!r} is no web origin.",
            expected="scheme, host and maybe a port, such as https://hub.example.org: no path, no wildcard.",
        )
    return origin


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer that says why not: what happened, what was expected, what to try."""

    status: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Guard:
    """An ASGI middleware that refuses foreign hosts, foreign origins and one WebSocket too many.

    A refused WebSocket gets an HTTP answer instead of 101, with a text, where the server has the
    `websocket.http.response` extension, else a plain 403.

    Attributes:
        open_connections: WebSocket connections that the app is handling now.
    """

    def __init__(self, app: ASGIApp, policy: Policy | None = None, *, open_paths: Iterable[str] = ()) -> None:
        """Wrap an app; requests for one of `open_paths` are passed on without any question."""
        self.app = app
        self.policy = policy if policy is not None else Policy()
        self.open_connections = 0
        self._open_paths = frozenset(open_paths)
        self._machine = socket.gethostname().lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        kind = scope["type"]
        if kind not in ("http", "websocket") or scope["path"] in self._open_paths:
            await self.app(scope, receive, send)
        elif (refusal := self.judge(scope)) is not None:
            _LOG.warning("refused %s %.200r: %s", kind, scope["path"], refusal.text.partition("\n")[0])
            await _refuse(refusal, scope, receive, send)
        elif kind == "http":
            await self.app(scope, receive, send)
        else:
            self.open_connections += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.open_connections -= 1

    def judge(self, scope: Scope) -> Refusal | None:
        """Return why a request is refused, or None if it may come in."""
        host = _only(scope, b"host")
        address = Address.parse(host)
        origins = _all(scope, b"origin")
        if address is None or not self._is_ours(address, scope, origins):
            return _foreign_host(host)
        if scope["type"] == "http":
            return None
        if origins and not (len(origins) == 1 and self._may_open(origins[0], address, scope)):
            return _foreign_origin(", ".join(origins), address, scope)
        return self._full(scope)

    def _is_ours(self, address: Address, scope: Scope, origins: list[str]) -> bool:
        if address.is_loopback or address.ip is not None or address.host in self.policy.known_hosts:
            return True
        if address.host in (self._machine, f"{self._machine}.local"):
            return True
        if _all(scope, b"sec-fetch-site"):
            return True
        origin = Origin.parse(origins[0]) if len(origins) == 1 else None
        return origin is not None and origin.scheme == "https" and origin.is_of(address)

    def _may_open(self, text: str, address: Address, scope: Scope) -> bool:
        origin = Origin.parse(text)
        if origin is None:
            return False
        if origin in self.policy.known_origins or (address.is_loopback and origin.address.is_loopback):
            return True
        over_tls = scope.get("scheme") == "wss"  # else an https page came through a proxy that ends TLS
        return origin.is_of(address) and (origin.scheme == "https" or not over_tls)

    def _full(self, scope: Scope) -> Refusal | None:
        policy = self.policy
        if self.open_connections < policy.places:
            return None
        instructor = policy.may_use_reserved is not None and policy.may_use_reserved(scope)
        if instructor and self.open_connections < policy.max_connections:
            return None
        return Refusal(
            503,
            _told(
                f"This server is full: it has {self.open_connections} WebSocket connections.",
                f"fewer than {policy.max_connections if instructor else policy.places}.",
                f"again in {RETRY_AFTER_S} seconds.",
            ),
            ((b"retry-after", str(RETRY_AFTER_S).encode()),),
        )


def _foreign_host(host: str) -> Refusal:
    return Refusal(
        400,
        _told(
            f"This request is addressed to the host {_shown(host)}, which is not this server's.",
            "localhost, an IP address, this machine's name, or any name over https.",
            f"http://127.0.0.1, or start the server with {HOSTS_VARIABLE}=NAME in its environment.",
        ),
    )


def _foreign_origin(origin: str, address: Address, scope: Scope) -> Refusal:
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    port = f":{address.port}" if address.port is not None else ""
    return Refusal(
        403,
        _told(
            f"A page of the origin {_shown(origin)} may not open a WebSocket here.",
            f"a page of {scheme}://{address.host}{port}, where this request was sent to.",
            f"the page that this server shows, or start it with {ORIGINS_VARIABLE}=ORIGIN in its environment.",
        ),
    )


def _told(happened: str, expected: str, hint: str) -> str:
    return str(LabError(happened, expected=expected, hint=hint)) + "\n"


def _shown(text: str) -> str:
    """Return what a stranger sent, fit for a log line and a page."""
    return ascii(text if len(text) <= SHOWN_MAX_CHARS else text[:SHOWN_MAX_CHARS] + "…")


def _all(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == name]


def _only(scope: Scope, name: bytes) -> str:
    """Return a header's value; of none, or of several, what no check accepts."""
    return ", ".join(_all(scope, name))


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        prefix = "http.response"
    else:
        await receive()
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        prefix = "websocket.http.response"
    body = refusal.text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *refusal.headers,
    ]
    await send({"type": f"{prefix}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body})
