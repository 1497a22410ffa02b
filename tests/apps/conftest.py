"""Clients: of bare bytes, for peers that stall or say half a thing; and artists, who hold a drawing board."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from labkit import connect
from labkit.apps.messages.drawing import DRAW_PROTOCOL
from labkit.board.replica import Replica
from labkit.host import Connection, Lab
from labkit.hub import Hub

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class RawClient:
    """A TCP connection that has made its handshake, and does nothing by itself from then on."""

    def __init__(self, lab: Lab, path: str, *, receive_buffer_bytes: int | None = None) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(20)
        if receive_buffer_bytes is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.sock.connect(("127.0.0.1", lab.port))
        self.sock.sendall(HANDSHAKE.format(path=path, port=lab.port).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):  # byte by byte: what follows stays unread
            head += self.sock.recv(1)
        self.status = int(head.split()[1])

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def read_to_the_end(self) -> bytes:
        """Return all that comes until the server hangs up."""
        data = b""
        try:
            while chunk := self.sock.recv(65536):
                data += chunk
        except ConnectionResetError:
            pass
        return data


@pytest.fixture
def raw() -> Iterator[Callable[..., RawClient]]:
    """Return raw(lab, path, receive_buffer_bytes=None), which opens a `RawClient`."""
    clients: list[RawClient] = []

    def open_raw(lab: Lab, path: str, **options: int) -> RawClient:
        clients.append(RawClient(lab, path, **options))
        return clients[-1]

    yield open_raw
    for client in clients:
        client.sock.close()


@pytest.fixture
def stop_the_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], None]:
    """Return stop_the_clock(app_module): for the apps that it makes then, no time passes and no token comes back."""
    return lambda module: monkeypatch.setattr(module, "Hub", partial(Hub, clock=lambda: 1_000.0))


class ArtistClient:
    """A client of the drawing app that holds what the server told it, and nothing else."""

    def __init__(self, ws: Connection, replica: Replica) -> None:
        self.ws = ws
        self.board = replica
        self.got: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        """Send a message as JSON, in ASCII: lone surrogates too."""
        self.ws.send(json.dumps(message))

    def take(self) -> dict[str, Any]:
        """Receive one message and apply it."""
        message = self.ws.receive_json(timeout_s=10)
        self.got.append(message)
        self.board.take(message)
        return message

    def until(self, holds: Callable[[Replica], object]) -> Any:
        """Receive until something holds of the board, and return what holds."""
        while not (found := holds(self.board)):
            self.take()
        return found

    def await_type(self, kind: str) -> dict[str, Any]:
        """Receive until a message of a type comes, and return it."""
        while (message := self.take())["type"] != kind:
            pass
        return message

    def draw(self, item_id: str, points: Any = ((1, 2), (3.5, -4)), **fields: Any) -> str:
        """Send a whole stroke."""
        stroke = {"type": "draw", "id": item_id, "tool": "pen", "points": [*map(list, points)], "width": 3}
        self.send(stroke | fields)
        return item_id


def fence(*clients: ArtistClient) -> None:
    """Have the first draw something, and everyone wait until they hold it: what was said before has come."""
    item_id = f"fence {secrets.token_hex(4)}"
    for client in clients:  # when the answer to this comes, all that this client asked for is done
        client.send({"type": "draw", "id": item_id})
        while client.await_type("error").get("id") != item_id:
            pass
        client.got.pop()
    clients[0].draw(item_id)
    for client in clients:
        client.until(lambda board: item_id in board.items)
    clients[0].send({"type": "undo"})
    for client in clients:
        client.until(lambda board: item_id not in board.items)


@pytest.fixture
def artist() -> Callable[..., ArtistClient]:
    """Return artist(lab, name="", board="", v2=False, hello=None), which connects and receives the board."""

    def come(
        lab: Lab, name: str = "", *, board: str = "", v2: bool = False, back: Replica | None = None
    ) -> ArtistClient:
        path = f"/ws/draw/{board}" if board else "/ws/draw"
        if not v2:
            client = ArtistClient(connect(lab, f"{path}?name={name}" if name else path), Replica())
            client.until(lambda board: board.artist_id)
            return client
        client = ArtistClient(connect(lab, path, subprotocols=[DRAW_PROTOCOL]), back or Replica())
        client.send(client.board.hello | {"name": name} if back else {"type": "hello", "name": name})
        client.until(lambda board: client.got and not board.parts)
        return client

    return come


@pytest.fixture
def agree() -> Callable[..., list[str]]:
    """Return agree(lab, *clients), which has all receive all there is, and compares them with newcomers."""

    def check(lab: Lab, *clients: ArtistClient) -> list[str]:
        fence(*clients)
        newcomers = [ArtistClient(connect(lab, "/ws/draw"), Replica())]
        newcomers.append(ArtistClient(connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL]), Replica()))
        newcomers[1].send({"type": "hello"})
        newcomers[1].await_type("welcome")
        for newcomer in newcomers:
            newcomer.until(lambda board: board.artist_id and not board.parts)
        boards = [[strip(c.board.items[i]) for i in c.board.ids] for c in (*clients, *newcomers)]
        assert all(board == boards[0] for board in boards)
        for newcomer in newcomers:
            newcomer.ws.close()
        return clients[0].board.ids

    return check


def strip(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("seq", "type")}
