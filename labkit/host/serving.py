"""`serve()`: the verb that starts a server from a cell."""

from __future__ import annotations

import socket
import sys
from typing import Any

from labkit.errors import ServeError
from labkit.host.asgi_check import require_asgi
from labkit.host.guard import Policy
from labkit.host.identity import ASGIApp
from labkit.host.registry import REGISTRY
from labkit.host.server import PING_INTERVAL_S, PING_TIMEOUT_S, Lab
from labkit.host.sockets import listen


def serve(
    app: ASGIApp | str | Any,
    *,
    name: str | None = None,
    port: int = 0,
    ping_interval_s: float = PING_INTERVAL_S,
    ping_timeout_s: float = PING_TIMEOUT_S,
    policy: Policy | None = None,
) -> Lab:
    """Start a server for an app in this process and return it when it is ready.

    It listens on 127.0.0.1 alone, in a thread with an event loop of its own. Running the cell again stops
    the cell's earlier server (its WebSockets get close code 1012) and starts a fresh one on the same port.

    Args:
        app: an ASGI application such as `FastAPI()`, or the name of one of the kit's apps: `"echo"`.
        name: a name to replace a server by, from whichever cell; without one the cell decides.
        port: 1 to 65535, or 0 for any free port.
        ping_interval_s: seconds between the server's WebSocket pings, greater than 0.
        ping_timeout_s: seconds that a pong may take before the server closes with 1011.
        policy: which hosts and origins may come in, and how many; see `labkit.host.guard`.

    Raises:
        UnknownName: the kit has no app of that name.
        ServeError: not an ASGI application, the port is taken, or the app failed while starting.
    """
    for what, value in (("ping_interval_s", ping_interval_s), ("ping_timeout_s", ping_timeout_s)):
        if not value > 0:
            raise ServeError(f"{what} is {value!r}.", expected="a number of seconds greater than 0.")
    asgi: ASGIApp
    if isinstance(app, str):
        from labkit.apps import create

        asgi, title = create(app), app
    else:
        asgi = require_asgi(app)
        title = str(getattr(app, "title", "") or getattr(app, "__name__", "") or type(app).__name__)
        title = "your app" if title == "FastAPI" else title

    admitting = policy if policy is not None else Policy.from_environment()

    def start(sock: socket.socket | None, port_before: int) -> Lab:
        lab = Lab(
            asgi,
            name=name or title,
            sock=_socket_for(port, sock, port_before),
            ping_interval_s=ping_interval_s,
            ping_timeout_s=ping_timeout_s,
            policy=admitting,
            on_stopped=REGISTRY.forget,
        )
        REGISTRY.remember(lab)
        lab.start()
        return lab

    return REGISTRY.start(name, start)


def stop_all() -> int:
    """Stop every server and every wire that this process started; return how many servers there were."""
    count = REGISTRY.stop_all()
    if (wires := sys.modules.get("labkit.wire.wire")) is not None:
        wires.stop_wires()
    return count


def _socket_for(port: int, kept: socket.socket | None, port_before: int) -> socket.socket:
    """Return the listening socket: the kept one if it fits, else a new one on the port asked for or had before."""
    if kept is not None:
        if port in (0, kept.getsockname()[1]):
            return kept
        kept.close()
    if port == 0 and port_before:
        try:
            return listen(port_before)
        except ServeError:  # somebody took it meanwhile; the learner did not ask for this very port
            return listen(0)
    return listen(port)
