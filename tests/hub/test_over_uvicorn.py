"""The hub behind a real server: what a real client sees of it. The adapters here are the reference ones."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import threading
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from labkit.hub import Hub, Limits, Position

DEADLINE_S = 10.0


class AsgiTransport:
    """The portable one: the server's own `send`."""

    def __init__(self, send) -> None:
        self._send = send

    def send(self, data):
        kind = "bytes" if isinstance(data, bytes) else "text"
        return self._send({"type": "websocket.send", kind: data})

    async def close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})


class UvicornTransport(AsgiTransport):
    """The fast one: a write that need not wait goes to uvicorn's transport, as a frame made once for all."""

    frames: dict[str | bytes, bytes] = {}  # noqa: RUF012

    def __init__(self, send) -> None:
        super().__init__(send)
        self._protocol = send.__self__

    def send_now(self, data) -> bool:
        protocol = self._protocol
        if protocol.close_sent or protocol.disconnected or not protocol.writable.is_set():
            return False
        if data not in self.frames:
            self.frames.clear()
            opcode = Opcode.BINARY if isinstance(data, bytes) else Opcode.TEXT
            payload = data if isinstance(data, bytes) else data.encode()
            self.frames[data] = Frame(opcode, payload).serialize(mask=False)
        protocol.transport.write(self.frames[data])
        return True


class Server:
    """uvicorn on a thread of its own; `call` runs something on its loop."""

    def __init__(self, transport_type, **options) -> None:
        self.hub = Hub(**options)
        self.transport_type = transport_type
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        self.port = self.socket.getsockname()[1]
        self.server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                loop="asyncio",
                interface="asgi3",
                lifespan="off",
                log_config=None,  # the default would change the loggers of every server after this one
                timeout_graceful_shutdown=2,
            )
        )
        self.started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self.thread.start()
        assert self.started.wait(DEADLINE_S)

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.started.set()
        await self.server.serve(sockets=[self.socket])

    async def app(self, scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        query = dict(part.split("=") for part in scope["query_string"].decode().split("&") if part)
        user = scope["path"].rpartition("/")[2]
        async with self.hub.connect(self.transport_type(send), user=user) as connection:
            since = Position.parse(query.get("since"), query.get("epoch"))
            await connection.join(
                "room", since=since, welcome=lambda joined: {"type": "welcome", **joined.resume}
            )
            while (event := await receive())["type"] == "websocket.receive":
                text = event.get("text") or ""
                if not connection.heard(len(text.encode())):
                    continue
                if text == "crash":
                    raise ZeroDivisionError
                connection.publish("room", {"user": user, "text": text})
            connection.gone(event["code"])

    def connect(self, user: str, query: str = "") -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/{user}?{query}", compression=None)

    def call(self, function: Callable[[], Awaitable]):
        async def run():
            return await function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(DEADLINE_S)

    def stop(self) -> None:
        self.call(self.hub.close)
        self.server.should_exit = True
        self.thread.join(DEADLINE_S)
        self.socket.close()
        assert not self.thread.is_alive()


@pytest.fixture(params=[AsgiTransport, UvicornTransport])
def serve(request):
    servers = []

    def serve(**options) -> Server:
        servers.append(Server(request.param, **options))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


def receive(client: ClientConnection) -> dict:
    return json.loads(client.recv(timeout=DEADLINE_S))


def closing(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed):  # noqa: PT012  # it may first get what was sent before
        while True:
            client.recv(timeout=DEADLINE_S)
    return client.close_code, client.close_reason


def test_two_real_clients_talk(serve):
    server = serve()
    with server.connect("ada") as ada, server.connect("ben") as ben:
        assert [receive(client)["recovered"] for client in (ada, ben)] == [None, None]
        for n in range(20):
            (ada if n % 2 else ben).send(f"{n} 💬")
            expected = {"seq": n + 1, "user": "ada" if n % 2 else "ben", "text": f"{n} 💬"}
            assert receive(ada) == receive(ben) == expected


def test_a_client_that_was_cut_off_catches_up(serve):
    server = serve()
    with server.connect("ben") as ben:
        receive(ben)
        with server.connect("ada") as ada:
            position = receive(ada)
            ben.send("0")
            last = receive(ada)
            ada.socket.shutdown(socket.SHUT_RDWR)
        for n in range(1, 4):
            ben.send(str(n))
        for _ in range(4):
            receive(ben)
        with server.connect("ada", f"since={last['seq']}&epoch={position['epoch']}") as ada:
            welcome = receive(ada)
            assert (welcome["recovered"], welcome["missed"]) == (True, 3)
            assert [receive(ada)["text"] for _ in range(3)] == ["1", "2", "3"]


def test_draining_says_1012_and_why(serve):
    server = serve()
    with server.connect("ada") as ada, server.connect("ben") as ben:
        receive(ada), receive(ben)

        async def drain():
            server.hub.publish("room", {"text": "last words"})
            await server.hub.drain("a new version")

        server.call(drain)
        assert receive(ada)["text"] == "last words"
        assert closing(ada) == closing(ben) == (1012, "a new version")


def test_a_handler_that_fails_says_1011_and_a_kick_4504(serve):
    server = serve()
    with server.connect("ada") as ada, server.connect("ben") as ben:
        receive(ada), receive(ben)

        async def kick():
            server.hub.controls("room").kick("ben")

        ada.send("crash")
        assert closing(ada) == (1011, "internal error")
        server.call(kick)
        assert closing(ben) == (4504, "the host has removed you")


def test_a_client_that_never_reads_delays_nobody_and_is_let_go(serve):
    server = serve(limits=Limits(outbox_max_bytes=200_000, write_timeout_s=1.5, presence_grace_s=0.0))
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    stalled.connect(("127.0.0.1", server.port))
    key = base64.b64encode(os.urandom(16)).decode()
    stalled.sendall(
        f"GET /slow HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    with stalled, server.connect("ada") as ada:
        receive(ada)

        async def users():
            return server.hub.users("room")

        async def publish(n):
            server.hub.publish("room", {"n": n, "text": "x" * 10_000})
            waiting = server.hub.stats().outbox_bytes
            assert waiting <= 2 * 200_000
            return waiting

        while server.call(users) != ["ada", "slow"]:
            pass
        for n in range(60):
            server.call(lambda n=n: publish(n))
            assert receive(ada)["n"] == n

        async def stats():
            return server.hub.stats()

        while server.call(stats).connections > 1:
            pass
        assert server.call(stats).closed == {4408: 1}
        assert server.call(users) == ["ada"]
