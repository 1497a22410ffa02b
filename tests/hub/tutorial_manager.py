"""The connection manager of the tutorials, with the usual mends, and the usual servers around it.

It is the yardstick of `test_beginners_bugs.py` and of `tests/bench/hub_fanout.py`: every fault in here is
one that people write, and is left as it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

# ---- managers ------------------------------------------------------------------------------------


class DictManager:
    """Connections by the name that the client gave itself."""

    def __init__(self) -> None:
        self.active: dict[str, WebSocket] = {}

    async def connect(self, ws: WebSocket, user: str) -> None:
        await ws.accept()
        self.active[user] = ws

    def disconnect(self, ws: WebSocket, user: str) -> None:
        del self.active[user]

    async def broadcast(self, message: str) -> None:
        for ws in self.active.values():
            await ws.send_text(message)

    async def send_to(self, user: str, message: str) -> None:
        await self.active[user].send_text(message)

    async def kick(self, user: str) -> None:
        await self.active[user].close(4000, "kicked")


class ListManager:
    """Connections in a list, as in FastAPI's documentation."""

    def __init__(self) -> None:
        self.active: list[WebSocket] = []

    async def connect(self, ws: WebSocket, user: str) -> None:
        await ws.accept()
        self.active.append(ws)

    def disconnect(self, ws: WebSocket, user: str) -> None:
        self.active.remove(ws)

    async def broadcast(self, message: str) -> None:
        for ws in self.active:
            await ws.send_text(message)


class GatherManager(ListManager):
    """The first mend for a slow client: to all at the same time."""

    async def broadcast(self, message: str) -> None:
        await asyncio.gather(*(ws.send_text(message) for ws in self.active))


class TaskManager(ListManager):
    """The second mend for a slow client: send in the background."""

    async def broadcast(self, message: str) -> None:
        for ws in list(self.active):
            asyncio.create_task(ws.send_text(message))  # noqa: RUF006


class QueueManager:
    """The third mend for a slow client: a queue and a task for each."""

    def __init__(self) -> None:
        self.queues: dict[WebSocket, asyncio.Queue[str]] = {}
        self.writers: dict[WebSocket, asyncio.Task[None]] = {}

    async def connect(self, ws: WebSocket, user: str) -> None:
        await ws.accept()
        self.queues[ws] = asyncio.Queue()
        self.writers[ws] = asyncio.create_task(self.write(ws))

    async def write(self, ws: WebSocket) -> None:
        while True:
            await ws.send_text(await self.queues[ws].get())

    def disconnect(self, ws: WebSocket, user: str) -> None:
        self.writers.pop(ws).cancel()
        del self.queues[ws]

    async def broadcast(self, message: str) -> None:
        for queue in self.queues.values():
            queue.put_nowait(message)


class ForgivingManager(ListManager):
    """The mend for dead connections: who can't be sent to is taken off the list."""

    async def broadcast(self, message: str) -> None:
        for ws in list(self.active):
            try:
                await ws.send_text(message)
            except Exception:  # noqa: BLE001
                self.disconnect(ws, "")


# ---- servers -------------------------------------------------------------------------------------


def chat_app(manager: Any) -> FastAPI:
    """The chat of every tutorial."""
    app = FastAPI()

    @app.websocket("/ws/{user}")
    async def chat(ws: WebSocket, user: str) -> None:
        await manager.connect(ws, user)
        try:
            while True:
                text = await ws.receive_text()
                await manager.broadcast(f"{user}: {text}")
        except WebSocketDisconnect:
            manager.disconnect(ws, user)
            await manager.broadcast(f"{user} left")

    return app


def json_chat_app(manager: Any) -> FastAPI:
    """The chat whose messages are JSON, and which tidies up in the end."""
    app = FastAPI()

    @app.websocket("/ws/{user}")
    async def chat(ws: WebSocket, user: str) -> None:
        await manager.connect(ws, user)
        try:
            while True:
                message = json.loads(await ws.receive_text())
                if message["type"] == "bye":
                    break
                if len(message.get("text", "")) > 1_000:
                    await ws.close(1008, f"this is too long: {message['text']}")
                    break
                await manager.broadcast(json.dumps(message))
        except WebSocketDisconnect:
            pass
        finally:
            manager.disconnect(ws, user)

    return app


