"""Servers of three implementations, and a conversation written down by hand, for what is awkward on a real wire."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as library_serve
from websockets.exceptions import ConnectionClosed

from labkit import serve
from labkit.host import Lab
from labkit.host.sockets import listen
from labkit.wire import AsgiEvent, Conversation, Ending, Frame, Handshake, HttpRequest, HttpResponse
from labkit.wire.handshake import accept_for
from labkit.wire.masking import mask
from labkit.wire.wire import Wire

START_TIMEOUT_S = 10.0
MESSAGE_MAX_BYTES = 64 * 1024


def echo_app() -> FastAPI:
    """An echo of text and bytes with a few doors: "bye" closes with 4001, "crash" raises, "gone" returns."""
    app = FastAPI(title="wire echo")

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await ws.receive()
                if message["type"] == "websocket.disconnect" or message.get("text") == "gone":
                    return
                if message.get("text") == "bye":
                    await ws.close(4001, "as you wish")
                    return
                if message.get("text") == "crash":
                    raise ValueError("the handler broke")
                if message.get("text") is not None:
                    await ws.send_text(message["text"])
                else:
                    await ws.send_bytes(message["bytes"])

    @app.websocket("/flood")
    async def flood(ws: WebSocket) -> None:
        """Send for ever, 1 KiB at a time."""
        await ws.accept()
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await ws.send_text("*" * 1024)

    @app.get("/")
    def page() -> str:
        return "hello"

    return app


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A server of the kit, with an echo."""
    with serve(echo_app()) as server:
        yield server


@pytest.fixture
def wire(lab: Lab) -> Wire:
    """Its wire."""
    return lab.wire


@pytest.fixture
def url_of_server() -> Iterator[Callable[[str], str]]:
    """Start a server by its implementation's name: `sansio` (the kit's own), `wsproto` or `websockets`."""
    with contextlib.ExitStack() as stack:

        def start(name: str) -> str:
            if name == "sansio":
                return stack.enter_context(serve(echo_app())).ws_url
            if name == "wsproto":
                options = {"ws": "wsproto", "ws_max_size": MESSAGE_MAX_BYTES}
                return stack.enter_context(UvicornThread(echo_app(), **options)).url
            return stack.enter_context(LibraryThread(max_size=MESSAGE_MAX_BYTES, compression=None)).url

        yield start


class UvicornThread:
    """A plain uvicorn with options of its own, in a thread; `url` is where it listens."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._sock = listen()
        self.url = f"ws://127.0.0.1:{self._sock.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, log_level="critical", lifespan="off", **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="labkit test uvicorn", daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._sock]))

    def __enter__(self) -> UvicornThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(START_TIMEOUT_S)
        self._sock.close()


class LibraryThread:
    """A server of the `websockets` library with an echo, in a thread."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._started = threading.Event()
        self.url = ""
        self._thread = threading.Thread(target=self._run, name="labkit test websockets", daemon=True)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async def echo(connection: ServerConnection) -> None:
            with contextlib.suppress(ConnectionClosed):
                async for message in connection:
                    await connection.send(message)

        async with library_serve(echo, "127.0.0.1", 0, **self._options) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            self._started.set()
            await self._stopped.wait()

    def __enter__(self) -> LibraryThread:
        self._thread.start()
        self._started.wait(START_TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(START_TIMEOUT_S)


KEY = bytes.fromhex("37fa213d")
RFC_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
STEP_S = 0.004


class Script:
    """Writes frames with true headers: `script.client(1, b"hi").server(9, b"")`; `talk()` is what was recorded."""

    def __init__(
        self, target: str = "/ws", status: int = 101, reason: str = "Switching Protocols", **more: Any
    ):
        self.now_s = 0.01
        self.frames: list[Frame] = []
        self.endings: list[Ending] = []
        self.asgi: list[AsgiEvent] = []
        accept = more.pop("accept", accept_for(RFC_KEY))
        answer = (("Sec-WebSocket-Accept", accept),) if status == 101 else ()
        self.shake = Handshake(
            HttpRequest(
                0.001, "GET", target, (("Upgrade", "websocket"), ("Sec-WebSocket-Key", RFC_KEY)), "1.1", 200
            ),
            HttpResponse(0.002, status, reason, answer, **more),
        )

    def frame(
        self,
        sender: Any,
        opcode: int,
        payload: bytes = b"",
        *,
        fin: bool = True,
        raw: bytes | None = None,
        **more: Any,
    ) -> Self:
        self.now_s += STEP_S
        on_wire = payload if raw is None else raw
        key = KEY if sender == "client" else b""
        flag, length = 0x80 if key else 0, len(on_wire)
        if length < 126:
            coded = bytes([flag | length])
        else:
            bits, size = (126, 2) if length < 2**16 else (127, 8)
            coded = bytes([flag | bits]) + length.to_bytes(size, "big")
        first = (0x80 if fin else 0) | (0x40 if raw is not None else 0) | opcode
        self.frames.append(
            Frame(
                len(self.frames) + 1, self.now_s, self.now_s, sender, bytes([first]) + coded + key,
                mask(on_wire, key), payload, **more,
            )
        )  # fmt: skip
        return self

    def client(self, opcode: int, payload: bytes = b"", **more: Any) -> Self:
        return self.frame("client", opcode, payload, **more)

    def server(self, opcode: int, payload: bytes = b"", **more: Any) -> Self:
        return self.frame("server", opcode, payload, **more)

    def close(self, sender: str, code: int | None = 1000, reason: str = "") -> Self:
        return self.frame(sender, 8, b"" if code is None else code.to_bytes(2, "big") + reason.encode())

    def end(self, by: Any, how: str = "fin") -> Self:
        self.now_s += STEP_S
        self.endings.append(Ending(self.now_s, by, how))
        return self

    def app(self, direction: Any, type: str, detail: str = "", **more: Any) -> Self:
        self.asgi.append(AsgiEvent(self.now_s, self.now_s, direction, type, detail, **more))
        return self

    def talk(self, id: int = 1) -> Conversation:
        frames, endings, asgi = tuple(self.frames), tuple(self.endings), tuple(self.asgi)
        return Conversation(id, 50000, 50001, 0.0, (), self.shake, frames, endings, asgi)


@pytest.fixture
def script() -> Callable[..., Script]:
    """Return the class: `script("/path")` begins a conversation that was accepted."""
    return Script
