"""The 27 faults of beginners' connection managers: each shows on the tutorials' way and not on the kit's.

A scenario plays a story with an engine, `Tutorial` or `Kit`, and returns whether the fault shows. What is
about code only runs over ASGI calls that the test decides one by one, on a loop whose clock jumps instead of
waiting; what is about the wire runs over real servers and sockets.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import json
import selectors
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from labkit import serve
from labkit.apps import APP_NAMES, create
from labkit.apps.auth import create_app as create_auth
from labkit.apps.dashboard import create_app as create_dashboard
from labkit.apps.hub_lifespan import hub_lifespan
from labkit.apps.messages.session import read_pong
from labkit.apps.socket_transport import accept, incoming, refuse
from labkit.apps.tokens import make_key, make_token
from labkit.hub import Hub, Limits, MemoryBroker, Refused
from labkit.hub.limits import OUTBOX_MAX_BYTES

DEADLINE_S = 10.0
PING_S = 0.2
BLOCKED_S = 3.0
ROOM = "room"


def load_beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tutorial = load_beside("tutorial_manager")


# ---- a loop without waiting, and a client without a network --------------------------------------


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next deadline as soon as there is nothing else to do."""

    def __init__(self) -> None:
        self.now = 1_000.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        ready = super().select(0)
        if not ready and timeout > 0:
            self._loop.now += timeout
        return ready


async def turns(count: int = 60) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Peer:
    """A client, as an ASGI app sees it: `reading` decides when a send is done, `error` how it fails."""

    def __init__(self, app: Any, path: str) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self.error: Exception | None = None
        self.hangs = False
        self.send_was_dropped = False
        self.accepted = False
        self.texts: list[str] = []
        self.on_text: Callable[[], None] = lambda: None
        self.closed: tuple[int, str] | None = None
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "subprotocols": [],
            "state": {},
            "extensions": {},
        }
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self.inbox.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            self.accepted = True
            return
        if self.hangs:
            try:
                await asyncio.get_running_loop().create_future()
            except GeneratorExit:
                self.send_was_dropped = True
                raise
        await self.reading.wait()
        if self.error is not None:
            raise self.error
        if message["type"] == "websocket.close":
            self.closed = (message["code"], message["reason"])
        else:
            self.texts.append(message["text"])
            self.on_text()

    async def say(self, text: str) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})
        await turns()

    async def say_bytes(self, data: bytes) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "bytes": data})
        await turns()

    async def go(self, code: int = 1001) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        await turns()

    def heard(self, word: str) -> bool:
        return any(word in text for text in self.texts)

    def order(self, *words: str) -> list[str]:
        """These words in the order in which they came, each as often as it came."""
        return [word for text in self.texts for word in words if word in text]

    @property
    def failure(self) -> BaseException | None:
        """What the handler ended with, if it has ended."""
        return self.task.exception() if self.task.done() and not self.task.cancelled() else None


async def enter(app: Any, user: str, *, path: str = "/ws/") -> Peer:
    peer = Peer(app, path + user)
    await turns()
    assert peer.accepted
    return peer


class Lifespan:
    """Starts and stops an app as a server does."""

    def __init__(self, app: Any) -> None:
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.task = asyncio.create_task(app(scope, self._inbox.get, self._outbox.put))

    async def do(self, what: str) -> None:
        self._inbox.put_nowait({"type": f"lifespan.{what}"})
        async with asyncio.timeout(60):
            assert (await self._outbox.get())["type"] == f"lifespan.{what}.complete"


# ---- real servers and sockets --------------------------------------------------------------------


