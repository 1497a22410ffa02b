"""Who may come in: hosts, origins and the number of connections, asked of real sockets."""

from __future__ import annotations

import os
import queue
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware

from labkit import connect, serve
from labkit.errors import HandshakeRefused, LabError
from labkit.host import server as server_module
from labkit.host.guard import Address, Guard, Origin, Policy
from labkit.host.server import Lab

PATIENCE_S = 5.0
START_TIMEOUT_S = 40.0


def ask(lab: Lab | int, path: str = "/ws", *, upgrade: bool = True, **headers: str) -> httpx.Response:
    """Send a request with just these headers (`sec_fetch_site=` for Sec-Fetch-Site) and return the answer."""
    port = lab if isinstance(lab, int) else lab.port
    lines = [f"GET {path} HTTP/1.1"]
    headers.setdefault("host", f"127.0.0.1:{port}")
    if upgrade:
        lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        lines += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    else:
        lines += ["Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        head = b""
        while b"\r\n\r\n" not in head:
            part = sock.recv(4096)
            assert part, f"ended after {head!r}"
            head += part
        status_line, *fields = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        answer = httpx.Response(
            int(status_line.split()[1]), headers=[field.split(": ", 1) for field in fields]
        )
        if answer.status_code != 101:
            body = head.partition(b"\r\n\r\n")[2]
            length = int(answer.headers.get("content-length", 10**9))
            while len(body) < length and (part := sock.recv(4096)):
                body += part
            answer._content = body
        return answer


@pytest.fixture
def app(echo_app: FastAPI) -> FastAPI:
    @echo_app.get("/page")
    def page() -> str:
        return "secret"

    return echo_app


# -- Origin ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:PORT", None),
        ("127.0.0.1:PORT", "http://127.0.0.1:PORT"),
        ("localhost:PORT", "http://localhost:PORT"),
        ("LocalHost:PORT", "HTTP://LOCALHOST:PORT"),
        ("[::1]:PORT", "http://[0:0:0:0:0:0:0:1]:PORT"),
        ("localhost", "http://localhost:80"),
        ("127.0.0.1:PORT", "http://localhost:PORT"),  # two names of one place
        ("127.0.0.1:PORT", "http://localhost:8888"),  # JupyterLab's own page
        ("localhost", "http://localhost:8003"),  # VS Code's and Codespaces' forwarding
        ("192.168.1.20:PORT", "http://192.168.1.20:PORT"),  # a phone in the room
        ("192.168.1.20:8888", "http://192.168.1.20:8888"),  # through a remote Jupyter
        ("hub.example.org", "https://hub.example.org"),  # through JupyterHub
        ("hub.example.org:443", "https://hub.example.org"),
        ("hub.example.org:8443", "https://hub.example.org:8443"),
    ],
)
def test_a_page_that_was_loaded_from_here_may_open_a_websocket(app, host, origin):
    lab = serve(app)
    headers = {"origin": origin.replace("PORT", str(lab.port))} if origin else {}
    assert ask(lab, host=host.replace("PORT", str(lab.port)), **headers).status_code == 101


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:PORT",
        "null",
        "",
        "file://",
        "http://127.0.0.1.evil.example:PORT",
        "http://localhost.evil.example:PORT",
        "http://evil.example?127.0.0.1:PORT",
        "http://evil.example/http://127.0.0.1:PORT",
        "http://evil.example#http://127.0.0.1:PORT",
        "http://127.0.0.1:PORT@evil.example",
        "http://evil.example@127.0.0.1:PORT",
        "http://127.0.0.1:PORT/",
        "http://127.0.0.1:PORT http://evil.example",
        "http://127.0.0.1:PORT, http://evil.example",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:",
        "http://127.1:PORT",
        "http://0x7f000001:PORT",
        "http://192.168.1.20:PORT",
        "ws://127.0.0.1:PORT",
        "127.0.0.1:PORT",
        "http://127.0.0.1%00.evil.example",
        "http://löcalhost:PORT",
        "vscode-webview://0a1b2c",
        "chrome-extension://abcdef",
    ],
)
def test_a_foreign_page_may_not(app, origin):
    lab = serve(app)
    origin = origin.replace("PORT", str(lab.port))
    answer = ask(lab, origin=origin)
    assert answer.status_code == 403
    assert answer.text == (
        f"A page of the origin {origin!a} may not open a WebSocket here.\n"
        f"Expected: a page of http://127.0.0.1:{lab.port}, where this request was sent to.\n"
        "Try: the page that this server shows, or start it with LABKIT_ORIGINS=ORIGIN in its environment.\n"
    )
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert lab.guard.open_connections == 0
    assert not lab.logs.errors


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("192.168.1.20:PORT", "http://192.168.1.20"),  # the same machine, another port
        ("192.168.1.20:PORT", "http://localhost:PORT"),
        ("192.168.1.20:PORT", "http://192.168.1.21:PORT"),
        ("192.168.1.20", "https://192.168.1.20:80"),
    ],
)
def test_the_port_and_the_address_count_outside_of_this_machine(app, host, origin):
    lab = serve(app)
    host, origin = (text.replace("PORT", str(lab.port)) for text in (host, origin))
    assert ask(lab, host=host, origin=origin).status_code == 403


