"""What a swarm is to do, checked, and its limits."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from labkit.errors import LabError
from labkit.swarm.schedule import arrival_s
from labkit.swarm.script import DEFAULT_MESSAGE, MARKER, NUMBER

MAX_CLIENTS = 2_000
MAX_RATE_HZ = 100.0
MAX_DURATION_S = 600.0
MAX_WARM_UP_S = 60.0
MAX_DRAIN_S = 60.0
MIN_RAMP_UP_PER_S = 1.0
MAX_RAMP_UP_PER_S = 1_000.0
MAX_MESSAGE_CHARS = 16_000

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0

Expect = Literal["auto", "echo", "everyone", "nothing"]
"""Who gets a message back: its sender; everybody, the sender too; nobody that we can tell. `auto`: see."""

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


@dataclass(frozen=True)
class SwarmPlan:
    """What a swarm is to do.

    Attributes:
        url: `ws://`, `wss://`, `http://` or `https://` with the path; `{n}` in it is the client's number.
        clients: how many, 1 to 2 000, numbered from 1.
        rate_hz: messages a second of each client, 0 to 100; with 0 they only listen.
        duration_s: seconds that are measured, up to 600.
        warm_up_s: seconds of sending before, which are not counted.
        drain_s: seconds that the last messages may take; what is not there by then is lost.
        ramp_up_per_s: how many clients connect in a second.
        message: what they send; `{marker}` must be in it, `{n}` may be.
        expect: who should get a message back; `auto` sees for itself.
        own_server: whether the server may be on another machine of a private network.
        seed: repeats the same schedule.

    Raises:
        LabError: a value is out of its bounds.
    """

    url: str
    clients: int = 20
    rate_hz: float = 1.0
    duration_s: float = 10.0
    warm_up_s: float = 1.0
    drain_s: float = 2.0
    ramp_up_per_s: float = 100.0
    message: str = DEFAULT_MESSAGE
    expect: Expect = "auto"
    own_server: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _as_websocket_url(self.url))
        _require_between("clients", self.clients, 1, MAX_CLIENTS, whole=True)
        _require_between("rate_hz", self.rate_hz, 0, MAX_RATE_HZ)
        _require_between("duration_s", self.duration_s, 0.1, MAX_DURATION_S)
        _require_between("warm_up_s", self.warm_up_s, 0, MAX_WARM_UP_S)
        _require_between("drain_s", self.drain_s, 0, MAX_DRAIN_S)
        _require_between("ramp_up_per_s", self.ramp_up_per_s, MIN_RAMP_UP_PER_S, MAX_RAMP_UP_PER_S)
        if MARKER not in self.message:
            raise LabError(
                f"The message {self.message!r:.100} has no {MARKER}.",
                expected=f"a text with {MARKER} in it, by which it is known again.",
                hint=f"{DEFAULT_MESSAGE!r}.",
            )
        if len(self.message) > MAX_MESSAGE_CHARS:
            raise LabError(
                f"The message has {len(self.message)} characters.", expected=f"at most {MAX_MESSAGE_CHARS}."
            )
        if self.expect not in get_args(Expect):
            raise LabError(f"expect is {self.expect!r}.", expected=f"one of {', '.join(get_args(Expect))}.")

    def url_of(self, client: int) -> str:
        """Return the address of one client."""
        return self.url.replace(NUMBER, str(client))

    @property
    def shares_one_id(self) -> bool:
        """Whether the path looks like `/ws/ID` with the same ID for all, which chat allows only once."""
        parts = urlsplit(self.url).path.strip("/").split("/")
        named = len(parts) == 2 and parts[0] == "ws" and parts[1] not in _PATHS_WITHOUT_ID
        return named and self.clients > 1 and NUMBER not in self.url

    @property
    def longest_s(self) -> float:
        """How many seconds all its phases take at most."""
        ramp_s = arrival_s(self.clients, self.ramp_up_per_s) + OPEN_TIMEOUT_S
        return ramp_s + self.warm_up_s + self.duration_s + self.drain_s + 2 * CLOSE_TIMEOUT_S

    def to_json(self) -> str:
        """Return the plan as one JSON object on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> SwarmPlan:
        """Return the plan that `to_json()` wrote."""
        told: dict[str, Any] = json.loads(text)
        return cls(**told)


_PATHS_WITHOUT_ID = {"dashboard", "draw", "secure", "work", "echo", "chat"}


def _as_websocket_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LabError(f"{url!r} is no URL: {error}.", expected=_EXPECTED_URL) from None
    if parts.scheme not in _SCHEMES or not parts.hostname or port == 0:
        raise LabError(f"{url!r} is no address of a WebSocket server.", expected=_EXPECTED_URL)
    if "{" in parts.netloc or parts.username is not None:
        raise LabError(
            f"{url!r} has more than a host and a port before its path.",
            expected=_EXPECTED_URL,
            hint="{n} goes into the path or the query.",
        )
    return parts._replace(scheme=_SCHEMES[parts.scheme], path=parts.path or "/", fragment="").geturl()


_EXPECTED_URL = "something like ws://127.0.0.1:8000/ws/user{n}."


def _require_between(name: str, value: float, low: float, high: float, *, whole: bool = False) -> None:
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        raise LabError(f"{name} is {value!r}.", expected="a whole number." if whole else "a number.")
    if not low <= value <= high:
        raise LabError(f"{name} is {value:g}.", expected=f"{low:g} to {high:g}.")