@contextmanager
def serve_plainly(app: Any, ping_s: float) -> Iterator[int]:
    """Serve an app by uvicorn's defaults, the way a tutorial starts it; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(
            app,
            log_config=None,
            ws="websockets-sansio",
            ws_ping_interval=ping_s,
            ws_ping_timeout=ping_s,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


@contextmanager
def serve_by_labkit(app: Any, ping_s: float) -> Iterator[int]:
    with serve(app, ping_interval_s=ping_s, ping_timeout_s=max(ping_s, 2.0)) as lab:
        yield lab.port


def dial(port: int, path: str, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}{path}", open_timeout=DEADLINE_S, **options)


def ending(client: ClientConnection) -> int:
    """Read to the end and return the close code: 1006 if there was no close frame."""
    with suppress(ConnectionClosed):
        while True:
            client.recv(timeout=DEADLINE_S)
    assert client.close_code is not None
    return client.close_code


@contextmanager
def refused_with_403() -> Iterator[list[int]]:
    """Note in a list that the handshake was refused with HTTP 403, if it was."""
    refused: list[int] = []
    try:
        yield refused
    except InvalidStatus as error:
        refused.append(error.response.status_code)
    assert refused in ([], [403])


class FrameClient:
    """A real client that shows pings and closes. It answers pings, as a browser does."""

    def __init__(self, port: int, path: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{path}"))
        self.protocol.send_request(self.protocol.connect())
        self.flush()
        self.pending: list[Any] = []
        assert self.next().status_code == 101

    def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                with suppress(OSError):
                    self.sock.sendall(data)

    def say(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        self.flush()

    def next(self) -> Any:
        while not self.pending:
            data = self.sock.recv(65_536)
            if data:
                self.protocol.receive_data(data)
            else:
                self.protocol.receive_eof()
                return None
            self.flush()
            self.pending += self.protocol.events_received()
        return self.pending.pop(0)


# ---- the two engines -----------------------------------------------------------------------------


class TutorialServer:
    """A tutorial's chat, with what a scenario does to it."""

    def __init__(self, manager: Any, app: Callable[[Any], FastAPI] = tutorial.chat_app) -> None:
        self.manager = manager
        self.app = app(manager)

    @property
    def here(self) -> list[str]:
        return list(self.manager.active)

    async def send_all(self, user: str, texts: list[str]) -> None:
        for text in texts:
            await self.manager.send_to(user, text)

    async def kick(self, user: str) -> None:
        await self.manager.kick(user)

    @property
    def waiting_bytes(self) -> int:
        return sum(len(text) for queue in self.manager.queues.values() for text in queue._queue)


def clock_of_the_loop() -> Callable[[], float]:
    """The jumping clock where there is one; the real one for a server that gets a loop of its own."""
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:
        return time.monotonic


class KitServer:
    """A chat of the kit's parts: hub and adapter, as in the kit's apps."""

    def __init__(self, broker: MemoryBroker | None = None, *, as_json: bool = False) -> None:
        self.hub = Hub(
            duplicates="replace", limits=Limits(presence_grace_s=0), broker=broker, clock=clock_of_the_loop()
        )
        self.app = FastAPI(lifespan=hub_lifespan(self.hub))
        self.app.websocket("/ws/{user}")(self.chat)
        self.read = self.read_json if as_json else read_pong

    @staticmethod
    def read_json(text: str) -> dict[str, Any]:
        try:
            message = json.loads(text)
        except ValueError:
            raise Refused("bad_message", "This is not JSON.") from None
        return message if isinstance(message, dict) else {}

    async def chat(self, ws: WebSocket, user: str) -> None:
        transport = await accept(ws)
        try:
            async with self.hub.connect(transport, user=user, batches=transport.batches) as connection:
                await connection.join(ROOM)
                async for message in incoming(ws, connection, self.read):
                    if isinstance(message, dict):
                        if message["type"] == "bye":
                            return
                        if len(message.get("text", "")) > 1_000:
                            connection.close(1008, f"this is too long: {message['text']}")
                    connection.publish(ROOM, {"user": user, "message": message}, rate="")
        except Refused as refusal:
            await refuse(ws, refusal)

    @property
    def here(self) -> list[str]:
        return self.hub.users(ROOM)

    async def send_all(self, user: str, texts: list[str]) -> None:
        for text in texts:
            self.hub.send_to(user, text)

    async def kick(self, user: str) -> None:
        self.hub.controls(ROOM).kick(user)

    @property
    def waiting_bytes(self) -> int:
        return self.hub.stats().outbox_bytes