def test_two_origins_are_none(app):
    lab = serve(app)
    good = f"http://127.0.0.1:{lab.port}"
    answer = ask(lab, origin=f"{good}\r\nOrigin: {good}")
    assert answer.status_code == 400, "uvicorn refuses it before any app is asked"

    headers = [(b"host", b"localhost"), (b"origin", good.encode()), (b"origin", good.encode())]
    refusal = lab.guard.judge({"type": "websocket", "scheme": "ws", "path": "/ws", "headers": headers})
    assert refusal is not None, "under a server that does not look"
    assert refusal.status == 403


def test_x_forwarded_host_is_believed_from_nobody(app):
    lab = serve(app)
    assert ask(lab, origin="https://evil.example", x_forwarded_host="evil.example").status_code == 403
    assert ask(lab, host="evil.example", x_forwarded_host="127.0.0.1").status_code == 400


def test_an_origin_of_the_policy_is_let_in_and_nothing_like_it(app):
    lab = serve(app, policy=Policy(origins=["https://lab.example.org"]))
    assert ask(lab, origin="https://lab.example.org").status_code == 101
    assert ask(lab, origin="https://lab.example.org:443").status_code == 101
    assert ask(lab, origin="http://lab.example.org").status_code == 403
    assert ask(lab, origin="https://a.lab.example.org").status_code == 403
    assert ask(lab, origin="https://lab.example.org.evil.example").status_code == 403


def test_a_server_with_tls_of_its_own_wants_https_pages():
    guard = Guard(_never)
    scope = {"type": "websocket", "scheme": "wss", "path": "/ws"}
    for origin, refused in (("https://lab.example:443", False), ("http://lab.example:443", True)):
        headers = [(b"host", b"lab.example:443"), (b"origin", origin.encode())]
        guard.policy = Policy(hosts=["lab.example"])
        assert (guard.judge(scope | {"headers": headers}) is not None) is refused


