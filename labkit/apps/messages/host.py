"""What the host's page says and hears."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from labkit.apps.messages.reading import Reader
from labkit.apps.messages.session import Error, Ping, Pong

SLOW_MAX_S = 3_600


class Hello(BaseModel):
    """The first message: only who knows the token may go on."""

    type: Literal["hello"]
    token: str


class RoomControl(BaseModel):
    """Something done to a room. Undo takes back the last change of its rules.

    Clearing is not undone, but for a drawing board: there it takes back what came last, a change of the rules, a
    clear, a load or a hiding, whoever cleared or loaded.
    """

    type: Literal["lock", "unlock", "clear", "undo"]
    room: str


class PersonControl(BaseModel):
    """Something done to one person in a room. `hide` and `show` are about what they have drawn."""

    type: Literal["mute", "unmute", "kick", "readmit", "hide", "show"]
    room: str
    user: str


class Slow(BaseModel):
    """One message in so many seconds from each person; 0 ends it."""

    type: Literal["slow"]
    room: str
    seconds: float = Field(ge=0, le=SLOW_MAX_S, allow_inf_nan=False)


HostMessage = Annotated[Hello | RoomControl | PersonControl | Slow | Pong, Field(discriminator="type")]
"""What the host's page may send."""

read_message = Reader[Hello | RoomControl | PersonControl | Slow | Pong](HostMessage).read


class RoomState(BaseModel):
    """One room as the host sees it."""

    room: str
    people: list[str]
    typing: list[str]
    locked: bool
    slow_s: float
    muted: list[str]
    kicked: list[str]
    hidden: list[str] = Field(default=[], description="Whose drawings are hidden.")
    names: dict[str, str] = Field(
        default={}, description="What people are called, if not as they are listed."
    )
    colors: dict[str, str] = Field(default={}, description="What people draw in.")


class State(BaseModel):
    """All rooms, whenever something has changed."""

    type: Literal["state"] = "state"
    app: str
    rooms: list[RoomState]
    connections: int


class Done(BaseModel):
    """What the host asked for has been done, said in words."""

    type: Literal["done"] = "done"
    detail: str


ServerMessage = Annotated[State | Done | Error | Ping, Field(discriminator="type")]
"""What the server sends to the host's page."""