class Tutorial:
    """What a beginner has; the first argument is the manager that has the fault."""

    serve = staticmethod(serve_plainly)
    server = staticmethod(lambda manager, app=tutorial.chat_app: TutorialServer(manager(), app))
    workers = staticmethod(lambda: [TutorialServer(tutorial.DictManager()) for _ in range(2)])
    json_server = staticmethod(lambda: TutorialServer(tutorial.ListManager(), tutorial.json_chat_app))
    apps = staticmethod(lambda: [tutorial.shadowed_app(tutorial.ListManager())])
    token_app = staticmethod(tutorial.token_chat_app)

    @staticmethod
    def login(is_right: Callable[[str, str], bool], patch: pytest.MonkeyPatch) -> tuple[FastAPI, str]:
        return tutorial.login_app(is_right), "/ws/echo"

    @staticmethod
    def dashboard(kind: str) -> FastAPI:
        async def never() -> str:
            return await asyncio.get_running_loop().create_future()

        return {
            "silent": lambda: tutorial.dashboard_app(never),
            "ticking": tutorial.producing_dashboard_app,
            "starting": tutorial.waiting_dashboard_app,
        }[kind]()


class Kit:
    """What the kit has instead, whichever fault it is about."""

    serve = staticmethod(serve_by_labkit)
    server = staticmethod(lambda manager, app=None: KitServer())
    json_server = staticmethod(lambda: KitServer(as_json=True))
    apps = staticmethod(lambda: [create(name) for name in APP_NAMES])
    token_app = staticmethod(create_auth)

    @staticmethod
    def workers() -> list[KitServer]:
        broker = MemoryBroker()
        return [KitServer(broker) for _ in range(2)]

    @staticmethod
    def login(is_right: Callable[[str, str], bool], patch: pytest.MonkeyPatch) -> tuple[FastAPI, str]:
        patch.setattr("labkit.apps.token_desk.is_right", is_right)
        key = make_key()
        token = make_token("ada", key, now=time.time(), lifetime_s=60.0)
        return create_auth(secret_key=key), f"/ws/secure?token={token}"

    @staticmethod
    def dashboard(kind: str) -> FastAPI:
        return create_dashboard(interval_s=3_600.0 if kind == "silent" else 1.0)


Engine = Any
Scenario = Callable[..., "bool | Awaitable[bool]"]
BUGS: dict[str, Scenario] = {}


def bug(number: int, sentence: str) -> Callable[[Scenario], Scenario]:
    def register(scenario: Scenario) -> Scenario:
        assert len(BUGS) == number - 1
        BUGS[f"{number}: {sentence}"] = scenario
        return scenario

    return register


# ---- the 27 --------------------------------------------------------------------------------------


@bug(1, "who leaves during a broadcast ends it for the rest")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.DictManager).app
    speaker, slow, leaver, last = [await enter(app, user) for user in ("speaker", "slow", "leaver", "last")]
    slow.reading.clear()
    await speaker.say("hello")
    await leaver.go()
    slow.reading.set()
    await turns()
    return not last.heard("hello")


@bug(2, "who leaves during a broadcast makes it skip a neighbour, silently")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.ListManager).app
    leaver, neighbour, speaker = [await enter(app, user) for user in ("leaver", "neighbour", "speaker")]
    leaver.reading.clear()
    await speaker.say("hello")
    await leaver.go()
    leaver.reading.set()
    await turns()
    assert speaker.heard("hello")
    return not neighbour.heard("hello")


@bug(3, "the end of an old tab takes the new one off the list")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.DictManager).app
    old, new, other = [await enter(app, user) for user in ("ann", "ann", "ben")]
    await old.go()
    await other.say("hello")
    assert other.heard("hello")
    return not new.heard("hello")


