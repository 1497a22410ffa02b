"""What the chat app says and hears."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from labkit.apps.asyncapi import RESUME_QUERY, Channel
from labkit.apps.messages.reading import Reader
from labkit.apps.messages.session import Cleared, Error, Ping, Pong, RoomRules, Seq, Text, Welcome


class Private(BaseModel):
    """A message for one user alone."""

    type: Literal["private"]
    to: str
    message: Text


class Typing(BaseModel):
    """The client is typing."""

    type: Literal["typing"]


ClientMessage = Annotated[Private | Typing | Pong, Field(discriminator="type")]
"""What a client may send as JSON. Every other text frame is a chat message."""

read_message = Reader[Private | Typing | Pong](ClientMessage).read


def clock_time() -> str:
    """Return the local time as ``HH:MM:SS``."""
    return time.strftime("%H:%M:%S")


class Message(BaseModel):
    """What somebody said to all. With sender ``system``: who came (`event` joined) or went (left)."""

    type: Literal["message"] = "message"
    seq: Seq = None
    sender: str
    message: str
    timestamp: str = Field(default_factory=clock_time, pattern=r"^\d\d:\d\d:\d\d$")
    emoji: str = "💬"
    event: Literal["joined", "left"] | None = None
    user: str | None = Field(default=None, description="Who came or went.")

    @classmethod
    def joined(cls, user: str) -> Message:
        """Announce that a user has come."""
        return cls(
            sender="system", message=f"{user} joined the chat! 👋", emoji="📢", event="joined", user=user
        )

    @classmethod
    def left(cls, user: str) -> Message:
        """Announce that a user has gone."""
        return cls(sender="system", message=f"{user} left the chat 👋", emoji="📢", event="left", user=user)


class PrivateMessage(BaseModel):
    """What one user said to another. These two alone get it, and it is stored nowhere."""

    type: Literal["private"] = "private"
    sender: str
    to: str
    message: str
    timestamp: str = Field(default_factory=clock_time, pattern=r"^\d\d:\d\d:\d\d$")
    emoji: str = "🔒"


class TypingNow(BaseModel):
    """Somebody else is typing."""

    type: Literal["typing"] = "typing"
    sender: str


ServerMessage = Annotated[
    Message | PrivateMessage | TypingNow | Welcome | RoomRules | Cleared | Error | Ping,
    Field(discriminator="type"),
]
"""What the server sends."""

CHANNELS = (
    Channel(
        "chat",
        "/ws/{user_id}",
        "The chat.",
        ClientMessage,
        ServerMessage,
        text="Any other text is said to all.",
        query=RESUME_QUERY,
    ),
    Channel("watch", "/watch", "The chat, for one who only watches.", Pong, ServerMessage),
)
