"""Which names people may have, and who of those in a room is a person."""

from __future__ import annotations

from labkit.hub import Hub, Refused
from labkit.hub.showable import is_showable

NAME_MAX_CHARS = 128
RESERVED = "system"
"""The sender of announcements: nobody may speak in its name."""
WATCHER = "\0"
"""Watchers' names begin with this, so no person can have one: control characters are refused."""


def check_name(name: str) -> None:
    """Raise `Refused` unless a person may be called this."""
    if not name.strip() or len(name) > NAME_MAX_CHARS:
        happened = f"A name of {len(name)} characters is not possible."
    elif not is_showable(name):
        happened = f"The name {name[:32]!r} has control characters."
    elif name.strip().casefold() == RESERVED:
        happened = f"{RESERVED!r} is the server's own name."
    else:
        return
    raise Refused(
        "bad_message", happened, expected=f"1 to {NAME_MAX_CHARS} visible characters.", hint="choose another."
    )


def people(hub: Hub, room: str) -> list[str]:
    """Return who is in a room, without those who only watch: sorted, each once."""
    return [user for user in hub.users(room) if not user.startswith(WATCHER)]