@bug(4, "one slow client stalls all")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.ListManager).app
    slow, fast, speaker = [await enter(app, user) for user in ("slow", "fast", "speaker")]
    slow.reading.clear()
    await speaker.say("hello")
    return not fast.heard("hello")


@bug(5, "with gather, the next message waits for the slowest client")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.GatherManager).app
    slow, fast, speaker = [await enter(app, user) for user in ("slow", "fast", "speaker")]
    slow.reading.clear()
    await speaker.say("first")
    await speaker.say("second")
    assert fast.heard("first")
    return not fast.heard("second")


@bug(6, "with a task for each message, the order is lost")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.TaskManager).app
    listener, speaker = [await enter(app, user) for user in ("listener", "speaker")]
    listener.reading.clear()
    await speaker.say("first")
    # The wire is free again just when the second message is sent, and the first has not been woken yet.
    speaker.inbox.put_nowait({"type": "websocket.receive", "text": "second"})
    gate, listener.reading = listener.reading, asyncio.Event()
    listener.reading.set()
    await turns()
    gate.set()
    await turns()
    assert sorted(listener.order("first", "second")) == ["first", "second"]
    return listener.order("first", "second") != ["first", "second"]


@bug(7, "one dead connection ends a broadcast for the rest")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.ListManager).app
    dead, other, speaker = [await enter(app, user) for user in ("dead", "other", "speaker")]
    dead.error = OSError("connection reset")
    await speaker.say("hello")
    return not other.heard("hello")


@bug(8, "who was removed is removed again, which raises")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.ForgivingManager).app
    dead, other = [await enter(app, user) for user in ("dead", "other")]
    dead.error = OSError("connection reset")
    await other.say("hello")
    await dead.go()
    assert dead.task.done()
    return isinstance(dead.failure, ValueError)


@bug(9, "a bare except swallows the cancellation, and the task lives on after the shutdown")
async def _(engine: Engine) -> bool:
    stubborn = tutorial.Stubborn() if engine is Tutorial else None
    app = stubborn.app if stubborn else engine.dashboard("ticking")
    lifespan = Lifespan(app)
    await lifespan.do("startup")
    viewer = await enter(app, "dashboard")
    await asyncio.sleep(2.5)
    assert len(viewer.texts) == 2
    await viewer.go(1012)
    await lifespan.do("shutdown")
    await asyncio.sleep(60)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if stubborn:
        stubborn.stop = True
    return bool(left)


@bug(10, "a background task that nobody keeps is garbage-collected, with its message")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.TaskManager).app
    behind, speaker = [await enter(app, user) for user in ("behind", "speaker")]
    behind.hangs = True
    await speaker.say("hello")
    gc.collect()
    await turns()
    return behind.send_was_dropped


@bug(11, "a producer for each connection sends every figure twice")
async def _(engine: Engine) -> bool:
    app = engine.dashboard("ticking")
    viewers = [await enter(app, "dashboard") for _ in range(2)]
    await asyncio.sleep(3.5)
    counts = {len(viewer.texts) for viewer in viewers}
    assert counts in ({3}, {6})
    return counts == {6}


@bug(12, "a producer that the start-up waits for keeps the app from starting")
async def _(engine: Engine) -> bool:
    lifespan = Lifespan(engine.dashboard("starting"))
    try:
        await lifespan.do("startup")
    except TimeoutError:
        return True
    await lifespan.do("shutdown")
    return False


@bug(13, "a close before the accept is an HTTP 403, without its code and reason")
def _(engine: Engine) -> bool:
    with engine.serve(engine.token_app(), 20.0) as port:
        with refused_with_403() as refused, dial(port, "/ws/secure?token=wrong") as client:
            assert ending(client) == 1008
            assert client.close_reason
        return bool(refused)


@bug(14, "a route with a parameter takes what is meant for a later one")
async def _(engine: Engine) -> bool:
    return any(list(shadowed(app)) for app in engine.apps())