def tidy_chat_app(manager: Any) -> FastAPI:
    """The chat that makes sure that the connection is closed."""
    app = FastAPI()

    @app.websocket("/ws/{user}")
    async def chat(ws: WebSocket, user: str) -> None:
        await manager.connect(ws, user)
        try:
            async for text in ws.iter_text():
                await manager.broadcast(f"{user}: {text}")
        finally:
            manager.disconnect(ws, user)
            await ws.close()

    return app


def pong_chat_app(manager: Any) -> FastAPI:
    """The chat with a heartbeat: one task reads the pongs, another the messages."""
    app = FastAPI()

    @app.websocket("/ws/{user}")
    async def chat(ws: WebSocket, user: str) -> None:
        await manager.connect(ws, user)

        async def read_pongs() -> None:
            while await ws.receive_text() == "pong":
                pass

        pongs = asyncio.create_task(read_pongs())
        try:
            while True:
                text = await ws.receive_text()
                if text != "pong":
                    await manager.broadcast(f"{user}: {text}")
        finally:
            pongs.cancel()

    return app


def token_chat_app() -> FastAPI:
    """The chat that lets in who has a token."""
    app = FastAPI()

    @app.websocket("/ws/secure")
    async def chat(ws: WebSocket, token: str = "") -> None:
        if token != "right":
            await ws.close(1008, "wrong token")
            return
        await ws.accept()

    return app


def login_app(is_right: Callable[[str, str], bool]) -> FastAPI:
    """An echo, and a login that computes for a while."""
    app = FastAPI()

    @app.post("/token")
    async def log_in(who: dict[str, str]) -> bool:
        return is_right(who["username"], who["password"])

    @app.websocket("/ws/echo")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for text in ws.iter_text():
            await ws.send_text(text)

    return app


def shadowed_app(manager: Any) -> FastAPI:
    """A chat and, added later, a dashboard."""
    app = chat_app(manager)

    @app.websocket("/ws/dashboard")
    async def dashboard(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text("figures")

    return app


def dashboard_app(figures: Callable[[], Awaitable[str]]) -> FastAPI:
    """A dashboard that sends whenever there are figures, and does nothing else."""
    app = FastAPI()

    @app.websocket("/ws/dashboard")
    async def dashboard(ws: WebSocket) -> None:
        await ws.accept()
        while True:
            await ws.send_text(await figures())

    return app


def producing_dashboard_app() -> FastAPI:
    """A dashboard whose every viewer starts what makes the figures."""
    app, manager = FastAPI(), ListManager()

    async def produce() -> None:
        while True:
            await asyncio.sleep(1)
            await manager.broadcast("figures")

    @app.websocket("/ws/dashboard")
    async def dashboard(ws: WebSocket) -> None:
        await manager.connect(ws, "")
        producer = asyncio.create_task(produce())
        try:
            async for _ in ws.iter_text():
                pass
        finally:
            producer.cancel()
            manager.disconnect(ws, "")

    return app


def waiting_dashboard_app() -> FastAPI:
    """A dashboard whose figures are made from the start on."""

    async def produce() -> None:
        while True:
            await asyncio.sleep(1)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await produce()
        yield

    return FastAPI(lifespan=lifespan)


class Stubborn:
    """A dashboard whose producer nothing can stop, not even its end; `stop` is for the test."""

    def __init__(self) -> None:
        self.stop = False
        self.app = FastAPI(lifespan=self.lifespan)
        self.app.websocket("/ws/dashboard")(self.dashboard)
        self.manager = ListManager()

    async def produce(self) -> None:
        while not self.stop:
            try:
                await asyncio.sleep(1)
                await self.manager.broadcast("figures")
            except:  # noqa: E722
                continue

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        producer = asyncio.create_task(self.produce())
        yield
        producer.cancel()

    async def dashboard(self, ws: WebSocket) -> None:
        await self.manager.connect(ws, "")
        async for _ in ws.iter_text():
            pass
        self.manager.disconnect(ws, "")
