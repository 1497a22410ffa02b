"""What the dashboard says. It hears nothing: whatever a viewer sends is ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from labkit.apps.asyncapi import Channel

Mood = Literal["😊", "🚀", "💪", "🎯"]


class Metrics(BaseModel):
    """The figures of one tick, the same for every viewer."""

    timestamp: str = Field(description="ISO 8601 with offset.")
    cpu: float = Field(ge=0, le=100, description="Percent.")
    memory: float = Field(ge=0, le=100, description="Percent.")
    requests_per_second: int = Field(ge=0)
    active_users: int = Field(ge=0)
    emoji_mood: Mood

    @classmethod
    def now(cls, *, cpu: float, memory: float, requests_per_second: float, active_users: int) -> Metrics:
        """Return these figures with the present time, rounded as they are shown, and their mood."""
        cpu, memory = (round(min(100.0, max(0.0, percent)), 1) for percent in (cpu, memory))
        return cls(
            timestamp=datetime.now().astimezone().isoformat(timespec="milliseconds"),
            cpu=cpu,
            memory=memory,
            requests_per_second=max(0, round(requests_per_second)),
            active_users=max(0, active_users),
            emoji_mood=mood(cpu),
        )


def mood(cpu: float) -> Mood:
    """Return how it feels: at ease, on target, taking off, or working hard."""
    if cpu < 35:
        return "😊"
    if cpu < 60:
        return "🎯"
    return "🚀" if cpu < 80 else "💪"


CHANNELS = (
    Channel(
        "dashboard",
        "/ws/dashboard",
        "The figures of each tick. What a viewer sends is ignored.",
        sends=Metrics,
    ),
)
