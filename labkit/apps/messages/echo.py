"""What the echo app says and hears: texts."""

from __future__ import annotations

from labkit.apps.asyncapi import Channel

CHANNELS = (
    Channel(
        "echo",
        "/ws",
        "Each text is answered, in order.",
        text="Any text T.",
        text_replies="Echo: T 🔊",
    ),
)
