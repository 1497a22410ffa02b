"""uvicorn's two protocols, made to let go of a peer that has stopped taking part.

uvicorn waits without an end in four places: for the rest of a request, for a peer to read what was written
to it, for the flush before a close (its ping timeout included), and for a peer that is refused in the middle
of a message. Here each wait has a deadline. These classes override what uvicorn does not promise to keep;
`tests/host/test_protocol.py` names every method and attribute that they rely on.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import OPEN

from labkit.host.ready_frames import SEND_NOW, ReadyFrames

REQUEST_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 10.0
LINGER_TIMEOUT_S = 2.0
FRAGMENTS_PER_JOIN = 64

REQUEST_TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BAD_HANDSHAKE_RESPONSE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Timings:
    """How long a peer may keep a connection waiting, in seconds. The constants above are the defaults.

    Attributes:
        request_s: for a request's head, from its first byte (or the connection) to the empty line; and for
            silence in the middle of its body.
        write_s: to read something of an HTTP response, while more than asyncio's high-water mark (64 KiB) of it
            waits. For WebSockets the ping timeout does this.
        close_s: to answer a close frame, and to read something of what was written before a close.
        linger_s: to stop sending after it was closed for a protocol error or a message that is too big.
    """

    request_s: float = REQUEST_TIMEOUT_S
    write_s: float = WRITE_TIMEOUT_S
    close_s: float = CLOSE_TIMEOUT_S
    linger_s: float = LINGER_TIMEOUT_S


DEFAULT_TIMINGS = Timings()


def protocol_options(timings: Timings = DEFAULT_TIMINGS) -> dict[str, Any]:
    """Return what makes uvicorn use these protocols: `uvicorn.run(app, **protocol_options())`."""
    return {
        "http": functools.partial(PunctualHTTP, timings=timings),
        "ws": functools.partial(PunctualWebSocket, timings=timings, frames=ReadyFrames()),
    }


class _Deadline:
    """One timer that is set, set anew and taken back."""

    __slots__ = ("_loop", "_on_expiry", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_expiry: Callable[[], None]) -> None:
        self._loop = loop
        self._on_expiry = on_expiry
        self._timer: asyncio.TimerHandle | None = None

    def set(self, delay_s: float) -> None:
        self.cancel()
        self._timer = self._loop.call_later(delay_s, self._expire)

    @property
    def is_set(self) -> bool:
        return self._timer is not None

    def _expire(self) -> None:
        self._timer = None
        self._on_expiry()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _FlushDeadline(_Deadline):
    """Aborts a transport whose peer took nothing of what is waiting for it since the deadline was set."""

    __slots__ = ("_delay_s", "_left_bytes", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        super().__init__(loop, self._look)
        self._transport = transport
        self._delay_s = 0.0
        self._left_bytes = 0

    def set(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._left_bytes = self._transport.get_write_buffer_size()
        super().set(delay_s)

    def _look(self) -> None:
        if 0 < self._transport.get_write_buffer_size() < self._left_bytes:
            self.set(self._delay_s)
        else:
            self._transport.abort()


class PunctualTransport:
    """A transport whose `close()` has an end: if the peer does not read, what is left for it is dropped.

    asyncio's own waits for the flush for ever, so such a peer would keep its connection.

    Attributes:
        lingers: whether `close()` shall half-close and wait, for a while, until the peer closes too. A close
            with unread bytes makes the kernel send a reset, and that may take away from the peer the close
            frame that says why: a browser would report 1006 instead of 1009.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, timings: Timings) -> None:
        self.unwrapped = transport
        self.write = transport.write  # the hot path, without a detour
        self.is_closing = transport.is_closing
        self.lingers = False
        self._timings = timings
        self._abort = _FlushDeadline(loop, transport)
        self._over = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unwrapped, name)

    def close(self) -> None:
        """Close when everything is written, or at the deadline. Closing again changes nothing."""
        if self._over or self._abort.is_set:
            return
        if self.lingers and not self.unwrapped.is_closing() and self.unwrapped.can_write_eof():
            self._abort.set(self._timings.linger_s)
            with contextlib.suppress(OSError):  # the peer has reset the connection meanwhile
                self.unwrapped.write_eof()
            self.unwrapped.resume_reading()  # asyncio closes when the peer does
        else:
            self._abort.set(self._timings.close_s)
            self.unwrapped.close()

    def over(self) -> None:
        """Take note that the connection is lost: nothing is to be closed any more."""
        self._over = True
        self._abort.cancel()


