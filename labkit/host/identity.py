"""What every served app answers for the kit: who it is, and whether HTTP and WebSocket get through.

A port number says little: after a kernel restart another notebook's server may sit on it. So each server
tells its identity, and a page can see that it belongs to a server that has gone.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

WHOAMI_PATH = "/_lab/whoami"
PROBE_PATH = "/_lab/probe"


def _notebook_name() -> str:
    """Return the notebook's file name where the Jupyter server tells the kernel, or an empty text."""
    return os.path.basename(os.environ.get("JPY_SESSION_NAME", ""))


@dataclass(frozen=True)
class Identity:
    """Who a server is: `id` is random, so that two servers after each other on a port differ."""

    server: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    pid: int = field(default_factory=os.getpid)
    notebook: str = field(default_factory=_notebook_name)
    started: float = field(default_factory=time.time)

    def to_json(self) -> bytes:
        """Return the identity as one JSON object."""
        return json.dumps(self.__dict__).encode()


@runtime_checkable
class Reachable(Protocol):
    """What can be connected to and shown: a server, or the wire in front of it."""

    identity: Identity

    @property
    def name(self) -> str:
        """What is served."""

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""

    @property
    def running(self) -> bool:
        """Whether connections are accepted now."""


class IdentifiedApp:
    """Wraps an ASGI application: answers `/_lab/…` itself and passes everything else on.

    - `GET /_lab/whoami` tells the identity. Asked with `?is=ID` it answers 204 to any origin if the id is
      its own, else 404: so a frame on another origin can find its server without reading anything.
    - WebSocket `/_lab/probe` accepts and closes with 1000: it shows that WebSockets get through.

    It also watches the lifespan protocol, which decides whether the app has started:
    `startup_error` is the exception behind a failed start, if there is one.
    """

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self.app = app
        self.identity = identity
        self.startup_error: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        kind, path = scope["type"], scope.get("path")
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
        elif kind == "http" and path == WHOAMI_PATH:
            await self._whoami(scope, send)
        elif kind == "websocket" and path == PROBE_PATH:
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000, "reason": "WebSockets get through"})
        else:
            await self.app(scope, receive, send)

    async def _whoami(self, scope: Scope, send: Send) -> None:
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("is", [])
        headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
        if not asked:
            status, body = 200, self.identity.to_json()
            headers.append((b"content-type", b"application/json"))
        elif asked == [self.identity.id]:
            status, body = 204, b""
            headers.append((b"access-control-allow-origin", b"*"))
        else:
            status, body = 404, b""
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = answered = False

        async def receive_here() -> Message:
            nonlocal received
            received = True
            return await receive()

        async def send_here(message: Message) -> None:
            nonlocal answered
            answered = answered or str(message["type"]).startswith("lifespan.")
            await send(message)

        try:
            await self.app(scope, receive_here, send_here)
        except Exception as error:
            if answered or _is_starlette(self.app):
                self.startup_error = error
                raise
            # "If an exception is raised when calling the application callable with a lifespan.startup
            # message or a scope of type lifespan, the server must continue": the app has no lifespan.
            # Source: ASGI specification, Lifespan Protocol.
            if not received:
                await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})


def _is_starlette(app: object) -> bool:
    """Tell a Starlette or FastAPI app: they speak lifespan, so an exception there is their own."""
    return any(base.__module__.partition(".")[0] == "starlette" for base in type(app).__mro__)
