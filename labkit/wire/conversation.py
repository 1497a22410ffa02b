"""One TCP connection through the proxy: its handshake, its frames, its end, and the server's side of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from labkit.wire.frame import CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, Sender
from labkit.wire.handshake import Exchange, Handshake

if TYPE_CHECKING:
    from labkit.wire.timeline import Timeline

ABNORMAL = 1006
"""What an end without a close frame is reported as (RFC 6455 section 7.1.5); never on the wire."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one side let go of the TCP connection.

    Attributes:
        at_s: when, in seconds since the trace began.
        by: whose end it was; `proxy` where a fault cut the connection.
        how: `fin` (said that it sends no more), `rst` (cut), or `fault: …`, which names the fault.
    """

    at_s: float
    by: Literal["client", "server", "proxy"]
    how: str


@dataclass(frozen=True, slots=True)
class AsgiEvent:
    """One `await receive()` or `await send()` of the app, or the end of its handler: the server's side.

    Attributes:
        at_s: when the app began to wait, in seconds since the trace began.
        done_s: when it went on; None while it still waits.
        direction: `receive`, `send`, or `handler` for the handler's start and end.
        type: the ASGI message's type such as `websocket.receive`; for the handler `started`, `returned`, or
            `raised ValueError`. Empty while the app waits for a message.
        detail: a preview of its text, bytes, code or status.
        receive_queue: how many messages waited in the server to be received when it went on; None if unknown.
        write_buffer_bytes: how many bytes waited in the server to be sent when it went on; None if unknown.
        loop_lag_s: how late the event loop was at its last look (every 50 ms), in seconds; None if unknown.
    """

    at_s: float
    done_s: float | None
    direction: Literal["receive", "send", "handler"]
    type: str
    detail: str = ""
    receive_queue: int | None = None
    write_buffer_bytes: int | None = None
    loop_lag_s: float | None = None

    @property
    def waited_s(self) -> float | None:
        """How long the app waited, in seconds; None while it still does."""
        return None if self.done_s is None else self.done_s - self.at_s


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping tied to its pong: the next pong of the other side with the same payload (RFC 6455 section 5.5.3).

    Attributes:
        frame: the ping.
        pong: the pong, or None for a ping that was never answered. A pong to a later ping answers the earlier
            ones too, as the RFC allows; they then have that pong.
    """

    frame: Frame
    pong: Frame | None

    @property
    def sender(self) -> Sender:
        """Who sent the ping."""
        return self.frame.sender

    @property
    def rtt_s(self) -> float | None:
        """Seconds from ping to pong, as the proxy saw them; None without a pong."""
        return None if self.pong is None else self.pong.at_s - self.frame.at_s


