"""A room: its audience, who is present, who is typing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labkit.hub.audience import Audience
from labkit.hub.counters import Counters
from labkit.hub.history import Position
from labkit.hub.limits import Limits
from labkit.hub.parcel import Parcel
from labkit.hub.presence import Presence
from labkit.hub.refusal import Refused
from labkit.hub.showable import is_showable
from labkit.hub.turn import Run, Turn
from labkit.hub.typists import Typists
from labkit.hub.writer import Writer


class Room(Audience):
    """A named audience with presence. It exists while somebody is in it, or in the grace after leaving."""

    __slots__ = ("name", "presence", "typists")

    def __init__(self, name: str, counters: Counters, turn: Turn, limits: Limits) -> None:
        super().__init__(f"room:{name}", counters, turn)
        self.name = name
        self.presence = Presence()
        self.typists = Typists(ttl_s=limits.typing_ttl_s, min_interval_s=limits.typing_min_interval_s)

    @property
    def empty(self) -> bool:
        """True when nobody is here, is joining, or may still come back unnoticed."""
        return not self.receivers and not self.presence


@dataclass(frozen=True, slots=True)
class Joined:
    """What entering a room came to.

    Attributes:
        position: where the room is for this client; it gets all that is numbered above it.
        recovered: True if it got all that it missed, False if it has to start anew, None if it never asked.
        missed: how many messages it caught up.
        first: True if its user was not present, so that others will want to hear of it.
        members: users present now, this one included.
    """

    room: str
    position: Position
    recovered: bool | None
    missed: int
    first: bool
    members: int

    @property
    def resume(self) -> dict[str, object]:
        """What a page needs in order to resume: ``{"epoch", "seq", "recovered", "missed"}``."""
        return {
            "epoch": self.position.epoch,
            "seq": self.position.seq,
            "recovered": self.recovered,
            "missed": self.missed,
        }


class Intake:
    """Holds back what a room says while a connection joins it, within the outbox's bounds."""

    __slots__ = ("_bytes", "_limits", "_writer", "clear", "held")

    def __init__(self, writer: Writer, limits: Limits) -> None:
        self._writer = writer
        self._limits = limits
        self._bytes = 0
        self.clear: Callable[[str | bytes], bool] | None = None  # what is held comes first
        self.held: list[Parcel] = []

    def offer(self, parcel: Parcel) -> None:
        """Hold a parcel, or close a connection whose joining takes too long."""
        self._bytes += parcel.size
        if len(self.held) >= self._limits.outbox_max_messages or self._bytes > self._limits.outbox_max_bytes:
            self._writer.overflow()
        else:
            self.held.append(parcel)

    def offer_run(self, run: Run) -> int:
        """Hold several parcels."""
        for parcel in run.parcels:
            self.offer(parcel)
        return 0

    def lost(self, error: Exception, ignored: int = 0) -> None:
        """Pass on that the transport failed; nothing is written by way of here."""
        self._writer.lost(error, ignored)


def check_name(name: str, limits: Limits) -> None:
    """Raise `Refused` unless this can be a room's name: 1 to 64 showable characters."""
    if not 0 < len(name) <= limits.room_name_max_chars or not is_showable(name):
        raise Refused(
            "bad_room",
            f"{name[: limits.room_name_max_chars]!r} can't be the name of a room.",
            expected=f"1 to {limits.room_name_max_chars} printable characters.",
        )
