"""Peers that stall, stop half-way or break the protocol: each gets its answer, and nothing of it is left."""

from __future__ import annotations

import asyncio
import functools
import queue
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import h11
import pytest
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from labkit import connect
from labkit.host import protocol as protocol_module
from labkit.host import server as server_module
from labkit.host.protocol import PunctualHTTP, PunctualTransport, PunctualWebSocket, Timings
from labkit.host.server import Lab
from labkit.host.sockets import listen

QUICK = Timings(request_s=0.5, write_s=0.2, close_s=0.2, linger_s=0.5)
PATIENCE_S = 20.0
PATIENT = replace(QUICK, linger_s=PATIENCE_S)
"""For clients that do stop sending: however long this takes them, they are not cut meanwhile."""
BIG_BYTES = 20_000_000
HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"
)
TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


class App:
    """An app with a door for every way of stalling, and what has happened in its handlers."""

    def __init__(self) -> None:
        self.ended: queue.Queue[str] = queue.Queue()
        self.go_on = threading.Event()
        self.asgi = FastAPI()
        self.asgi.websocket("/echo")(self.echo)
        self.asgi.websocket("/flood")(self.flood)
        self.asgi.websocket("/close")(self.close)
        self.asgi.get("/big")(self.big)
        self.asgi.post("/late-reader")(self.late_reader)
        self.asgi.post("/reader")(self.reader)

    async def echo(self, ws: WebSocket) -> None:
        await ws.accept()
        try:
            async for text in ws.iter_text():
                await ws.send_text(f"{len(text)} characters")
        except WebSocketDisconnect:
            pass
        finally:
            self.ended.put("echo")

    async def flood(self, ws: WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_text("x" * 60_000)
        except WebSocketDisconnect:
            self.ended.put("flood")

    async def close(self, ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4000, "come back")
        self.ended.put("close")

    async def big(self) -> str:
        return "x" * BIG_BYTES

    async def late_reader(self, request: Request) -> int:
        await asyncio.to_thread(self.go_on.wait, PATIENCE_S)
        return len(await request.body())

    async def reader(self, request: Request) -> int:
        return len(await request.body())


class Served:
    """A running server whose connections tell when they are lost."""

    def __init__(self, lab: Lab, app: App, lost: queue.Queue[Any], timed_out: threading.Event) -> None:
        self.lab, self.app, self.lost, self.timed_out = lab, app, lost, timed_out

    def dial(self, first: bytes = b"", *, receive_buffer_bytes: int | None = None) -> socket.socket:
        sock = socket.socket()
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        sock.settimeout(PATIENCE_S)
        sock.connect(("127.0.0.1", self.lab.port))
        sock.sendall(first)
        return sock

    def websocket(self, path: bytes = b"/echo", **options: Any) -> socket.socket:
        sock = self.dial(HANDSHAKE % (path, b""), **options)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        return sock

    def wait_lost(self) -> Any:
        return self.lost.get(timeout=PATIENCE_S)

    def assert_nothing_left(self) -> None:
        state = self.lab._server.server_state
        assert not state.connections
        assert self.lab.guard.open_connections == 0


@pytest.fixture
def serve_watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    """Start a server for `App`, with our protocols or uvicorn's own, that reports lost connections."""
    labs: list[Lab] = []
    apps: list[App] = []

    def start(*, stock: bool = False, timings: Timings = QUICK, ping_s: float = 20.0) -> Served:
        lost: queue.Queue[Any] = queue.Queue()
        timed_out = threading.Event()
        ws_base = WebSocketsSansIOProtocol if stock else PunctualWebSocket
        http_base = H11Protocol if stock else PunctualHTTP

        class WatchedWebSocket(ws_base):  # type: ignore[valid-type,misc]
            received_bytes = 0

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                self.received_bytes += len(data)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                lost.put(self)

            def keepalive_timeout(self) -> None:
                super().keepalive_timeout()
                timed_out.set()

        class WatchedHTTP(http_base):  # type: ignore[valid-type,misc]
            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                lost.put(self)

        def options(given: Timings) -> dict[str, Any]:
            more = {} if stock else {"timings": given}
            return {
                "http": functools.partial(WatchedHTTP, **more),
                "ws": functools.partial(WatchedWebSocket, **more),
            }

        monkeypatch.setattr(server_module, "protocol_options", options)
        app = App()
        lab = Lab(
            app.asgi,
            name="watched",
            sock=listen(0),
            timings=timings,
            ping_interval_s=ping_s,
            ping_timeout_s=ping_s,
        )
        labs.append(lab)
        apps.append(app)
        lab.start()
        return Served(lab, app, lost, timed_out)

    yield start
    for app in apps:
        app.go_on.set()
    for lab in labs:
        lab.stop()


def frame(
    opcode: int, data: bytes = b"", *, fin: bool = True, mask: bool = True, rsv: int = 0, length: int = -1
) -> bytes:
    """Return one frame of RFC 6455 section 5.2, with a mask of zeroes; `length` may lie."""
    length = len(data) if length < 0 else length
    first, masked = (0x80 if fin else 0) | rsv << 4 | opcode, 0x80 if mask else 0
    if length < 126:
        head = struct.pack("!BB", first, masked | length)
    elif length < 65_536:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    return head + (bytes(4) if mask else b"") + data


def read_all(sock: socket.socket) -> bytes:
    """Return everything until the server's end of stream; a reset is an error."""
    parts = []
    while part := sock.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def closed_with(data: bytes) -> tuple[int, str]:
    """Return code and reason of the close frame that the data is."""
    assert data[0] == 0x80 | CLOSE, data
    assert data[1] == len(data) - 2, data
    return struct.unpack("!H", data[2:4])[0], data[4:].decode()


# -- what the classes rely on ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "ours", "overridden"),
    [
        (
            WebSocketsSansIOProtocol,
            PunctualWebSocket,
            "connection_made connection_lost data_received pause_writing resume_writing keepalive_timeout "
            "handle_parser_exception handle_ping handle_cont send_receive_event_to_app run_asgi",
        ),
        (
            H11Protocol,
            PunctualHTTP,
            "connection_made connection_lost data_received pause_writing resume_writing "
            "handle_websocket_upgrade",
        ),
    ],
)
def test_uvicorn_still_has_what_the_protocols_override(base, ours, overridden):
    """uvicorn promises none of it. If this fails, read its release notes and then labkit/host/protocol.py."""
    inherited = {
        name for name in vars(ours) if not name.startswith("_") and callable(getattr(base, name, None))
    }
    missing = sorted(set(overridden.split()) - inherited)
    assert not missing, f"uvicorn's {base.__name__} has lost {missing}"
    assert sorted(inherited) == sorted(overridden.split()), "this list is out of date"