async def _never(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("the app was called")


def test_cross_site_websocket_hijacking_passes_cors_and_not_the_guard(app, monkeypatch):
    """CORSMiddleware never sees a WebSocket: with the strictest setting, evil.example reads the echo."""
    app.add_middleware(CORSMiddleware, allow_origins=["https://lab.example.org"])
    attack = {"headers": {"Origin": "https://evil.example", "Cookie": "session=ada"}}

    with serve(app) as guarded, pytest.raises(HandshakeRefused) as caught:
        connect(guarded, **attack)
    assert caught.value.status == 403
    assert "A page of the origin 'https://evil.example' may not open a WebSocket here." in str(caught.value)

    monkeypatch.setattr(server_module, "Guard", lambda app, policy, open_paths: app)
    with serve(app) as bare:
        ws = connect(bare, **attack)
        ws.send("what do you know?")
        assert ws.receive() == "Echo: what do you know?"


def test_the_launchers_probe_is_open_to_every_origin(app):
    lab = serve(app)
    assert ask(lab, "/_lab/probe", origin="https://hub.example.org").status_code == 101
    assert ask(lab, f"/_lab/whoami?is={lab.identity.id}", upgrade=False, host="x").status_code == 204
    assert ask(lab, "/_lab/probes", origin="https://hub.example.org").status_code == 403


# -- Host --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upgrade", [False, True], ids=["HTTP", "WebSocket"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example:PORT",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "localhost@evil.example",
        "127.0.0.1:PORT/evil.example",
        "localhost:PORT:PORT",
        "localhost:0",
        "[::1",
        "[evil.example]",
        "127.1",
        "hub.example.org",
        "",
    ],
)
def test_a_foreign_host_is_refused(app, host, upgrade):
    """DNS rebinding: the attacker's name points here, and the browser believes that it is the same origin."""
    lab = serve(app)
    host = host.replace("PORT", str(lab.port))
    answer = ask(lab, "/ws" if upgrade else "/page", upgrade=upgrade, host=host, origin=f"http://{host}")
    assert answer.status_code == 400
    assert answer.text == (
        f"This request is addressed to the host {host!r}, which is not this server's.\n"
        "Expected: localhost, an IP address, this machine's name, or any name over https.\n"
        "Try: http://127.0.0.1, or start the server with LABKIT_HOSTS=NAME in its environment.\n"
    )
    assert "secret" not in answer.text


@pytest.mark.parametrize("upgrade", [False, True], ids=["HTTP", "WebSocket"])
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:9000",  # an SSH tunnel
        "a.localhost",
        "127.0.0.1:PORT",
        "127.0.0.53",
        "[::1]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "0.0.0.0:PORT",
        "10.1.2.3:8888",
        "[2001:db8::1]:8888",
        socket.gethostname().upper(),
    ],
)
def test_a_host_that_no_stranger_can_point_here_passes(app, host, upgrade):
    lab = serve(app)
    answer = ask(
        lab, "/ws" if upgrade else "/page", upgrade=upgrade, host=host.replace("PORT", str(lab.port))
    )
    assert answer.status_code == (101 if upgrade else 200)


def test_any_name_passes_if_the_browser_used_https(app):
    """Through JupyterHub. A page of plain http cannot claim it: Sec- headers and Origin are the browser's."""
    lab = serve(app)
    hub = {"host": "hub.example.org", "upgrade": False}
    assert ask(lab, "/page", **hub, sec_fetch_site="same-origin").status_code == 200
    assert ask(lab, "/page", **hub, origin="https://hub.example.org").status_code == 200
    assert ask(lab, "/page", **hub, origin="http://hub.example.org").status_code == 400
    assert ask(lab, "/page", **hub, origin="https://evil.example").status_code == 400
    assert ask(lab, "/page", **hub).status_code == 400
    assert ask(lab, host="hub.example.org", sec_fetch_site="same-origin").status_code == 101
    assert (
        ask(lab, host="hub.example.org", sec_fetch_site="cross-site", origin="https://a.b").status_code == 403
    )


def test_names_and_origins_come_from_the_policy_or_from_the_environment(app, monkeypatch):
    lab = serve(app, policy=Policy(hosts=["Hub.Example.org"]))
    assert ask(lab, "/page", upgrade=False, host="hub.example.org:8000").status_code == 200
    assert ask(lab, "/page", upgrade=False, host="a.hub.example.org:8000").status_code == 400

    monkeypatch.setenv("LABKIT_HOSTS", "hub.example.org, other.example.org,")
    monkeypatch.setenv("LABKIT_ORIGINS", "vscode.example:80,https://lab.example.org")
    with pytest.raises(LabError, match="'vscode.example:80' is no web origin"):
        serve(app)
    monkeypatch.setenv("LABKIT_ORIGINS", "https://lab.example.org")
    lab = serve(app)
    assert ask(lab, host="other.example.org", origin="https://lab.example.org").status_code == 101


