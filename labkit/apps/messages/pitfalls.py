"""What the pitfalls app says and hears: a chat in few words, and work."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from labkit.apps.asyncapi import Channel
from labkit.apps.messages.chat import Message
from labkit.apps.messages.session import Error

ServerMessage = Annotated[Message | Error, Field(discriminator="type")]
"""What the server sends to those who chat."""

CHANNELS = (
    Channel(
        "chat",
        "/ws/{user_id}",
        "A chat: joining, speaking to all, leaving.",
        sends=ServerMessage,
        text="Every text is said to all.",
    ),
    Channel(
        "work",
        "/ws/work",
        "Slow work, for which nobody else waits.",
        sends=Error,
        text="Every text is a piece of work.",
        text_replies="Response, when a piece of work is done.",
    ),
)