@dataclass(frozen=True, slots=True)
class Message:
    """A text or binary message, put together from its frames (RFC 6455 section 5.4).

    Attributes:
        sender: who sent it.
        data: `str` for a text message, `bytes` for a binary one or a text that is not UTF-8.
        frames: its frames; more than one if it was fragmented.
    """

    sender: Sender
    data: str | bytes
    frames: tuple[Frame, ...]

    @property
    def at_s(self) -> float:
        """When it was complete, in seconds since the trace began."""
        return self.frames[-1].at_s


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was recorded of one TCP connection.

    Attributes:
        id: its number in the trace, from 1, in order of connecting.
        client_port: the client's TCP port, as the proxy saw it.
        server_port: the proxy's own port towards the server: the app's `scope["client"][1]`.
        opened_at_s: when the client connected, in seconds since the trace began.
        exchanges: the plain HTTP requests on it, before a handshake or instead of one.
        handshake: the request for a WebSocket with its answer; None if none was asked for.
        frames: its frames of both directions, in the order in which they were complete.
        endings: how each side let go of the TCP connection, first one first; empty while it is open.
        asgi: the server's side, where it was recorded: oldest first.
        dropped_frames: how many of its oldest frames were dropped because the record was full.
        unread: bytes that fit into no frame or request, by sender: the rest of a handshake that was cut, or what
            is no HTTP at all. Only the first 4096.
    """

    id: int
    client_port: int
    server_port: int
    opened_at_s: float
    exchanges: tuple[Exchange, ...] = ()
    handshake: Handshake | None = None
    frames: tuple[Frame, ...] = ()
    endings: tuple[Ending, ...] = ()
    asgi: tuple[AsgiEvent, ...] = ()
    dropped_frames: int = 0
    unread: tuple[tuple[Sender, bytes], ...] = ()

    # -- what became of it -------------------------------------------------------------------------

    @property
    def is_websocket(self) -> bool:
        """Whether a WebSocket was asked for, be it refused."""
        return self.handshake is not None

    @property
    def is_open(self) -> bool:
        """Whether neither side has let go of the TCP connection."""
        return not self.endings

    @property
    def refused(self) -> bool:
        """Whether a WebSocket was asked for and the answer was not 101."""
        shake = self.handshake
        return shake is not None and shake.response is not None and not shake.accepted

    @property
    def path(self) -> str:
        """The path and query of its handshake or first request; empty if there was none."""
        first = self.handshake or (self.exchanges[0] if self.exchanges else None)
        return first.request.target if first is not None and first.request is not None else ""

    # -- how it was closed (section 7.1) -----------------------------------------------------------

    @property
    def close_frames(self) -> tuple[Frame, ...]:
        """The close frames of both sides, in order: the first began the closing handshake."""
        return tuple(frame for frame in self.frames if frame.opcode == CLOSE)

    @property
    def closed_by(self) -> Literal["client", "server", "nobody"] | None:
        """Who sent the first close frame; `nobody` if it ended without; None while open, or never a WebSocket."""
        if closes := self.close_frames:
            return closes[0].sender
        return "nobody" if self._ended_open else None

    @property
    def close_code(self) -> int | None:
        """The code of the first close frame: 1005 if it has none, 1006 if there is no close frame; None while open."""
        for frame in self.close_frames:
            return frame.close[0] if frame.close is not None else None
        return ABNORMAL if self._ended_open else None

    @property
    def close_reason(self) -> str:
        """The reason in the first close frame, maybe empty."""
        for frame in self.close_frames:
            return frame.close[1] if frame.close is not None else ""
        return ""

    @property
    def closed_cleanly(self) -> bool:
        """Whether both sides sent a close frame (section 7.1.4)."""
        return {frame.sender for frame in self.close_frames} == {"client", "server"}

    @property
    def _ended_open(self) -> bool:
        return self.handshake is not None and self.handshake.accepted and bool(self.endings)

    # -- what was said -----------------------------------------------------------------------------

    @property
    def pings(self) -> tuple[Ping, ...]:
        """Its pings, in order, each with its pong if one came."""
        pings, pong_of = list[Frame](), dict[int, Frame]()
        waiting: dict[Sender, list[Frame]] = {"client": [], "server": []}
        for frame in self.frames:
            if frame.opcode == PING:
                pings.append(frame)
                if not frame.dropped:
                    waiting[frame.sender].append(frame)
            elif frame.opcode == PONG:
                asked = waiting["server" if frame.sender == "client" else "client"]
                for place, ping in enumerate(asked):
                    if ping.payload == frame.payload:
                        pong_of.update((each.number, frame) for each in asked[: place + 1])
                        del asked[: place + 1]
                        break
        return tuple(Ping(frame, pong_of.get(frame.number)) for frame in pings)

    @property
    def unanswered_pings(self) -> tuple[Ping, ...]:
        """The pings to which no pong came."""
        return tuple(ping for ping in self.pings if ping.pong is None)

    @property
    def messages(self) -> tuple[Message, ...]:
        """Its whole messages, in the order in which they were complete; what is malformed belongs to none."""
        parts: dict[Sender, list[Frame]] = {"client": [], "server": []}
        messages = []
        for frame in self.frames:
            begun = parts[frame.sender]
            if frame.is_control or not frame.complete or (frame.opcode == CONTINUATION) != bool(begun):
                continue
            begun.append(frame)
            if frame.fin:
                messages.append(_message(tuple(begun)))
                begun.clear()
        return tuple(messages)

    @property
    def problems(self) -> tuple[Frame, ...]:
        """The frames that break a rule."""
        return tuple(frame for frame in self.frames if frame.problem is not None)

    # -- looks -------------------------------------------------------------------------------------

    def timeline(self, *, frames: tuple[int, int] | None = None, app: bool = False) -> Timeline:
        """Return the connection drawn: two lanes, an arrow for each frame.

        Args:
            frames: draw only from one frame to another, by number; a long conversation is folded otherwise.
            app: draw also what the app received and sent, in a third lane.
        """
        from labkit.wire.timeline import Timeline

        return Timeline(self, frames=frames, app=app)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.timeline()._repr_mimebundle_()


def _message(frames: tuple[Frame, ...]) -> Message:
    data: str | bytes = b"".join(frame.payload for frame in frames)
    if frames[0].opcode == TEXT and isinstance(data, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            data = data.decode()
    return Message(frames[0].sender, data, frames)
