"""What the auth app says and hears: over HTTP as models, over its WebSocket as plain text."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from labkit.apps.asyncapi import Channel


class Credentials(BaseModel):
    """Who somebody claims to be, and the proof."""

    username: str = Field(max_length=128)
    password: str = Field(max_length=1_024)


class IssuedToken(BaseModel):
    """A token, in the words of OAuth 2.0 (RFC 6749 section 5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds.")


CHANNELS = (
    Channel(
        "secure",
        "/ws/secure",
        "An echo for those who have a token, for as long as it is good.",
        text="Any text is answered.",
        text_replies="A welcome first, then one answer to each text.",
        query=(("token", "a JSON Web Token, signed with HS256"),),
    ),
)