def shadowed(app: FastAPI) -> Iterator[str]:
    """The paths without a parameter that an earlier route matches first."""
    routes = [route for route in app.routes if hasattr(route, "path_regex")]
    for index, route in enumerate(routes):
        for earlier in routes[:index]:
            same = getattr(earlier, "methods", None) == getattr(route, "methods", None)
            if same and "{" not in route.path and earlier.path_regex.match(route.path):
                yield route.path


@bug(15, "a computation in a handler stops the server for everybody")
def _(engine: Engine) -> bool:
    begun, release, order = threading.Event(), threading.Event(), []

    def is_right(username: str, password: str) -> bool:
        begun.set()
        release.wait(BLOCKED_S)
        order.append("login")
        return False

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        app, path = engine.login(is_right, patch)
        port = stack.enter_context(engine.serve(app, 20.0))
        client = stack.enter_context(dial(port, path))
        url, who = f"http://127.0.0.1:{port}/token", {"username": "ada", "password": "guess"}
        login = threading.Thread(target=lambda: httpx.post(url, json=who, timeout=DEADLINE_S))
        login.start()
        assert begun.wait(DEADLINE_S)
        client.send("still there?")
        while "still there?" not in client.recv(timeout=DEADLINE_S):
            pass
        order.append("echo")
        release.set()
        login.join(DEADLINE_S)
    return order == ["login", "echo"]


@bug(16, "a loop of sends lets nobody else have a turn")
async def _(engine: Engine) -> bool:
    server = engine.server(tutorial.DictManager)
    reader = await enter(server.app, "reader")
    reader.texts.clear()
    others_turns = 0
    at: list[int] = []
    reader.on_text = lambda: at.append(others_turns)

    async def other() -> None:
        nonlocal others_turns
        while len(reader.texts) < 200:
            others_turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await server.send_all("reader", [str(n) for n in range(200)])
    await task
    assert reader.texts == [str(n) for n in range(200)]
    return at[0] == at[-1]


@bug(17, "a handler that only sends does not notice that its client has gone")
async def _(engine: Engine) -> bool:
    viewer = await enter(engine.dashboard("silent"), "dashboard")
    await viewer.go()
    return not viewer.task.done()


@bug(18, "a handler that only sends loses a healthy client that says something")
def _(engine: Engine) -> bool:
    with engine.serve(engine.dashboard("silent"), PING_S) as port:
        client = FrameClient(port, "/ws/dashboard")
        with client.sock:
            client.say("hello")
            pings = 0
            while pings < 4:
                event = client.next()
                if event is None or (isinstance(event, Frame) and event.opcode is Opcode.CLOSE):
                    received = client.protocol.close_rcvd
                    assert received is not None
                    assert (received.code, received.reason) == (1011, "keepalive ping timeout")
                    return True
                pings += event.opcode is Opcode.PING
            return False


@bug(19, "a client that has vanished stays on the list for ever")
async def _(engine: Engine) -> bool:
    server = engine.server(tutorial.DictManager)
    vanishing = await enter(server.app, "vanishing")
    # A page answers the app's pings, for as long as it is there. Then the laptop's lid is closed.
    await asyncio.sleep(30)
    await vanishing.say('{"type": "pong"}')
    await asyncio.sleep(3_600)
    return server.here == ["vanishing"]


@bug(20, "a handler that fails or returns leaves its client with 1006, not knowing whether to come back")
def _(engine: Engine) -> bool:
    codes = []
    with engine.serve(engine.json_server().app, 20.0) as port:
        for text in ('{"no": "type"}', '{"type": "bye"}'):
            with dial(port, "/ws/ada") as client:
                client.send(text)
                codes.append(ending(client))
    assert codes in ([1006, 1006], [1011, 1000])
    return codes == [1006, 1006]


