"""A client of a drawing server, which keeps a copy of the board made of nothing but what the server says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote as percent_encoded

from labkit.grader.failures import WrongAnswer
from labkit.grader.pattern import Where, difference
from labkit.grader.server import Server
from labkit.grader.wording import quote

TOOLS = ("pen", "eraser", "line", "rect", "ellipse")
SLACK = 0.5
"""A server may round coordinates and widths, for a board has no half pixels."""

_IDLE_S = 0.005


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _is_point(value: Any) -> bool:
    return type(value) is list and len(value) == 2 and all(map(_is_number, value))


NUMBER = Where("a number", _is_number)
COLOR = Where(
    "a colour such as #1a2b3c", lambda v: type(v) is str and bool(re.fullmatch("#[0-9a-fA-F]{6}", v))
)
POINTS = Where("a list of points [x, y]", lambda v: type(v) is list and all(map(_is_point, v)))
TOOL = Where("one of the tools", lambda v: type(v) is str and v in TOOLS)

ITEM = {"id": str, "artist_id": str, "color": COLOR, "tool": TOOL, "points": POINTS, "width": NUMBER}
USERS = {"active_users": int, "users": [{"artist_id": str, "name": object, "color": COLOR}]}
PATTERNS: dict[str, dict[str, Any]] = {
    "init": {"artist_id": str, "color": COLOR, "history": [ITEM], **USERS},
    "user_joined": {"artist_id": str, **USERS},
    "user_left": {"artist_id": str, **USERS},
    "draw": ITEM,
    "cursor": {"artist_id": str, "color": COLOR, "x": NUMBER, "y": NUMBER},
    "clear": {"artist_id": str},
    "removed": {"ids": [str]},
    "history": {"history": [ITEM]},
    "saved": {"name": str},
    "error": {"detail": str},
}
"""What each message of the server has at least. Messages of other types are passed over."""


class Replica:
    """What a client holds that applies the server's messages in turn.

    Attributes:
        items: the strokes and shapes by id, in the order in which they came.
        seen: ids of all items that were on the board at some time.
        users: who is there by artist id, with name and colour, as it was told last.
        active_users: how many are there, as it was told last.
        cursors: where each artist's cursor was last, by artist id.
        cleared_by: who cleared the board, one artist id a time.
        saved: names under which the board was saved for this client.
    """

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.seen: set[str] = set()
        self.users: dict[str, dict[str, Any]] = {}
        self.active_users = 0
        self.cursors: dict[str, dict[str, Any]] = {}
        self.cleared_by: list[str] = []
        self.saved: list[str] = []

    def apply(self, message: Any) -> None:
        """Apply one message.

        Raises:
            WrongAnswer: it is none that a server may send.
        """
        if type(message) is not dict or type(message.get("type")) is not str:
            raise WrongAnswer(expected="JSON objects with a `type`", observed=quote(message))
        kind = message["type"]
        if kind not in PATTERNS:
            return
        found = difference(message, PATTERNS[kind])
        if found:
            raise WrongAnswer(
                expected=f"each {kind!r} has the fields that task.md names",
                observed=f"{quote(message)}: {found}",
            )
        if "users" in PATTERNS[kind]:
            self.users = {user["artist_id"]: user for user in message["users"]}
            self.active_users = message["active_users"]
        if "history" in PATTERNS[kind]:
            self.items = {item["id"]: item for item in message["history"]}
            if len(self.items) != len(message["history"]):
                raise WrongAnswer(expected="each id once in `history`", observed=quote(message["history"]))
            self.seen |= self.items.keys()
        match kind:
            case "draw":
                self.items[message["id"]] = message
                self.seen.add(message["id"])
            case "removed":
                for item_id in message["ids"]:
                    self.items.pop(item_id, None)
            case "clear":
                self.items = {}
                self.cleared_by.append(message["artist_id"])
            case "cursor":
                self.cursors[message["artist_id"]] = message
            case "saved":
                self.saved.append(message["name"])


class Artist:
    """Somebody who draws.

    Attributes:
        id: the artist id that the server gave.
        color: the colour that it gave.
        board: what this client holds.
        drawn: what it sent, by id, in order.
    """

    def __init__(
        self,
        server: Server,
        name: str | None = None,
        *,
        who: str = "",
        will_stall: bool = False,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Come to the board.

        Args:
            name: what the server is told; it is free to the check, and need not be given.
            who: a name for the report.
            will_stall: this artist will stop reading.
            meanwhile: is called after the connection is accepted, before `init` is taken in.
        """
        path = "/ws/draw" if name is None else f"/ws/draw?name={percent_encoded(name, safe='')}"
        self.who = who or name or "an artist"
        self._server = server
        self._ws = server.connect(path, who=self.who, will_stall=will_stall)
        meanwhile()
        init = self._ws.expect_json({"type": "init", **PATTERNS["init"]}, among=_is_of_known_type)
        self.id: str = init["artist_id"]
        self.color: str = init["color"]
        self.board = Replica()
        self.board.apply(init)
        self.drawn: dict[str, dict[str, Any]] = {}

    @property
    def is_gone(self) -> bool:
        """Tell whether the server has let this client go."""
        return self._ws.is_over

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message of that type."""
        self._ws.send_json({"type": kind, **fields})

    def send_text(self, text: str) -> None:
        """Send a text frame as it is."""
        self._ws.send(text)

    def send_whatever(self, *texts: str) -> None:
        """Send texts as fast as the server takes them. It may stop taking them, or send this client away."""
        self._ws.send_if_taken(*texts)

    def draw(self, **fields: Any) -> str:
        """Draw something random, with some fields as given, and return its id."""
        stroke = {**self._something(), **fields}
        self.drawn[stroke["id"]] = stroke
        self.send("draw", **stroke)
        return str(stroke["id"])

    def draw_whatever(self) -> str:
        """Draw something random, though the server may have let this client go, and return its id."""
        stroke = self._something()
        self.send_whatever(json.dumps({"type": "draw", **stroke}))
        return str(stroke["id"])

    def update(self) -> int:
        """Apply what has come by now, and return how many messages that were."""
        messages = self._ws.take_json()
        for message in messages:
            self.board.apply(message)
        return len(messages)

    def require_connection(self, expected: str) -> None:
        """End the check if the server has let this client go."""
        self._ws.require_open(expected)

    def close(self) -> None:
        """Leave politely."""
        self._ws.close()

    def close_if_open(self) -> None:
        """Leave politely, unless the server has let this client go."""
        if not self.is_gone:
            self._ws.drop()

    def abort(self) -> None:
        """Leave rudely: cut the connection."""
        self._ws.abort()

    def _something(self) -> dict[str, Any]:
        chance = self._server.random
        # Whole numbers and halves, as a browser sends them where a screen has two pixels for one.
        points = [[chance.randrange(2000) / 2, chance.randrange(1000)] for _ in range(chance.randrange(2, 6))]
        item_id = f"{chance.getrandbits(64):016x}"
        return {"id": item_id, "tool": "pen", "points": points, "width": chance.randrange(1, 20)}


def wait_for(
    server: Server,
    artists: Iterable[Artist],
    holds: Callable[[], bool],
    expected: str,
    observed: Callable[[], str] = lambda: "it did not",
) -> None:
    """Let artists apply what comes until something holds. All of them read meanwhile, so nobody is slow.

    Args:
        expected: what is to hold, in words.
        observed: says in words what there is instead.
    """
    artists = list(artists)
    started = time.monotonic()
    deadline = server.deadline()
    while True:
        news = sum(artist.update() for artist in artists)
        if holds():
            return
        if time.monotonic() > deadline:
            server.fail_as_answered(expected, f"{observed()}, still after {time.monotonic() - started:.1f} s")
        if news:
            deadline = server.deadline()
        else:
            for artist in artists:
                artist.require_connection(expected)
            time.sleep(_IDLE_S)


def same_item(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two items are drawn alike: tool, width and points, but for rounding."""
    return (
        one["tool"] == other["tool"]
        and abs(one["width"] - other["width"]) <= SLACK
        and len(one["points"]) == len(other["points"])
        and all(
            abs(a - b) <= SLACK
            for point, twin in zip(one["points"], other["points"], strict=True)
            for a, b in zip(point, twin, strict=True)
        )
    )


def _is_of_known_type(message: Any) -> bool:
    return type(message) is not dict or type(message.get("type")) is not str or message["type"] in PATTERNS
