"""How far a submission can be kept apart, from a process of its own to namespaces of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from labkit.errors import LabError, UnknownName


class Level(IntEnum):
    """The levels of the sandbox; each one has what those below it have."""

    PROCESS = 0
    LIMITS = 1
    LANDLOCK = 2
    BUBBLEWRAP = 3


_ONE_PROCESS = "its own process, python -I, scrubbed environment, capped output"
_LIMITED = "limits on memory, CPU, processes and files"
_WORDS = {
    Level.PROCESS: _ONE_PROCESS,
    Level.LIMITS: f"{_ONE_PROCESS}, {_LIMITED}",
    Level.LANDLOCK: f"reads only Python and itself, writes only its own folder, {_LIMITED}",
    Level.BUBBLEWRAP: f"its own file system, processes and empty network, {_LIMITED}",
}


@dataclass(frozen=True)
class Sandbox:
    """What a child gets.

    Attributes:
        own_user: whether it runs as a user that owns nothing, which takes a grader that runs as root.
        tcp_closed: whether TCP connections to elsewhere are refused.
    """

    level: Level
    own_user: bool = False
    tcp_closed: bool = False

    @property
    def words(self) -> str:
        """Say it for a report, such as `bubblewrap: its own file system, …`."""
        words = [_WORDS[self.level]]
        if self.level is Level.LANDLOCK and self.tcp_closed:
            words.append("no TCP connections")
        if self.own_user:
            words.append("its own user")
        return f"{level_name(self.level)}: {', '.join(words)}"

    def to_json(self) -> dict[str, int]:
        """Return it as plain values, for another process."""
        return {"level": int(self.level), "own_user": self.own_user, "tcp_closed": self.tcp_closed}

    @classmethod
    def from_json(cls, values: dict[str, int]) -> Sandbox:
        """Return what `to_json` was called on."""
        return cls(Level(values["level"]), bool(values["own_user"]), bool(values["tcp_closed"]))


class SandboxTooWeak(LabError):
    """This machine cannot keep a submission as far apart as was asked for."""


def level_name(level: Level) -> str:
    """Return a level's name as it is written on a command line."""
    return level.name.lower()


def parse_level(text: str) -> Level:
    """Return the level of a name, such as `landlock`, `L2` or `2`.

    Raises:
        UnknownName: there is none.
    """
    name = text.strip().upper().removeprefix("L") if text.strip()[1:].isdigit() else text.strip().upper()
    if name.isdigit() and int(name) < len(Level):
        return Level(int(name))
    if name not in Level.__members__:
        raise UnknownName("level of the sandbox", text, [level_name(level) for level in Level])
    return Level[name]
