"""What the lifecycle app says and hears: texts."""

from __future__ import annotations

from labkit.apps.asyncapi import Channel

CHANNELS = (
    Channel(
        "lifecycle",
        "/ws/{client_id}",
        "Each text is answered, in order; GET /events tells who came, said what and left how.",
        text="Any text T.",
        text_replies="Server received: T ✨",
    ),
)
