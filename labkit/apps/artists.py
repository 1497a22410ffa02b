"""Who draws on a board: an id of the server's making, a colour that nobody else has, and a token to come back by."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass

from labkit.apps.messages.drawing import Artist
from labkit.apps.names import check_name
from labkit.board.limits import NAME_MAX_CHARS
from labkit.board.palette import free_color
from labkit.hub import Connection, Refused

SHOWN_CHARS = 8
_TOKEN = re.compile(r"([\w.-]{1,40})~(#[0-9a-f]{6})~([0-9a-f]{32})", re.ASCII)


@dataclass(eq=False, slots=True)
class Person:
    """Somebody who is here, or in the grace after leaving.

    Attributes:
        id: what all others know this artist by.
        label: the id as JSON, for messages that are put together by hand.
        plain: this artist's client speaks the plain contract, and can't come back as the same.
        connection: the newest one, for what this artist is not to get.
    """

    id: str
    name: str
    color: str
    label: str
    plain: bool = False
    connection: Connection | None = None

    @property
    def shown(self) -> Artist:
        """What others see."""
        return Artist(artist_id=self.id, name=self.name, color=self.color)


class Artists:
    """The artists on one board.

    Args:
        board: its name.
        key: what tokens are signed with, so that nobody can make one up.
    """

    def __init__(self, board: str, key: bytes) -> None:
        self._board = board
        self._key = key
        self.here: dict[str, Person] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self.here)

    @property
    def shown(self) -> list[Artist]:
        """Everybody here, in the order of their coming."""
        return [person.shown for person in self.here.values()]

    def recognise(self, name: str, token: str = "") -> Person:
        """Return who this is: the one that the token was given to, or somebody new. Not here yet: see `enter`.

        Raises:
            Refused: nobody can be called so.
        """
        self._count += 1
        name = name.strip() or f"Artist {self._count}"
        check_name(name)
        if len(name) > NAME_MAX_CHARS:
            raise Refused(
                "bad_message",
                f"A name of {len(name)} characters is too long.",
                expected=f"at most {NAME_MAX_CHARS} characters.",
            )
        artist_id, color = self._owner(token)
        if present := self.here.get(artist_id):
            return present
        artist_id = artist_id or f"{_readable(name)}-{secrets.token_hex(3)}"
        taken = {person.color for person in self.here.values()}
        return Person(artist_id, name, free_color(taken, color), f'"{artist_id}"')

    def enter(self, person: Person) -> bool:
        """Count a person as here; False if they were already. Their colour is theirs until they leave."""
        first = person.id not in self.here
        if first and any(other.color == person.color for other in self.here.values()):
            person.color = free_color({other.color for other in self.here.values()})
        self.here[person.id] = person
        return first

    def leave(self, artist_id: str) -> Person | None:
        """Count a person as gone, and their colour as free."""
        return self.here.pop(artist_id, None)

    def token(self, person: Person) -> str:
        """Return what makes its bearer this artist again, with this colour if it is free then."""
        return f"{person.id}~{person.color}~{self._signature(person.id, person.color)}"

    def _owner(self, token: str) -> tuple[str, str]:
        """Return the id and the colour that a token of this board was given with; empty for any other."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return "", ""
        artist_id, color, signature = match.groups()
        known = hmac.compare_digest(signature, self._signature(artist_id, color))
        return (artist_id, color) if known else ("", "")

    def _signature(self, artist_id: str, color: str) -> str:
        said = f"{self._board}\n{artist_id}\n{color}".encode()
        return hmac.digest(self._key, said, "sha256").hex()[:32]


def _readable(name: str) -> str:
    """Return the beginning of a name as an id may have it, for hosts and logs."""
    return re.sub(r"[^a-z0-9]", "", name.lower())[:SHOWN_CHARS] or "artist"