@bug(21, "a reason of more than 123 bytes is no reason at all: the client sees 1006")
def _(engine: Engine) -> bool:
    with engine.serve(engine.json_server().app, 20.0) as port, dial(port, "/ws/ada") as client:
        client.send(json.dumps({"type": "message", "text": "ü" * 2_000}))
        code = ending(client)
        assert code == 1006 or client.close_reason == "this is too long: " + "ü" * 52
        return code == 1006


@bug(22, "what is not JSON or not text ends the handler with an exception")
async def _(engine: Engine) -> bool:
    app = engine.json_server().app
    for spoil in (lambda peer: peer.say("{"), lambda peer: peer.say_bytes(b"\xff")):
        peer = await enter(app, "ada")
        await spoil(peer)
        if peer.failure is not None:
            assert isinstance(peer.failure, ValueError | KeyError)
            return True
        assert peer.heard("bad_message") or peer.closed == (1003, "text frames only")
    return False


@bug(23, "who was closed is closed again, which raises")
async def _(engine: Engine) -> bool:
    server = engine.server(tutorial.DictManager, tutorial.tidy_chat_app)
    peer = await enter(server.app, "ada")
    await server.kick("ada")
    await turns()
    await peer.go()
    assert peer.closed is not None
    assert peer.task.done()
    return isinstance(peer.failure, RuntimeError)


@bug(24, "two readers of one connection take each other's messages")
async def _(engine: Engine) -> bool:
    app = engine.server(tutorial.ListManager, tutorial.pong_chat_app).app
    speaker, listener = [await enter(app, user) for user in ("speaker", "listener")]
    words = ["one", "two", "three", "four"]
    for word in words:
        await speaker.say('{"type": "pong"}' if engine is Kit else "pong")
        await speaker.say(word)
    return listener.order(*words) != words


@bug(25, "a queue without a bound grows for as long as its client does not read")
async def _(engine: Engine) -> bool:
    server = engine.server(tutorial.QueueManager)
    stalled, speaker = [await enter(server.app, user) for user in ("stalled", "speaker")]
    stalled.reading.clear()
    most = 0
    for n in range(400):
        await speaker.say(f"{n:04}" + "x" * 9_996)
        most = max(most, server.waiting_bytes)
    assert speaker.heard("0399")
    return most > 2 * OUTBOX_MAX_BYTES


@bug(26, "a page of any origin may open a WebSocket here")
def _(engine: Engine) -> bool:
    with engine.serve(engine.server(tutorial.ListManager).app, 20.0) as port:
        with dial(port, "/ws/ada", origin=f"http://127.0.0.1:{port}"):
            pass
        with refused_with_403() as refused, dial(port, "/ws/ada", origin="https://evil.example"):
            pass
        return not refused


@bug(27, "with several workers, a message reaches only the clients of one")
async def _(engine: Engine) -> bool:
    workers = engine.workers()
    here, there = [await enter(worker.app, user) for worker, user in zip(workers, "ab", strict=True)]
    await here.say("hello")
    assert here.heard("hello")
    return not there.heard("hello")


# ---- and the tests -------------------------------------------------------------------------------


def shows(scenario: Scenario, engine: Engine) -> bool:
    """Play a scenario to its end, and tidy up what a faulty engine leaves."""
    if not inspect.iscoroutinefunction(scenario):
        return bool(scenario(engine))

    async def story() -> bool:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        async with asyncio.timeout(100_000):  # of the jumping clock
            shown = await scenario(engine)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=60)
        for task in left:
            if task.done() and not task.cancelled():
                task.exception()
        return bool(shown)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(story())


@pytest.mark.parametrize("name", BUGS)
def test_it_shows_on_the_tutorials_way(name):
    assert shows(BUGS[name], Tutorial)


@pytest.mark.parametrize("name", BUGS)
def test_the_kit_does_not_have_it(name):
    assert not shows(BUGS[name], Kit)


def test_all_27_are_here():
    assert [int(name.partition(":")[0]) for name in BUGS] == list(range(1, 28))