@pytest.mark.parametrize(
    "host", ["*", "*.example.org", "https://hub.example.org", "hub.example.org:80", "", "a b"]
)
def test_a_policy_takes_no_pattern_for_a_host(host):
    with pytest.raises(LabError) as caught:
        Policy(hosts=[host])
    assert str(caught.value) == (
        f"{host!r} is no host name.\n"
        "Expected: a name alone, such as hub.example.org: no scheme, no port, no wildcard."
    )


@pytest.mark.parametrize("origin", ["*", "null", "https://*.example.org", "hub.example.org", "https://a.b/c"])
def test_a_policy_takes_no_pattern_for_an_origin(origin):
    with pytest.raises(LabError) as caught:
        Policy(origins=[origin])
    assert str(caught.value) == (
        f"{origin!r} is no web origin.\n"
        "Expected: scheme, host and maybe a port, such as https://hub.example.org: no path, no wildcard."
    )


def test_a_refusal_is_logged_without_what_is_secret_or_moves_the_cursor(app):
    lab = serve(app)
    ask(lab, "/ws/%1b[2J?token=eyJhbGciOiJIUzI1NiJ9.e30.sig", origin="http://evil.example" + "x" * 500)
    line = lab.logs.wait_for("refused websocket")
    assert line.level == "WARNING"
    assert line.text.startswith(
        r"refused websocket '/ws/\x1b[2J': A page of the origin 'http://evil.examplexxx"
    )
    assert len(line.text) < 400
    assert "eyJ" not in str(lab.logs)
    assert "\x1b" not in str(lab.logs)


def test_addresses_and_origins_are_compared_in_one_form():
    assert Origin.parse("HTTPS://Example.ORG") == Origin.parse("https://example.org:443")
    assert Origin.parse("http://example.org") != Origin.parse("https://example.org")
    assert Address.parse("[2001:DB8:0:0::1]:80") == Address("[2001:db8::1]", 80)
    assert Address.parse("example.org:65536") is None
    assert Address.parse("example.org\n") is None


# -- places ------------------------------------------------------------------------------------------


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[str]:
    """What the guard has done with, one entry for each scope."""
    done: queue.Queue[str] = queue.Queue()

    class Told(Guard):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            try:
                await super().__call__(scope, receive, send)
            finally:
                done.put(scope["type"])

    monkeypatch.setattr(server_module, "Guard", Told)
    return done


def test_one_websocket_too_many_is_refused_and_pages_still_come(app):
    lab = serve(app, policy=Policy(max_connections=2))
    first, second = connect(lab), connect(lab)
    answer = ask(lab)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.text == (
        "This server is full: it has 2 WebSocket connections.\nExpected: fewer than 2.\nTry: again in 5 seconds.\n"
    )
    assert ask(lab, "/page", upgrade=False).status_code == 200
    assert ask(lab, "/_lab/probe").status_code == 101
    first.send("still here")
    assert first.receive() == "Echo: still here"
    second.close()


def test_some_places_are_kept_for_the_instructor(app):
    def is_instructor(scope: Any) -> bool:
        return bool(scope["query_string"] == b"key=42")

    lab = serve(app, policy=Policy(max_connections=3, reserved_connections=2, may_use_reserved=is_instructor))
    held = [connect(lab)]
    answer = ask(lab)
    assert (answer.status_code, "Expected: fewer than 1." in answer.text) == (503, True)
    held += [connect(lab, "/ws?key=42"), connect(lab, "/ws?key=42")]
    answer = ask(lab, "/ws?key=42")
    assert (answer.status_code, "Expected: fewer than 3." in answer.text) == (503, True)
    assert lab.guard.open_connections == 3


def test_a_policy_leaves_a_place_for_everybody():
    with pytest.raises(LabError, match="Of 20 connections, 0 would be for everybody"):
        Policy(max_connections=20, may_use_reserved=lambda scope: True)
    assert Policy(max_connections=20).places == 20


def _close(lab: Lab) -> None:
    connect(lab).close()


def _cut(lab: Lab) -> None:
    connect(lab).abort()


def _let_server_close(lab: Lab) -> None:
    ws = connect(lab)
    ws.send("bye")
    ws.wait_closed()


