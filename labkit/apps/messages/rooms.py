"""What the rooms app says and hears."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from labkit.apps.asyncapi import RESUME_QUERY, Channel
from labkit.apps.messages.session import Cleared, Error, Ping, Pong, RoomRules, Seq, Welcome, read_pong

ClientMessage = Pong
"""What a client may send as JSON. Every other text frame is said to the room."""

read_message = read_pong


class Message(BaseModel):
    """What somebody said to the room."""

    type: Literal["message"] = "message"
    seq: Seq = None
    room_id: str
    user: str
    message: str


class UserJoined(BaseModel):
    """Somebody has come to the room."""

    type: Literal["user_joined"] = "user_joined"
    seq: Seq = None
    user: str
    message: str
    room_members: int

    @classmethod
    def of(cls, user: str, room_members: int) -> UserJoined:
        """Announce that a user has come."""
        return cls(user=user, message=f"{user} joined the room 👋", room_members=room_members)


class UserLeft(BaseModel):
    """Somebody has left the room."""

    type: Literal["user_left"] = "user_left"
    seq: Seq = None
    user: str
    message: str
    room_members: int
    namesake: Literal[True] | None = Field(
        default=None, description="Another one of that name is still here."
    )

    @classmethod
    def of(cls, user: str, room_members: int, *, namesake: bool = False) -> UserLeft:
        """Announce that a user has gone."""
        return cls(
            user=user,
            message=f"{user} left the room 👋",
            room_members=room_members,
            namesake=namesake or None,
        )


ServerMessage = Annotated[
    Message | UserJoined | UserLeft | Welcome | RoomRules | Cleared | Error | Ping,
    Field(discriminator="type"),
]
"""What the server sends."""

CHANNELS = (
    Channel(
        "rooms",
        "/ws/rooms/{room_id}",
        "One room.",
        ClientMessage,
        ServerMessage,
        text="Any other text is said to the room.",
        query=(("name", "who I am"), *RESUME_QUERY),
    ),
    Channel("watch", "/watch/{room_id}", "One room, for one who only watches.", ClientMessage, ServerMessage),
)
