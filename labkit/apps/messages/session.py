"""Messages that are the same in every app over the hub: welcome, rules, errors, and the heartbeat."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from labkit.apps.messages.reading import Reader
from labkit.hub import Joined, Rules
from labkit.hub.limits import TEXT_MAX_CHARS

Text = Annotated[str, Field(max_length=TEXT_MAX_CHARS)]
Seq = Annotated[int | None, Field(ge=1, description="Its number in the room, written by the hub.")]


class Pong(BaseModel):
    """The client's answer to a ping."""

    type: Literal["pong"]


read_pong = Reader[Pong](Pong).read


class Ping(BaseModel):
    """The server asks whether the client is there. `t` is the server's clock in milliseconds."""

    type: Literal["ping"] = "ping"
    t: int


class Error(BaseModel):
    """Something was refused, and nothing has changed. Only the sender gets it."""

    type: Literal["error"] = "error"
    code: str
    detail: str
    retry_ms: int | None = Field(default=None, description="When it would work, if waiting helps.")


class RoomRules(BaseModel):
    """What the host has set for a room, and for the one who gets this."""

    type: Literal["rules"] = "rules"
    room: str
    locked: bool
    slow_s: float
    muted: bool

    @classmethod
    def of(cls, room: str, rules: Rules, user: str) -> RoomRules:
        """Say a room's rules as they are for one user."""
        return cls(room=room, locked=rules.locked, slow_s=rules.slow_s, muted=user in rules.muted)


class Welcome(BaseModel):
    """The first message to a client that can resume (it came with ``?resume=1``, or with a position).

    `recovered` is true if all that was missed follows, false if it is not known any more and the client has
    to start anew, and absent if it did not ask.
    """

    type: Literal["welcome"] = "welcome"
    room: str
    user: str
    users: list[str]
    epoch: str
    seq: int
    recovered: bool | None = None
    missed: int
    rules: RoomRules

    @classmethod
    def of(cls, joined: Joined, *, user: str, users: list[str], rules: Rules) -> Welcome:
        """Welcome a user who has just entered a room."""
        return cls(
            room=joined.room,
            user=user,
            users=users,
            epoch=joined.position.epoch,
            seq=joined.position.seq,
            recovered=joined.recovered,
            missed=joined.missed,
            rules=RoomRules.of(joined.room, rules, user),
        )


class Cleared(BaseModel):
    """The host has cleared the room: what it said before is gone."""

    type: Literal["cleared"] = "cleared"
    seq: Seq = None
    room: str
