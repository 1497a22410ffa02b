"""Between Starlette's WebSocket and the hub: accept, read, write, refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from labkit.apps.messages.session import Pong
from labkit.host.ready_frames import SEND_NOW
from labkit.hub import Connection, Refused
from labkit.hub.close_codes import clip_reason
from labkit.hub.limits import TEXT_MAX_CHARS

Known = TypeVar("Known")

BATCH_PROTOCOL = "labkit.batch.v1"
"""The subprotocol of a client that takes several JSON texts in a frame, one a line."""


class SocketTransport:
    """An accepted WebSocket, as the hub wants it.

    Attributes:
        batches: the client takes several texts in a frame.
        protocol: the subprotocol that was agreed on, or None.
        send_now: writes a message if that need not wait; None under a server that is not labkit's.
    """

    __slots__ = ("_ws", "batches", "protocol", "send_now")

    def __init__(self, ws: WebSocket, protocol: str | None = None) -> None:
        self._ws = ws
        self.batches = protocol == BATCH_PROTOCOL
        self.protocol = protocol
        self.send_now: Callable[[str | bytes], bool] | None = ws.scope.get("extensions", {}).get(SEND_NOW)

    def send(self, data: str | bytes) -> Coroutine[Any, Any, None]:
        """Send one message; wait while the peer is not reading."""
        kind = "text" if isinstance(data, str) else "bytes"
        return self._ws.send({"type": "websocket.send", kind: data})

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame."""
        await self._ws.close(code, reason)


async def accept(ws: WebSocket, *protocols: str) -> SocketTransport:
    """Accept a WebSocket. A refusal comes after this: only then does a browser learn its code.

    Args:
        protocols: the subprotocols that the app speaks, the dearest first, instead of the batching one.
    """
    offered = ws.scope["subprotocols"]
    agreed = next((protocol for protocol in protocols or (BATCH_PROTOCOL,) if protocol in offered), None)
    await ws.accept(agreed)
    return SocketTransport(ws, agreed)


async def refuse(ws: WebSocket, refusal: Refused) -> None:
    """Close a WebSocket that the hub has not taken, with the refusal's code and reason."""
    with suppress(RuntimeError, WebSocketDisconnect):  # it may have gone already
        await ws.close(refusal.close_code, clip_reason(refusal.happened))


async def incoming(
    ws: WebSocket, connection: Connection, read: Callable[[str], Known | None]
) -> AsyncIterator[Known | str]:
    """Yield what the client says, until it goes, is too big, or sends binary.

    It keeps reading as long as it is iterated, which is what keeps pings, pongs and closes working. What it
    cannot take is answered with an error, and pongs are noted; neither is yielded.

    Args:
        read: returns the message that a text is, None if it is plain text, or raises `Refused`.
    """
    while True:
        event = await ws.receive()
        if event["type"] == "websocket.disconnect":
            connection.gone(event["code"])
            return
        text = event.get("text")
        if text is None:
            connection.close(1003, "text frames only")
            return
        if not connection.heard(len(text.encode())):
            return
        try:
            message = read(text)
            if isinstance(message, Pong):
                connection.pong()
            elif message is not None:
                yield message
            else:
                check_length(text)
                yield text
        except Refused as refusal:
            connection.refuse(refusal)


def as_text(text: str) -> None:
    """Take every text as it is: give this to `incoming` where clients send no messages of a model."""


def check_length(text: str) -> None:
    """Raise `Refused` if a text is longer than a text may be."""
    if len(text) > TEXT_MAX_CHARS:
        raise Refused(
            "bad_message", f"This text has {len(text)} characters.", expected=f"at most {TEXT_MAX_CHARS}."
        )