def test_uvicorn_still_has_what_the_protocols_use(serve_watched):
    """As above."""
    served = serve_watched()
    sock = served.websocket()
    (protocol,) = served.lab._server.server_state.connections
    used = [
        "conn",
        "transport",
        "writable",
        "frames",
        "read_paused",
        "disconnected",
        "loop",
        "stop_keepalive",
    ]
    used += [
        "close_sent",
        "close_timeout",
        "app",
        "initial_response",
        "close_timer",
        "handshake_initiated",
        "handshake_complete",
        "curr_msg_data_type",
        "logger",
    ]
    missing = [name for name in used if not hasattr(protocol, name)]
    missing += [
        name for name in ("handshake_exc", "close_rcvd", "data_to_send") if not hasattr(protocol.conn, name)
    ]
    assert not missing, f"uvicorn's WebSocketsSansIOProtocol has lost the attributes {missing}"
    assert isinstance(protocol.transport, PunctualTransport)
    sock.close()

    plain = served.dial(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
    plain.recv(1)
    (protocol,) = [each for each in served.lab._server.server_state.connections if hasattr(each, "flow")]
    missing = [name for name in ("conn", "flow", "cycle", "transport") if not hasattr(protocol, name)]
    missing += [name for name in ("read_paused",) if not hasattr(protocol.flow, name)]
    missing += [name for name in ("waiting_for_100_continue",) if not hasattr(protocol.cycle, name)]
    assert not missing, f"uvicorn's H11Protocol has lost the attributes {missing}"
    assert isinstance(protocol.conn, h11.Connection)
    plain.close()


# -- peers that stop reading -------------------------------------------------------------------------


def test_a_peer_that_stopped_reading_is_freed_by_the_ping_timeout(serve_watched):
    served = serve_watched(ping_s=0.6, timings=Timings())  # by that alone, not by another deadline
    with served.websocket(b"/flood", receive_buffer_bytes=4096):
        neighbour = connect(served.lab, "/echo")
        protocol = served.wait_lost()
        assert served.app.ended.get(timeout=PATIENCE_S) == "flood"
        assert protocol.conn.close_sent.code == 1011
        neighbour.send("still here")
        assert neighbour.receive() == "10 characters"
        neighbour.close()
    served.wait_lost()
    served.assert_nothing_left()


@pytest.mark.slow
def test_uvicorns_own_protocol_keeps_a_peer_that_stopped_reading(serve_watched):
    """The control: its ping timeout only asks for a close, which waits for the flush. If this fails, rejoice."""
    served = serve_watched(stock=True, ping_s=0.1)
    with served.websocket(b"/flood", receive_buffer_bytes=4096):
        assert served.timed_out.wait(PATIENCE_S), "the ping timeout has struck"
        with pytest.raises(queue.Empty):
            served.lost.get(timeout=1.0)
        assert served.app.ended.empty(), "the handler still waits in send()"
        assert served.lab.guard.open_connections == 1


def test_a_peer_that_sends_a_close_frame_but_reads_nothing_is_freed(serve_watched):
    served = serve_watched()
    with served.websocket(b"/flood", receive_buffer_bytes=4096) as sock:
        (protocol,) = served.lab._server.server_state.connections
        wait_on_loop(served.lab, lambda: not protocol.writable.is_set())
        sock.sendall(frame(CLOSE, struct.pack("!H", 1000)))
        assert served.wait_lost() is protocol
        assert served.app.ended.get(timeout=PATIENCE_S) == "flood"
    served.assert_nothing_left()


def test_pings_of_a_peer_that_does_not_read_are_not_answered_into_memory(serve_watched):
    served = serve_watched(ping_s=2.5)  # in that time it has taken in all of them
    pings = frame(PING, b"p" * 125) * 1000
    with served.websocket(b"/flood", receive_buffer_bytes=4096) as sock:
        (protocol,) = served.lab._server.server_state.connections
        wait_on_loop(served.lab, lambda: not protocol.writable.is_set())
        before, until = protocol.transport.get_write_buffer_size(), protocol.received_bytes + 20 * len(pings)
        for _ in range(20):
            sock.sendall(pings)
        wait_on_loop(served.lab, lambda: protocol.received_bytes >= until)
        assert protocol.transport.get_write_buffer_size() - before < 1000
        assert served.wait_lost() is protocol
    served.app.ended.get(timeout=PATIENCE_S)
    served.assert_nothing_left()


def test_a_client_that_does_not_read_a_page_is_freed(serve_watched):
    served = serve_watched()
    with served.dial(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n", receive_buffer_bytes=4096):
        assert isinstance(served.wait_lost(), PunctualHTTP)
    served.assert_nothing_left()


def test_a_client_that_reads_slowly_gets_its_whole_page(serve_watched, monkeypatch):
    """The deadline is for reading something, not for reading it all."""
    waiting = threading.Semaphore(0)
    set_deadline = protocol_module._FlushDeadline.set

    def set_and_tell(deadline: protocol_module._FlushDeadline, delay_s: float) -> None:
        set_deadline(deadline, delay_s)
        waiting.release()

    monkeypatch.setattr(protocol_module._FlushDeadline, "set", set_and_tell)
    served = serve_watched(timings=Timings(write_s=1.0, close_s=1.0))
    request = b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with served.dial(request, receive_buffer_bytes=65_536) as sock:
        got = 0
        for _ in range(3):  # two deadlines are set at once, so the third round comes after they have struck
            assert waiting.acquire(timeout=PATIENCE_S)
            enough = got + 3_000_000
            while got < enough:
                part = sock.recv(65_536)
                assert part, f"cut after {got} bytes"
                got += len(part)
        got += len(read_all(sock))
    assert got > BIG_BYTES


# -- peers that do not finish ------------------------------------------------------------------------


def test_half_a_frame_and_then_silence_ends_with_the_ping_timeout(serve_watched):
    served = serve_watched(ping_s=0.1)
    with served.websocket() as sock:
        sock.sendall(frame(TEXT, b"abc", length=10))
        ping, close = (data := read_all(sock))[:6], data[6:]
        assert ping[:2] == bytes([0x80 | PING, 4])
        assert closed_with(close) == (1011, "keepalive ping timeout")
        assert served.app.ended.get(timeout=PATIENCE_S) == "echo"
    served.assert_nothing_left()


def test_a_peer_that_never_answers_a_close_frame_is_freed(serve_watched):
    served = serve_watched()
    with served.websocket(b"/close") as sock:
        assert closed_with(read_all(sock)) == (4000, "come back")
        assert served.app.ended.get(timeout=PATIENCE_S) == "close"
        served.wait_lost()
    served.assert_nothing_left()


@pytest.mark.parametrize(
    ("half", "answer"),
    [
        (b"", b""),
        (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso", b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"POST /reader HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf", b""),
        (b"POST /reader HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", b""),
    ],
    ids=["nothing at all", "half a head", "half a body", "half a chunk"],
)
def test_a_request_that_does_not_end_is_dropped(serve_watched, half, answer):
    served = serve_watched()
    with served.dial(half) as sock:
        assert read_all(sock)[: len(answer) or None] == answer
    served.wait_lost()
    wait_on_loop(served.lab, lambda: not served.lab._server.server_state.tasks)
    served.assert_nothing_left()


@pytest.mark.slow
def test_uvicorns_own_protocol_keeps_half_a_request(serve_watched):
    """The control."""
    served = serve_watched(stock=True)
    with served.dial(b"GET /echo HTTP/1.1\r\nHost: loc"), pytest.raises(queue.Empty):
        served.lost.get(timeout=1.0)


def test_a_head_that_drips_in_does_not_gain_time(serve_watched):
    served = serve_watched()
    started = time.monotonic()
    with served.dial(b"GET / HTTP/1.1\r\nX: ") as sock:
        while not select.select([sock], [], [], 0.02)[0]:
            with suppress(OSError):
                sock.sendall(b"a")
        assert sock.recv(65_536).startswith(b"HTTP/1.1 408 ")
        with suppress(
            ConnectionResetError
        ):  # by an "a" that came between the server's last look and its close
            assert sock.recv(65_536) == b""
    assert time.monotonic() - started < PATIENCE_S


def test_half_of_a_second_request_is_dropped_too(serve_watched):
    served = serve_watched()
    with served.dial(b"POST /reader HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok") as sock:
        assert sock.recv(9) == b"HTTP/1.1 "
        sock.sendall(b"GET / HTT")
        assert read_all(sock).endswith(
            b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )


def test_a_body_that_the_app_does_not_read_yet_is_not_the_clients_fault(serve_watched):
    served = serve_watched(timings=Timings(request_s=0.5))
    body = b"x" * 2_000_000
    head = b"POST /late-reader HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with served.dial() as sock:
        sender = threading.Thread(target=sock.sendall, args=(head % len(body) + body,))
        sender.start()
        with pytest.raises(queue.Empty):
            served.lost.get(timeout=1.5)
        served.app.go_on.set()
        sender.join(PATIENCE_S)
        assert read_all(sock).endswith(b"2000000")


def test_a_websocket_outlives_the_deadline_of_its_handshake(serve_watched):
    served = serve_watched(timings=Timings(request_s=0.8))
    ws = connect(served.lab, "/echo")
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        ws.ping()
    ws.send("hello")
    assert ws.receive() == "5 characters"
    assert not served.lab.logs.errors


# -- peers that break the protocol -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (frame(3, b"x"), 1002, "invalid opcode"),
        (frame(11, b"x"), 1002, "invalid opcode"),
        (frame(TEXT, b"x", mask=False), 1002, "incorrect masking"),
        (frame(TEXT, b"x", rsv=4), 1002, "reserved bits must be 0"),
        (frame(TEXT, b"x", rsv=1), 1002, "reserved bits must be 0"),
        (frame(PING, b"x" * 126), 1002, "control frame too long"),
        (frame(PING, b"x", fin=False), 1002, "fragmented control frame"),
        (frame(CONTINUATION, b"x"), 1002, "unexpected continuation frame"),
        (frame(CLOSE, b"x"), 1002, "close frame too short"),
        (frame(CLOSE, struct.pack("!H", 1005)), 1002, "invalid status code"),
        (frame(TEXT, b"\xff"), 1007, ""),
        (frame(TEXT, b"x" * 65_537), 1009, "frame with 65537 bytes exceeds limit of 65536 bytes"),
        (frame(BINARY, b"", length=2**62), 1009, f"frame with {2**62} bytes exceeds limit of 65536 bytes"),
        (
            frame(TEXT, b"x" * 65_536, fin=False) + frame(CONTINUATION, b"x"),
            1009,
            "frame with 1 bytes after reading 65536 bytes exceeds limit of 65536 bytes",
        ),
        (
            frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"x", fin=False) * 65_536,
            1009,
            "frame with 1 bytes after reading 65536 bytes exceeds limit of 65536 bytes",
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str | int) else "",
)
def test_a_violation_is_closed_with_its_code_and_nobody_else_notices(serve_watched, sent, code, reason):
    served = serve_watched(timings=PATIENT)
    neighbour = connect(served.lab, "/echo")
    with served.websocket() as sock:
        sock.sendall(sent)
        assert closed_with(read_all(sock)) == (code, reason)
        assert served.app.ended.get(timeout=PATIENCE_S) == "echo"
    served.wait_lost()
    neighbour.send("still here")
    assert neighbour.receive() == "10 characters"
    neighbour.close()
    served.wait_lost()
    served.assert_nothing_left()


def test_who_sends_on_and_on_still_reads_why_it_was_closed(serve_watched):
    """Without the half-close the kernel answers the rest with a reset, and a browser reports 1006."""
    served = serve_watched(timings=PATIENT)
    with served.websocket() as sock:
        sock.sendall(frame(BINARY, b"x" * 8_000_000))
        assert closed_with(read_all(sock))[0] == 1009
    served.wait_lost()
    served.assert_nothing_left()


@pytest.mark.slow
def test_uvicorns_own_protocol_resets_who_sends_on_and_on(serve_watched):
    """The control."""
    served = serve_watched(stock=True)
    with served.websocket() as sock, pytest.raises((ConnectionResetError, BrokenPipeError)):
        sock.sendall(frame(BINARY, b"x" * 8_000_000) * 2)


def test_who_never_stops_sending_is_dropped_at_the_deadline(serve_watched):
    served = serve_watched()
    with served.websocket() as sock:
        sock.sendall(frame(3, b"x"))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_until_refused(sock)
    served.wait_lost()
    served.assert_nothing_left()


def test_ten_thousand_fragments_of_one_byte_are_one_message(serve_watched):
    served = serve_watched()
    fragments = [frame(CONTINUATION, b"x", fin=False)] * 9_998
    with served.websocket() as sock:
        sock.sendall(frame(TEXT, b"x", fin=False) + b"".join(fragments) + frame(CONTINUATION, b"x"))
        assert sock.recv(100) == b"\x81\x10" + b"10000 characters"


def test_fragments_are_kept_in_few_pieces_however_many_they_are(serve_watched):
    served = serve_watched()
    with served.websocket() as sock:
        (protocol,) = served.lab._server.server_state.connections
        sock.sendall(frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"x", fin=False) * 1000)
        sock.sendall(frame(CONTINUATION, fin=False) * 50_000 + frame(PING))
        assert sock.recv(2) == b"\x8a\x00"
        assert sum(map(len, protocol.frames)) == 1001
        assert len(protocol.frames) <= 64
        sock.sendall(frame(CONTINUATION))
        assert sock.recv(100) == b"\x81\x0f" + b"1001 characters"


