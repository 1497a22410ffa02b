"""The record of one connection, while it is made."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from labkit.wire.conversation import AsgiEvent, Conversation, Ending
from labkit.wire.conversation_reader import ConversationReader
from labkit.wire.frame import Frame, Sender
from labkit.wire.handshake import Exchange, HttpRequest, HttpResponse
from labkit.wire.hiding import hide_beside_frames, hide_in_frames, settled

if TYPE_CHECKING:
    from labkit.wire.recorder import Recorder

FRAME_OVERHEAD_BYTES = 600
"""What a frame takes in memory besides its payload: the bound on bytes counts it."""

_ExchangeT = TypeVar("_ExchangeT", bound=Exchange)
_Part = TypeVar("_Part", HttpRequest, HttpResponse)


class Lane(Protocol):
    """What observes the server's side of a connection; see `labkit.wire.asgi_lane`."""

    def events(self) -> tuple[AsgiEvent, ...]:
        """Return what happened, oldest first."""

    def clear(self) -> None:
        """Forget it."""


class Record:
    """The record of one connection, while it is made."""

    def __init__(
        self, recorder: Recorder, id: int, client_port: int, server_port: int, opened_at_s: float
    ) -> None:
        self.id = id
        self.server_port = server_port
        self._recorder = recorder
        self._client_port = client_port
        self._opened_at_s = opened_at_s
        self._reader = ConversationReader()
        self._chunks: collections.deque[tuple[Sender, bytes, float]] = collections.deque()
        self._taps: dict[Sender, list[Frame]] = {}
        self._shift_s = 0.0
        self._forgotten = False
        self._shown: collections.deque[Frame] = collections.deque()  # their secrets are hidden
        self._fresh: collections.deque[Frame] = collections.deque()  # since the oldest unfinished message
        self._places: list[str] = []
        self._dropped = 0
        self._endings: list[Ending] = []
        self._lane: Lane | None = None
        self._notes: dict[int, str] = {}

    @property
    def ended(self) -> bool:
        """Whether a side has let go of the connection."""
        return bool(self._endings)

    # -- the proxy's side ------------------------------------------------------------------------

    def feed(self, sender: Sender, data: bytes) -> None:
        """Keep what one read gave."""
        if self._forgotten:
            return
        self._chunks.append((sender, data, self._recorder.now()))
        self._recorder.fed(self, len(data))

    def read(self, max_chunks: int | None = None) -> None:
        """Read what was fed so far, or some of it. The recorder's lock must be held."""
        chunks, recorder = self._chunks, self._recorder
        while chunks and max_chunks != 0:  # the proxy may be adding to them
            chunk = chunks.popleft()
            recorder.read(len(chunk[1]))
            for frame in self._reader.feed(*chunk):
                self._fresh.append(frame)
                recorder.kept(self, frame)
                if (tap := self._taps.get(frame.sender)) is not None:
                    tap.append(frame)
            if max_chunks is not None:
                max_chunks -= 1

    def tap(self, sender: Sender) -> None:
        """Collect that side's frames from now on for `tapped()`."""
        with self._recorder.lock:
            self.read()
            self._taps[sender] = []

    def tapped(self, sender: Sender) -> tuple[list[Frame], int]:
        """Return the frames that were completed since the last call, and how many bytes of the next one have come."""
        with self._recorder.lock:
            self.read()
            frames, self._taps[sender] = self._taps[sender], []
            return frames, self._reader.partial_bytes(sender)

    def untap(self, sender: Sender) -> None:
        """Collect them no longer."""
        with self._recorder.lock:
            self._taps.pop(sender, None)

    def note(self, number: int, text: str) -> None:
        """Write beside a frame what a fault did with it."""
        with self._recorder.lock:
            for frames in (self._fresh, self._shown):
                for place, frame in enumerate(frames):
                    if frame.number == number:
                        frames[place] = dataclasses.replace(frame, note=text)
            self._recorder.notify()

    def end(self, by: Literal["client", "server", "proxy"], how: str) -> None:
        """Note how a side let go of the connection, once for each."""
        with self._recorder.lock:
            if all(ending.by != by for ending in self._endings):
                self._endings.append(Ending(self._recorder.now(), by, how))
                self._recorder.notify()

    # -- the server's side -------------------------------------------------------------------------

    def follow(self, lane: Lane) -> None:
        """Ask this lane for the server's side from now on."""
        self._lane = lane
        self._recorder.notify()

    # -- bounds ------------------------------------------------------------------------------------

    def drop_oldest(self) -> Frame | None:
        """Drop the oldest frame that is kept and return it."""
        frames = self._shown or self._fresh
        if not frames:
            return None
        self._dropped += 1
        return frames.popleft()

    def forget_all(self) -> None:
        """Read what was fed, and take nothing more."""
        self._forgotten = True
        self.read()

    def forget(self, shift_s: float) -> None:
        """Forget frames, events and what was dropped; times count from `shift_s` later now."""
        self.read()
        self._shown.clear()
        self._fresh.clear()
        if self._lane is not None:
            self._lane.clear()
        self._places.clear()
        self._dropped = 0
        self._opened_at_s -= shift_s
        self._shift_s += shift_s

    # -- the reader's side -------------------------------------------------------------------------

    def conversation(self) -> tuple[Conversation, list[str]]:
        """Return what is known of the connection, its secrets hidden, and where they were."""
        self.read()
        hidden, places = hide_in_frames(self._fresh)
        done = settled(self._fresh)
        self._shown.extend(hidden[:done])
        for _ in range(done):
            self._fresh.popleft()
        told = dict.fromkeys([*self._places, *places])
        self._places = list(told)
        partial, more = hide_in_frames(self._reader.partial_frames())
        talk = Conversation(
            self.id,
            self._client_port,
            self.server_port,
            self._opened_at_s,
            tuple(self._earlier(each) for each in self._reader.exchanges),
            self._earlier(self._reader.handshake) if self._reader.handshake else None,
            (*self._shown, *hidden[done:], *partial),
            tuple(self._endings),
            self._lane.events() if self._lane is not None else (),
            self._dropped,
            self._reader.unread(),
        )
        shown, beside = hide_beside_frames(talk)
        return shown, [*dict.fromkeys([*beside, *self._places, *more])]

    def _earlier(self, exchange: _ExchangeT) -> _ExchangeT:
        """Return an exchange with its times counted from when the record was cleared."""
        if not self._shift_s:
            return exchange
        request, response = exchange.request, exchange.response
        return dataclasses.replace(
            exchange,
            request=_shifted(request, self._shift_s) if request is not None else None,
            response=_shifted(response, self._shift_s) if response is not None else None,
        )


def _shifted(part: _Part, shift_s: float) -> _Part:
    return dataclasses.replace(part, at_s=part.at_s - shift_s)


def cost_bytes(frame: Frame) -> int:
    """Return what a frame takes in memory, roughly."""
    payload = 0 if frame.payload is frame.payload_on_wire else len(frame.payload)
    return len(frame.payload_on_wire) + payload + FRAME_OVERHEAD_BYTES
