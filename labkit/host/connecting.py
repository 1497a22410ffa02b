"""`connect()`: the opening handshake of the notebook's client, and what it says when there is none."""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import Mapping, Sequence

import httpx
import httpx_ws

from labkit.errors import ConnectError, HandshakeRefused
from labkit.host.connection import Connection, Session
from labkit.host.identity import Reachable
from labkit.host.logs import redact

CONNECT_TIMEOUT_S = 5.0


def connect(
    target: Reachable | str,
    path: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    subprotocols: Sequence[str] | None = None,
    timeout_s: float = CONNECT_TIMEOUT_S,
) -> Connection:
    """Open a WebSocket connection and return it when the handshake is done.

    Args:
        target: a server from `serve()`, its `wire`, or a URL: `ws://`, `wss://`, `http://` or `https://`.
        path: the path on it, with its query; `/ws` of a server unless given.
        headers: more request headers, such as `Authorization`. A browser cannot send these.
        subprotocols: what to offer in Sec-WebSocket-Protocol, best first.
        timeout_s: seconds for the whole handshake.

    Raises:
        HandshakeRefused: the server answered with another HTTP status than 101; see its `status` and `body`.
        ConnectError: nothing listens there, or the handshake did not end in time.
    """
    url = url_of(target, path)
    stack = contextlib.ExitStack()
    try:
        client = stack.enter_context(
            httpx.Client(
                trust_env=False,  # a proxy from the environment is for the internet, not for this machine
                verify=_tls(),
                timeout=timeout_s,
                event_hooks={"response": [_read_refusal]},
            )
        )
        opener = httpx_ws.WebSocketClient(client, session_class=Session)
        offered = list(subprotocols) if subprotocols else None
        session = stack.enter_context(opener.connect(url, subprotocols=offered, headers=dict(headers or {})))
        return Connection(session, stack, url=_ws_scheme(url))
    except BaseException as error:  # noqa: BLE001  an interrupt too must not leave a socket behind
        stack.close()
        raise _explain(error, target, url, timeout_s) from None


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return what checks certificates: read once, because that takes longer than a connection."""
    return httpx.create_ssl_context(trust_env=False)


def url_of(target: Reachable | str, path: str | None) -> str:
    """Return the http or https URL of a path on a server, or of a WebSocket URL.

    Raises:
        ConnectError: neither a server nor a URL.
    """
    if isinstance(target, Reachable):
        base, path = target.url, "/ws" if path is None else path
    elif isinstance(target, str):
        base, path = target, path or ""
    else:
        raise ConnectError(
            f"Cannot connect to a {type(target).__name__}.",
            expected="a server from serve(), or a URL.",
        )
    scheme, mark, rest = base.partition("://")
    http_scheme = {"ws": "http", "http": "http", "wss": "https", "https": "https"}.get(scheme.lower())
    if not mark or http_scheme is None:
        raise ConnectError(
            f"{base!r} is no WebSocket URL.", expected="ws://… or wss://…", hint=f"ws://{base}"
        )
    separator = "" if not path or path.startswith(("/", "?")) else "/"
    return f"{http_scheme}://{rest.rstrip('/') if path else rest}{separator}{path}"


def _ws_scheme(url: str) -> str:
    return "ws" + url.removeprefix("http")


def _read_refusal(response: httpx.Response) -> None:
    """Read a refusal's body while its connection is open: it says why."""
    if response.status_code != httpx.codes.SWITCHING_PROTOCOLS:
        response.read()


def _explain(error: BaseException, target: Reachable | str, url: str, timeout_s: float) -> BaseException:
    """Turn what httpx raises into one clear error; leave KeyboardInterrupt and bugs alone."""
    shown = redact(_ws_scheme(url))
    if isinstance(error, httpx_ws.WebSocketUpgradeError):
        response = error.response
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HandshakeRefused(shown, response.status_code, response.reason_phrase, headers, response.text)
    if isinstance(error, httpx.TimeoutException):
        return ConnectError(
            f"The handshake with {shown} did not end within {timeout_s:g} s.",
            expected="an HTTP answer, 101 or a refusal.",
            hint="the handler may wait before it calls accept(); is its event loop blocked?",
        )
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return ConnectError(f"{shown!r} is no WebSocket URL: {error}.", expected="ws://host:port/path.")
    if isinstance(error, httpx.ConnectError):
        stopped = isinstance(target, Reachable) and not target.running
        return ConnectError(
            f"Nothing listens at {shown}." if not stopped else f"The server {target.name!r} is stopped.",  # type: ignore[union-attr]
            expected="a running server.",
            hint="run the cell with serve(...) again.",
        )
    if isinstance(error, httpx.TransportError):
        return ConnectError(
            f"The server at {shown} broke off the handshake: {error}.",
            expected="an HTTP answer.",
            hint="is this the port of a web server? lab.logs may say more.",
        )
    return error
