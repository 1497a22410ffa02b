"""The server's side of a wire: an ASGI middleware that notes what the app waits for, gets and sends.

It is on a server's path only while that server's wire is recorded, and only says something about connections that
came through the proxy: it finds them by the proxy's port, `scope["client"][1]`.
"""

from __future__ import annotations

import asyncio
import collections
from typing import Any, Literal

from labkit.host.identity import ASGIApp, Message, Receive, Scope, Send
from labkit.host.ready_frames import SEND_NOW
from labkit.wire.conversation import AsgiEvent
from labkit.wire.recorder import Recorder

LOOK_EVERY_S = 0.05
PREVIEW_CHARS = 80
KEPT_EVENTS = 20_000
TOLD_FIELDS = ("code", "reason", "subprotocol", "status")

Direction = Literal["receive", "send", "handler"]

_Noted = tuple[float, float, Direction, str, Any, str, int | None, int | None, float | None]


class AsgiLane:
    """Wraps an ASGI application and notes the events of each recorded WebSocket."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self.app = app
        self._recorder = recorder
        self._lag = LoopLag()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        client = scope.get("client")
        record = None
        if scope["type"] == "websocket" and client:
            record = self._recorder.record_of(client[1])
        if record is None:
            await self.app(scope, receive, send)
            return
        lane = _Lane(self._recorder, self._lag, receive, send)
        record.follow(lane)
        lane.watch_ready_frames(scope)
        self._lag.start()
        try:
            lane.handler("started")
            await self.app(scope, lane.receive, lane.send)
        except BaseException as error:
            lane.handler(f"raised {type(error).__name__}", str(error))
            raise
        else:
            lane.handler("returned")
        finally:
            self._lag.stop()


class _Lane:
    """One handler's `receive` and `send`, observed. What it notes costs little; it is told when somebody asks."""

    def __init__(self, recorder: Recorder, lag: LoopLag, receive: Receive, send: Send) -> None:
        self._recorder = recorder
        self._now = recorder.now
        self._lag = lag
        self._receive = receive
        self._send = send
        server = getattr(receive, "__self__", None)  # uvicorn's protocol, if it is uvicorn
        self._queue: Any = getattr(server, "queue", None)
        self._transport: Any = getattr(server, "transport", None)
        self._noted: collections.deque[_Noted] = collections.deque(maxlen=KEPT_EVENTS)
        self._waiting: dict[Direction, tuple[float, Message | None]] = {}

    async def receive(self) -> Message:
        began_s = self._now()
        self._waiting["receive"] = (began_s, None)
        self._recorder.notify()
        message = await self._receive()
        self._waiting.pop("receive", None)  # two tasks may receive at once, and one may outlive its handler
        self._note(began_s, "receive", message["type"], _carried(message))
        return message

    async def send(self, message: Message) -> None:
        began_s = self._now()
        self._waiting["send"] = (began_s, message)
        self._recorder.notify()
        try:
            await self._send(message)
        except Exception as error:
            self._note(began_s, "send", message["type"], _carried(message), type(error).__name__)
            raise
        finally:
            self._waiting.pop("send", None)  # two tasks may send at once
        self._note(began_s, "send", message["type"], _carried(message))

    def handler(self, type: str, detail: str = "") -> None:
        """Note that the handler begins, or ends: then it waits for nothing any more."""
        self._waiting.clear()
        self._note(self._now(), "handler", type, detail)

    def watch_ready_frames(self, scope: Scope) -> None:
        """Notice what goes past `send`; see `labkit.host.ready_frames`."""
        extensions = scope.get("extensions") or {}
        if SEND_NOW not in extensions:
            return
        send_now = extensions[SEND_NOW]

        def send_now_here(data: str | bytes) -> bool:
            began_s = self._now()
            sent = bool(send_now(data))
            if sent:
                self._note(began_s, "send", "websocket.send", _beginning(data))
            return sent

        extensions[SEND_NOW] = send_now_here

    def _note(self, began_s: float, direction: Direction, type: str, carried: Any, raised: str = "") -> None:
        queue, transport = self._queue, self._transport
        self._noted.append(
            (
                began_s,
                self._now(),
                direction,
                type,
                carried,
                raised,
                queue.qsize() if queue is not None else None,
                transport.get_write_buffer_size() if transport is not None else None,
                self._lag.lag_s,
            )
        )
        self._recorder.notify()

    # -- when somebody asks ------------------------------------------------------------------------

    def events(self) -> tuple[AsgiEvent, ...]:
        """Return what was noted, and what the app is waiting for now."""
        noted = [
            AsgiEvent(began_s, done_s, direction, type, _told(carried, raised), queued, buffered, lag_s)
            for began_s, done_s, direction, type, carried, raised, queued, buffered, lag_s in list(
                self._noted
            )
        ]
        queued = self._queue.qsize() if self._queue is not None else None
        buffered = self._transport.get_write_buffer_size() if self._transport is not None else None
        for direction, (began_s, message) in list(self._waiting.items()):
            kind, carried = ("", "") if message is None else (str(message["type"]), _carried(message))
            noted.append(
                AsgiEvent(began_s, None, direction, kind, _told(carried), queued, buffered, self._lag.lag_s)
            )
        return tuple(noted)

    def clear(self) -> None:
        """Forget what was noted."""
        self._noted.clear()


class LoopLag:
    """Measures how late an event loop is: a timer every 50 ms, only while somebody wants to know.

    Attributes:
        lag_s: how late the last look was, in seconds; None before the first.
    """

    def __init__(self) -> None:
        self.lag_s: float | None = None
        self._watchers = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure, until `stop()` was called as often."""
        self._watchers += 1
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Measure for one watcher fewer."""
        self._watchers -= 1
        if not self._watchers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + LOOK_EVERY_S
        self._timer = loop.call_at(due_s, self._look, due_s)

    def _look(self, due_s: float) -> None:
        self.lag_s = max(0.0, asyncio.get_running_loop().time() - due_s)
        self._arm()


def _carried(message: Message) -> Any:
    """Return the beginning of what a message carries, not the whole of it."""
    if message.get("text") is not None:
        return _beginning(message["text"])
    if message.get("bytes") is not None:
        return _beginning(message["bytes"])
    return {name: message[name] for name in TOLD_FIELDS if message.get(name) not in (None, "")}


def _beginning(data: str | bytes) -> tuple[str | bytes, int]:
    return data[: PREVIEW_CHARS if isinstance(data, str) else PREVIEW_CHARS // 3], len(data)


def _told(carried: Any, raised: str = "") -> str:
    if isinstance(carried, dict):
        text = ", ".join(f"{name} {value!r}" for name, value in carried.items())
    elif isinstance(carried, tuple):
        beginning, size = carried
        text = repr(beginning) if isinstance(beginning, str) else bytes(beginning).hex(" ")
        if size > len(beginning):
            text += f"… ({size} {'characters' if isinstance(beginning, str) else 'bytes'})"
    else:
        text = str(carried)
    return f"{text} raised {raised}".strip() if raised else text
