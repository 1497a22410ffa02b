"""WebSocket frames that are made once and written to many, past the server's own `send`.

A server's `send` makes a frame anew for each of 200 clients that get the same text, and that is most of what
a fan-out costs. So labkit's server puts `SEND_NOW` among the ASGI extensions of a WebSocket's scope:

    send_now = scope["extensions"].get(SEND_NOW)            # None under any other server
    if send_now is None or not send_now(text):
        await send({"type": "websocket.send", "text": text})

`send_now` writes one message, `str` or `bytes`, and returns True; or it does nothing and returns False,
because the peer is behind or closing, which `send` then deals with. For a connection that is lost it raises
`OSError`, as `send` does.
"""

from __future__ import annotations

from collections.abc import Callable

from websockets.frames import Frame, Opcode

SEND_NOW = "labkit.send_now"

FRAMES_MAX = 32
FRAMES_MAX_BYTES = 262_144


class ReadyFrames:
    """The frames of the messages that are being fanned out: the last few, for one server's event loop.

    Attributes:
        find: returns a message's frame if it is one of these, else None.
    """

    __slots__ = ("_bytes", "_frames", "find")

    def __init__(self) -> None:
        self._frames: dict[str | bytes, bytes] = {}
        self._bytes = 0
        self.find: Callable[[str | bytes], bytes | None] = self._frames.get

    def make(self, data: str | bytes) -> bytes:
        """Make and keep an unmasked, uncompressed frame with a message (RFC 6455 section 5.2)."""
        opcode, payload = (
            (Opcode.TEXT, data.encode()) if isinstance(data, str) else (Opcode.BINARY, bytes(data))
        )
        frame = Frame(opcode, payload).serialize(mask=False)
        self._bytes += len(frame)
        if len(self._frames) >= FRAMES_MAX or self._bytes > FRAMES_MAX_BYTES:
            self._frames.clear()
            self._bytes = len(frame)
        self._frames[data] = frame
        return frame
