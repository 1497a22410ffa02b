"""Reads one TCP connection's bytes: HTTP first, and after the switch frames in both directions. Pure, no I/O."""

from __future__ import annotations

import contextlib

from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.headers import parse_extension

from labkit.wire.frame import Frame, Sender
from labkit.wire.frame_reader import FrameReader
from labkit.wire.handshake import Exchange, Handshake
from labkit.wire.http_reader import KEPT_BODY_BYTES, HttpReader
from labkit.wire.judge import Judge

DEFLATE = "permessage-deflate"
WINDOW_BITS = 15
SENDERS: tuple[Sender, Sender] = ("client", "server")


class ConversationReader:
    """Takes what each side sent, in the order of recording, and tells what it was.

    Attributes:
        count: how many frames have been complete so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._http = HttpReader()
        self._reads: dict[Sender, int] = {"client": 0, "server": 0}
        self._frames: dict[Sender, FrameReader] | None = None
        self._judges: dict[Sender, Judge] = {}

    def feed(self, sender: Sender, data: bytes, at_s: float) -> list[Frame]:
        """Take the bytes of one read; return the frames that are complete now, of either side."""
        self._reads[sender] += 1
        if self._frames is not None:
            return self._read(sender, data, at_s)
        self._http.feed(sender, data, at_s)
        if not self._http.switched:
            return []
        self._frames = {each: FrameReader() for each in SENDERS}
        self._judges = self._judges_for(self._http.exchanges[-1])
        frames = []
        for each in SENDERS:
            if rest := self._http.rest(each):
                frames += self._read(each, rest, at_s)
        return frames

    def _read(self, sender: Sender, data: bytes, at_s: float) -> list[Frame]:
        frames = []
        if self._frames is not None:
            for raw in self._frames[sender].feed(data, self._reads[sender], at_s):
                self.count += 1
                frames.append(self._judges[sender].read(raw, self.count))
        return frames

    def _judges_for(self, exchange: Exchange) -> dict[Sender, Judge]:
        extensions = _deflate(exchange)
        return {each: Judge(each, extensions.get(each)) for each in SENDERS}

    # -- what there is so far --------------------------------------------------------------------

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The plain HTTP exchanges."""
        return tuple(each for each in self._http.exchanges if not isinstance(each, Handshake))

    @property
    def handshake(self) -> Handshake | None:
        """The last request for a WebSocket."""
        shakes = [each for each in self._http.exchanges if isinstance(each, Handshake)]
        return shakes[-1] if shakes else None

    @property
    def speaks_frames(self) -> bool:
        """Whether the protocol has been switched."""
        return self._frames is not None

    def partial_bytes(self, sender: Sender) -> int:
        """Return how many bytes have come of that side's frame that is on its way."""
        return self._frames[sender].partial_bytes if self._frames is not None else 0

    def partial_frames(self) -> list[Frame]:
        """Return the frames that are on their way and whose header is complete."""
        found = list[Frame]()
        for sender, reader in (self._frames or {}).items():
            if (raw := reader.partial()) is not None:
                found.append(self._judges[sender].read(raw, self.count + len(found) + 1))
        return found

    def unread(self) -> tuple[tuple[Sender, bytes], ...]:
        """Return the bytes that belong to nothing yet, by sender."""
        found = []
        for sender in SENDERS:
            source = self._frames[sender].unread() if self._frames is not None else self._http.rest(sender)
            if source:
                found.append((sender, source[:KEPT_BODY_BYTES]))
        return tuple(found)


def _deflate(exchange: Exchange) -> dict[Sender, PerMessageDeflate]:
    """Return what inflates each direction, if permessage-deflate was agreed on (RFC 7692 section 7.1).

    The largest window inflates what was deflated with any, so the agreed sizes do not matter here.
    """
    response = exchange.response
    agreed = response.header("Sec-WebSocket-Extensions") if response is not None else None
    with contextlib.suppress(InvalidHandshake):
        for name, parameters in parse_extension(agreed or ""):
            if name == DEFLATE:
                told = {parameter for parameter, _ in parameters}
                return {
                    each: PerMessageDeflate(
                        f"{each}_no_context_takeover" in told, False, WINDOW_BITS, WINDOW_BITS
                    )
                    for each in SENDERS
                }
    return {}