@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (
            HANDSHAKE.replace(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", b"") % (b"/echo", b""),
            400,
            b"Failed to open a WebSocket connection: missing Sec-WebSocket-Key header.\n",
        ),
        (
            HANDSHAKE.replace(b"AAAAAAAAAAAAAAAAAAAAAA==", b"AAAA") % (b"/echo", b""),
            400,
            b"Failed to open a WebSocket connection: invalid Sec-WebSocket-Key header: AAAA.\n",
        ),
        (
            HANDSHAKE.replace(b"13", b"12") % (b"/echo", b""),
            400,
            b"Failed to open a WebSocket connection: invalid Sec-WebSocket-Version header: 12.\n",
        ),
        (HANDSHAKE % (b"/" + b"a" * 10_000, b""), 414, None),
        (HANDSHAKE % (b"/echo", b"X: " + b"a" * 10_000 + b"\r\n"), 431, None),
        (HANDSHAKE % (b"/echo", b"Content-Length: 5\r\n") + b"hello", 400, b""),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n", 400, None),
    ],
    ids=["no key", "short key", "version 12", "long path", "long header", "a body", "TLS to a plain port"],
)
def test_a_handshake_that_is_none_is_answered_with_a_status(serve_watched, request_bytes, status, body):
    served = serve_watched()
    with served.dial(request_bytes) as sock:
        head, _, told = read_all(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert told == body if body is not None else True
    served.wait_lost()
    served.assert_nothing_left()
    assert not served.lab.logs.errors


def send_until_refused(sock: socket.socket) -> None:
    """Send for as long as the other side takes it."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        sock.sendall(b"x" * 65_536)


def wait_on_loop(lab: Lab, condition: Callable[[], bool]) -> None:
    """Wait, on the server's own loop, until a condition holds: each turn of the loop is an event."""

    async def wait() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0)

    asyncio.run_coroutine_threadsafe(wait(), lab._loop).result(PATIENCE_S + 1)
