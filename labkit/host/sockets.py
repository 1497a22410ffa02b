"""The listening socket: bound in the caller's thread, so that a busy port is an error in the cell."""

from __future__ import annotations

import errno
import json
import os
import socket
import urllib.error
import urllib.request
from typing import Any

from labkit.errors import ServeError
from labkit.host.identity import WHOAMI_PATH

LOOPBACK = "127.0.0.1"
BACKLOG = 2048
WHO_HAS_IT_TIMEOUT_S = 0.5


def listen(port: int = 0, address: str = LOOPBACK) -> socket.socket:
    """Return a TCP socket that listens on the loopback address, unless another is given.

    Args:
        port: 1 to 65535, or 0 for any free one.
        address: an IPv4 address of this machine, or ``0.0.0.0`` for all of them.

    Raises:
        ServeError: the port is taken (the message says by whom, if that can be known), is out of range,
            or needs more rights than this process has.
    """
    if not 0 <= port <= 65535:
        raise ServeError(f"{port} is no TCP port.", expected="0 (any free port) or 1 to 65535.")
    # With the protocol named, asyncio switches Nagle's algorithm off for what is accepted here. Else the second of
    # two small writes, an answer's body or the next frame, waits for the peer's delayed acknowledgement: 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "nt":  # SO_REUSEADDR would let two servers share the port there
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise _explain(port, error) from error
    return sock


def _explain(port: int, error: OSError) -> ServeError:
    if error.errno == errno.EADDRINUSE:
        return ServeError(
            f"Port {port} is taken: {_who_has(port)}.",
            expected="a free port.",
            hint="stop that server, or leave the port out: then a free one is chosen.",
        )
    if error.errno == errno.EACCES:
        return ServeError(
            f"This user may not listen on port {port}.",
            expected="a port from 1024 up.",
            hint="leave the port out.",
        )
    return ServeError(f"Cannot listen on port {port}: {error}.")


def _who_has(port: int) -> str:
    """Ask the server on a port for its identity; another labkit says which notebook it lives in."""
    told = ask_whoami(port)
    if told is None:
        return "another program listens there"
    here = " (this very process)" if told.get("pid") == os.getpid() else ""
    place = f" of {told['notebook']}" if told.get("notebook") else ""
    return f"labkit's server {told.get('server')!r}{place} in process {told.get('pid')}{here} listens there"


def ask_whoami(port: int) -> dict[str, Any] | None:
    """Return what a labkit server on this port says of itself, or None if none answers there."""
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with no_proxy.open(
            f"http://{LOOPBACK}:{port}{WHOAMI_PATH}", timeout=WHO_HAS_IT_TIMEOUT_S
        ) as response:
            told = json.loads(response.read(4096))
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return told if isinstance(told, dict) and "server" in told else None
