"""Probes of the machine's own network, and of a real server in it."""

from __future__ import annotations

import socket
import time
import urllib.request
from importlib import metadata
from typing import Literal

from labkit.doctor.report import Finding, State

LOOPBACK = "127.0.0.1"
ECHO_TIMEOUT_S = 5.0
SLOW_ECHO_MS = 100.0
WS_PROTOCOL: Literal["websockets-sansio"] = "websockets-sansio"


def loopback() -> Finding:
    """May a program listen on 127.0.0.1 and connect to itself?"""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        try:
            socket.create_connection((LOOPBACK, port), timeout=2).close()
        except OSError as error:
            return Finding(
                "loopback",
                State.FAIL,
                f"{LOOPBACK} can be listened on but not connected to: {error}",
                "allow local connections for this Python in the firewall or security software.",
            )
    return Finding("loopback", State.OK, f"{LOOPBACK} can be listened on and connected to")


def localhost() -> Finding:
    """Does the name localhost lead to this machine?"""
    hosts = (
        r"C:\Windows\System32\drivers\etc\hosts" if hasattr(socket, "SO_EXCLUSIVEADDRUSE") else "/etc/hosts"
    )
    to_do = (
        f"put the line `{LOOPBACK} localhost` into {hosts}; until then write {LOOPBACK} instead of localhost."
    )
    try:
        told = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Finding("localhost", State.WARN, f"the name is unknown: {error}", to_do)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in told))
    found = ", ".join(addresses)
    if LOOPBACK in addresses:
        return Finding("localhost", State.OK, found)
    return Finding("localhost", State.WARN, f"{found}, but labkit listens on {LOOPBACK}", to_do)


def proxies() -> Finding:
    """Would a proxy catch what this machine says to itself?"""
    catching = {scheme: url for scheme, url in urllib.request.getproxies().items() if scheme in _WEB_SCHEMES}
    if not catching:
        return Finding("proxies", State.OK, "none")
    names = ", ".join(f"{scheme}_proxy" for scheme in sorted(catching))
    missed = [host for host in ("localhost", LOOPBACK) if not urllib.request.proxy_bypass(host)]
    if not missed:
        return Finding("proxies", State.OK, f"{names}, not used for this machine itself")
    return Finding(
        "proxies",
        State.WARN,
        f"{names} would also catch {' and '.join(missed)}",
        f"set NO_PROXY=localhost,{LOOPBACK},::1 (no_proxy likewise), also in the browser's settings.",
    )


_WEB_SCHEMES = {"http", "https", "all", "ws", "wss", "socks"}


def websocket_protocol() -> Finding:
    """Which code will speak WebSocket in the server?"""
    import uvicorn

    config = uvicorn.Config(_no_app, ws=WS_PROTOCOL, log_config=None)
    try:
        config.load()
    except (ImportError, KeyError, ValueError) as error:
        return Finding(
            "WebSocket",
            State.FAIL,
            f"uvicorn {uvicorn.__version__} cannot load {WS_PROTOCOL}: {error}",
            'python -m pip install --upgrade "uvicorn>=0.52.1" "websockets>=15"',
        )
    versions = f"uvicorn {uvicorn.__version__}, websockets {metadata.version('websockets')}"
    return Finding("WebSocket", State.OK, f"{WS_PROTOCOL} ({versions})")


async def _no_app(scope: object, receive: object, send: object) -> None:
    """Stand in for an application: uvicorn wants one before it tells how it would serve it."""


def echo() -> Finding:
    """Serve the echo app for real and exchange one message."""
    from labkit.host import connect, serve

    started = time.perf_counter()
    with serve("echo", name="labkit doctor") as lab:
        ready_ms = (time.perf_counter() - started) * 1000
        ws = connect(lab, "/ws")
        try:
            sent = time.perf_counter()
            ws.send("hello")
            answer = ws.receive(timeout_s=ECHO_TIMEOUT_S)
            echo_ms = (time.perf_counter() - sent) * 1000
        finally:
            ws.close()
    if answer != "Echo: hello 🔊":
        return Finding("echo", State.FAIL, f"the server answered {answer!r}", "install labkit again.")
    found = f"server ready in {ready_ms:.0f} ms, message and answer in {echo_ms:.1f} ms"
    if echo_ms > SLOW_ECHO_MS:
        return Finding(
            "echo", State.WARN, found, "the machine is busy, or security software looks into connections."
        )
    return Finding("echo", State.OK, found)
