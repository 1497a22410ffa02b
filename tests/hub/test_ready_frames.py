"""Frames made once and written past the server's own `send`: on the wire nothing may be different."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from labkit import serve
from labkit.apps.socket_transport import SocketTransport
from labkit.host.protocol import protocol_options
from labkit.host.ready_frames import FRAMES_MAX, FRAMES_MAX_BYTES, SEND_NOW, ReadyFrames

DEADLINE_S = 10.0
BIG = "ü" * 40_000


class App:
    """Runs a scenario with each connection's transport, and keeps what came of it."""

    def __init__(self, scenario: Callable[[WebSocket, SocketTransport], Any]) -> None:
        self.outcome: Any = None
        self.done = threading.Event()
        self.asgi = FastAPI()

        @self.asgi.websocket("/ws")
        async def endpoint(ws: WebSocket) -> None:
            await ws.accept()
            try:
                self.outcome = await scenario(ws, SocketTransport(ws))
            finally:
                self.done.set()

    def finished(self) -> Any:
        assert self.done.wait(DEADLINE_S)
        return self.outcome


@contextmanager
def served(scenario: Callable[[WebSocket, SocketTransport], Any]) -> Iterator[tuple[App, int]]:
    app = App(scenario)
    with serve(app.asgi) as lab:
        yield app, lab.port


def test_every_message_arrives_as_it_is_and_in_order():
    messages = ["", "a", "ü💬", "x" * 125, "x" * 126, BIG, b"", b"\x00\xff", b"b" * 70_000]

    async def scenario(ws, transport):
        for message in messages:
            assert transport.send_now is not None
            if not transport.send_now(message):
                await transport.send(message)
            await transport.send("by the server's own send")
        await transport.close(1000, "")

    with served(scenario) as (app, port), connect(f"ws://127.0.0.1:{port}/ws", max_size=None) as client:
        got = []
        with pytest.raises(ConnectionClosed):  # noqa: PT012  # all of it, then the close
            while True:
                got.append(client.recv(timeout=DEADLINE_S))
        app.finished()
    assert got == [part for message in messages for part in (message, "by the server's own send")]


def test_a_peer_that_does_not_read_is_left_to_send():
    async def scenario(ws, transport):
        written = 0
        while transport.send_now(BIG):
            written += 1
            assert written < 1_000
        return written

    with served(scenario) as (app, port), socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert app.finished() > 0


def test_after_a_close_frame_nothing_is_written():
    async def scenario(ws, transport):
        await transport.close(4000, "bye")
        return transport.send_now("too late")

    with served(scenario) as (app, port), connect(f"ws://127.0.0.1:{port}/ws") as client:
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=DEADLINE_S)
        assert client.close_code == 4000
        assert app.finished() is False


def test_a_peer_that_was_cut_off_is_an_error_and_no_grumbling_in_the_log():
    async def scenario(ws, transport):
        assert (await ws.receive())["type"] == "websocket.disconnect"
        errors = []
        for _ in range(20):
            try:
                transport.send_now("anybody there?")
            except OSError as error:
                errors.append(type(error).__name__)
        return errors

    app = App(scenario)
    with serve(app.asgi) as lab:
        client = connect(f"ws://127.0.0.1:{lab.port}/ws")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.shutdown(socket.SHUT_RDWR)
        client.close_socket()
        assert app.finished() == ["ClientDisconnected"] * 20
        assert not [line for line in lab.logs if "socket.send()" in line.text]


@pytest.mark.parametrize(("deflate", "offered"), [(True, False), (False, True)])
def test_it_is_not_offered_where_messages_are_compressed(deflate, offered):
    async def scenario(ws, transport):
        return SEND_NOW in ws.scope["extensions"]

    app = App(scenario)
    config = uvicorn.Config(
        app.asgi, ws_per_message_deflate=deflate, lifespan="off", log_config=None, **protocol_options()
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
        thread.start()
        with connect(f"ws://127.0.0.1:{sock.getsockname()[1]}/ws", open_timeout=DEADLINE_S):
            assert app.finished() is offered
        server.should_exit = True
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_a_frame_is_made_once_and_few_are_kept():
    frames = ReadyFrames()

    def frame(data: str | bytes) -> bytes:
        return frames.find(data) or frames.make(data)

    text = "hello"
    assert frame(text) == Frame(Opcode.TEXT, b"hello").serialize(mask=False)
    assert frame(text) is frame("".join(["hel", "lo"]))
    assert frame(b"hello") == Frame(Opcode.BINARY, b"hello").serialize(mask=False)
    for n in range(200):
        frame(f"{n}" * 20_000)
        assert len(frames._frames) <= FRAMES_MAX
        kept = sum(map(len, frames._frames.values()))
        assert kept <= FRAMES_MAX_BYTES or len(frames._frames) == 1