class _Room:
    """Whether a transport has room left for what is written now."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = True


class PunctualWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with an end to every wait and a bound on what a stalled peer costs."""

    def __init__(
        self,
        *args: Any,
        timings: Timings = DEFAULT_TIMINGS,
        frames: ReadyFrames | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.timings = timings
        self.close_timeout = timings.close_s
        self.failed = False
        self.ready_frames = frames if frames is not None else ReadyFrames()
        self._room = _Room()

    async def run_asgi(self) -> None:
        """Run the app, and offer it `send_now`: see `labkit.host.ready_frames`."""
        extensions: dict[str, Any] = self.scope["extensions"]
        if not self.conn.extensions:  # with permessage-deflate, `send` compresses
            extensions[SEND_NOW] = self._make_send_now()
        self.app = functools.partial(self._run_app, self.app)
        try:
            await super().run_asgi()
        finally:
            extensions.pop(SEND_NOW, None)  # it holds this connection, which holds it

    async def _run_app(self, app: Any, scope: Any, receive: Any, send: Any) -> Any:
        result = await app(scope, receive, send)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # an answer such as 403 is complete; uvicorn would log an error
        return result

    def _make_send_now(self) -> Callable[[str | bytes], bool]:
        """Return what writes a message as a ready frame, if that need not wait.

        It runs once for each message and client: what it needs is at hand, and each call that it makes shows in
        the figures of `tests/bench/hub_fanout.py`.
        """
        conn, write, is_closing, room = self.conn, self.transport.write, self.transport.is_closing, self._room
        find, make = self.ready_frames.find, self.ready_frames.make

        def send_now(data: str | bytes) -> bool:
            if room.left and conn.state is OPEN and not is_closing():
                write(find(data) or make(data))
                return True
            if self.disconnected or is_closing():
                raise ClientDisconnected  # asyncio would take the bytes, and grumble in the log
            return False

        return send_now

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be written."""
        super().pause_writing()
        self._room.left = False

    def resume_writing(self) -> None:
        """The peer has read nearly all of it."""
        super().resume_writing()
        self._room.left = True

    def connection_made(self, transport: Any) -> None:
        """Take over a connection, mostly from `PunctualHTTP`."""
        bare = transport.unwrapped if isinstance(transport, PunctualTransport) else transport
        super().connection_made(PunctualTransport(bare, self.loop, self.timings))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """End every wait."""
        super().connection_lost(exc)
        self._punctual.over()

    @property
    def _punctual(self) -> PunctualTransport:
        return self.transport  # type: ignore[return-value]

    def data_received(self, data: bytes) -> None:
        """Take bytes in. After a violation they are dropped; a handshake that cannot be read is answered."""
        if self.failed:
            return
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self._refuse_handshake()

    def _refuse_handshake(self) -> None:
        """Send the 4xx that `websockets` has ready, say for a line above its 8 KiB: uvicorn forgets to."""
        answer = b"".join(self.conn.data_to_send()) or BAD_HANDSHAKE_RESPONSE
        self.handshake_complete = self.close_sent = True
        self.transport.write(answer)
        self.transport.close()

    def keepalive_timeout(self) -> None:
        """Close with 1011, and at once: who answers no ping does not read what is waiting either."""
        super().keepalive_timeout()
        self.transport.abort()

    def handle_parser_exception(self) -> None:
        """Close with 1002, 1007 or 1009, so that the peer gets to read it although it is still sending."""
        self.failed = True
        self.disconnected = True  # send() raises ClientDisconnected from now on
        self.stop_keepalive()
        self._punctual.lingers = True
        super().handle_parser_exception()

    def handle_ping(self) -> None:
        """Answer pings, but not those of a peer that does not read: its pongs would pile up.

        RFC 6455 section 5.5.3 asks for an answer to the most recent ping only. After a violation nothing is written.
        """
        if self.failed:
            self.conn.data_to_send()
        elif self.writable.is_set() or self.conn.close_rcvd is not None:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        """Pass a message on. Text that is no UTF-8 is the peer's mistake, so it gets a line and no traceback."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            self.frames = []
            self.logger.info("a client sent text that is no UTF-8; closed with 1007")
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Keep a message's fragments, in few pieces: the limit counts their bytes, not their number."""
        if len(self.frames) >= FRAGMENTS_PER_JOIN:
            self.frames = [b"".join(self.frames)]
        super().handle_cont(event)


def _is_utf8(parts: list[bytes]) -> bool:
    try:
        (parts[0] if len(parts) == 1 else b"".join(parts)).decode()
    except UnicodeDecodeError:
        return False
    return True


class PunctualHTTP(H11Protocol):
    """uvicorn's HTTP protocol, with a deadline for a request to arrive and for a response to be taken."""

    def __init__(self, *args: Any, timings: Timings = DEFAULT_TIMINGS, **options: Any) -> None:
        super().__init__(*args, **options)
        self.timings = timings
        self._request_deadline = _Deadline(self.loop, self._request_is_late)
        self._upgraded = False

    def connection_made(self, transport: Any) -> None:
        """Take a new connection: a request has to come."""
        super().connection_made(PunctualTransport(transport, self.loop, self.timings))  # type: ignore[arg-type]
        self._write_deadline = _FlushDeadline(self.loop, transport)
        self._request_deadline.set(self.timings.request_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """End every wait."""
        super().connection_lost(exc)
        self._punctual.over()
        self._request_deadline.cancel()
        self._write_deadline.cancel()

    @property
    def _punctual(self) -> PunctualTransport:
        return self.transport  # type: ignore[return-value]

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and see what is still to come: a head has one deadline, each part of a body its own."""
        super().data_received(data)
        if self._upgraded:
            return
        state = self.conn.their_state
        if state is h11.IDLE and not self.transport.is_closing():
            if not self._request_deadline.is_set:
                self._request_deadline.set(self.timings.request_s)
        elif state is h11.SEND_BODY:
            self._request_deadline.set(self.timings.request_s)
        else:
            self._request_deadline.cancel()

    def _request_is_late(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            if self.flow.read_paused or self.cycle.waiting_for_100_continue:
                self._request_deadline.set(self.timings.request_s)  # it waits for the app, not the app for it
            else:
                self.transport.abort()
        elif self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            if self.conn.trailing_data[0]:
                self.transport.write(REQUEST_TIMEOUT_RESPONSE)
            self.transport.close()

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be written."""
        super().pause_writing()
        self._write_deadline.set(self.timings.write_s)

    def resume_writing(self) -> None:
        """The peer has read nearly all of it."""
        super().resume_writing()
        self._write_deadline.cancel()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over to the WebSocket protocol."""
        self._upgraded = True
        self._request_deadline.cancel()
        self._write_deadline.cancel()
        super().handle_websocket_upgrade(event)