def _crash(lab: Lab) -> None:
    ws = connect(lab)
    ws.send("crash")
    ws.wait_closed()


def _wrong_path(lab: Lab) -> None:
    assert ask(lab, "/nowhere").status_code == 403


def _refused_by_app(lab: Lab) -> None:
    assert ask(lab, "/refuses").status_code == 401


def _never_accepted(lab: Lab) -> None:
    with socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S) as sock:
        sock.sendall(
            b"GET /hesitates HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert HESITATING.acquire(timeout=PATIENCE_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HESITATING = threading.Semaphore(0)


@pytest.mark.parametrize(
    "end", [_close, _cut, _let_server_close, _crash, _wrong_path, _refused_by_app, _never_accepted]
)
def test_a_place_is_counted_once_and_given_back_whatever_way_it_ends(app, left, end):
    @app.websocket("/refuses")
    async def refuses(ws: WebSocket) -> None:
        from starlette.responses import PlainTextResponse

        await ws.send_denial_response(PlainTextResponse("who are you?", 401))

    @app.websocket("/hesitates")
    async def hesitates(ws: WebSocket) -> None:
        await ws.receive()
        HESITATING.release()
        await ws.receive()

    lab = serve(app, policy=Policy(max_connections=1))
    for _ in range(3):  # a place that is given back twice would be noticed as a negative number
        end(lab)
        assert left.get(timeout=PATIENCE_S) == "websocket"
        assert lab.guard.open_connections == 0


def test_a_stopped_servers_places_are_given_back(app, left):
    lab = serve(app, policy=Policy(max_connections=1))
    connect(lab)
    assert lab.guard.open_connections == 1
    lab.stop()
    assert left.get(timeout=PATIENCE_S) == "websocket"
    assert lab.guard.open_connections == 0


# -- under another server, and through Jupyter ---------------------------------------------------------


def test_a_server_without_denial_responses_refuses_with_a_plain_403():
    """A close before accept: that is what the ASGI specification has without the extension."""
    import asyncio

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"origin", b"https://evil.example")]
    scope = {"type": "websocket", "scheme": "ws", "path": "/", "headers": headers}
    asyncio.run(Guard(_never)(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[int]:
    """Start a Jupyter server without a token and give its port."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG_"))}
    options = ["--no-browser", "--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=", "--allow-root"]
    options += [
        "--ServerApp.allow_remote_access=True",
        "--ServerApp.jpserver_extensions={'jupyter_server_proxy': True}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-m", "jupyter", "server", *options],
        cwd=tmp_path,
        env=environment | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    found: queue.Queue[int] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                found.put(int(match[1]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        port = found.get(timeout=START_TIMEOUT_S)
        until = time.monotonic() + START_TIMEOUT_S
        while not _listens(port):  # it tells its port a little too early
            assert time.monotonic() < until
        yield port
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)
        reader.join(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_pages_and_websockets_get_through_jupyter_server_proxy(app, jupyter):
    """It passes Host, Origin and Sec-Fetch-Site on as the browser sent them: for a browser at each address."""
    lab = serve(app)
    prefix = f"/proxy/{lab.port}"
    for host, origin in (
        (f"127.0.0.1:{jupyter}", f"http://127.0.0.1:{jupyter}"),
        (f"localhost:{jupyter}", f"http://localhost:{jupyter}"),
        (f"192.168.1.20:{jupyter}", f"http://192.168.1.20:{jupyter}"),
        ("hub.example.org", "https://hub.example.org"),
    ):
        page = ask(jupyter, f"{prefix}/page", upgrade=False, host=host, sec_fetch_site="same-origin")
        assert page.text == '"secret"', (host, page.text)
        assert ask(jupyter, f"{prefix}/ws", host=host, origin=origin).status_code == 101
    assert ask(jupyter, f"{prefix}/page", upgrade=False, host="evil.example").status_code == 400
    assert (
        ask(jupyter, f"{prefix}/ws", host="hub.example.org", origin="https://evil.example").status_code == 403
    )
