"""What a client holds: a board made from the server's messages alone, plain or `labkit.draw.v2`.

It is the shortest right client, in Python: for scripts and bots that draw, and the measure of the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Message = Mapping[str, Any]


class Replica:
    """A board as one client has it.

    Attributes:
        items: finished ones, by id. growing: strokes that are not finished, by id.
        users: who is here, as last heard. artist_id, color, token: who it is itself.
        seq, epoch: where it is; what it needs in order to resume.
        parts: how many parts of the whole board are still to come.
        repeated: how many ops it got that it had already.
    """

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.growing: dict[str, dict[str, Any]] = {}
        self.cursors: dict[str, tuple[float, float]] = {}
        self.users: list[dict[str, str]] = []
        self.artist_id = self.color = self.token = self.epoch = ""
        self.seq = 0
        self.parts = 0
        self.repeated = 0

    @property
    def ids(self) -> list[str]:
        """The ids of the finished items, in drawing order."""
        return [item["id"] for item in sorted(self.items.values(), key=lambda item: item.get("order") or 0)]

    @property
    def hello(self) -> dict[str, Any]:
        """The first message of a v2 client that comes back."""
        hello = {"type": "hello", "token": self.token}
        # Where parts are missing, nothing that came after them is a place to go on from.
        return hello if self.parts else {**hello, "since": self.seq, "epoch": self.epoch}

    def take(self, message: Message) -> None:
        """Apply a message of the server; one that says nothing about the board changes nothing."""
        match message:
            case {"type": "batch"}:
                for op in message.get("ops", ()):
                    self._take_numbered(op)
                for artist_id, x, y in message.get("cursors", ()):
                    self.cursors[artist_id] = (x, y)
            case {"type": "welcome"}:
                for name in ("artist_id", "color", "token", "epoch", "users"):
                    setattr(self, name, message[name])
                if not message.get("recovered"):
                    self._begin_anew(message["seq"], message["parts"])
            case {"type": "reset"}:
                self._begin_anew(message["seq"], message["parts"])
            case {"type": "items"}:
                self.parts -= 1
                for item in message["items"]:
                    (self.growing if item.get("growing") else self.items)[item["id"]] = item
            case {"type": "init"} | {"type": "history"}:
                for name in ("artist_id", "color"):
                    setattr(self, name, message.get(name, getattr(self, name)))
                self.growing.clear()
                self.items = {item["id"]: item for item in message["history"]}
                self.users = message.get("users", self.users)
            case {"type": "cursor"}:
                self.cursors[message["artist_id"]] = (message["x"], message["y"])
            case {"type": "user_joined" | "user_left" | "users"}:
                self.users = message["users"]
            case _:
                self._apply(message)

    def _begin_anew(self, seq: int, parts: int) -> None:
        self.items.clear()
        self.growing.clear()
        self.seq = seq
        self.parts = parts

    def _take_numbered(self, op: Message) -> None:
        if op["seq"] <= self.seq:
            self.repeated += 1
            return
        self.seq = op["seq"]
        self._apply(op)

    def _apply(self, op: Message) -> None:
        match op:
            case {"type": "draw", "id": item_id}:
                self.growing.pop(item_id, None)
                self.items[item_id] = {**op}
            case {"type": "begin", "id": item_id}:
                self.growing[item_id] = {**op, "points": list(op["points"])}
            case {"type": "points", "id": item_id, "at": at, "points": points}:
                known = self.growing[item_id]["points"]
                known[at:] = points
            case {"type": "end", "id": item_id, "order": order}:
                item = {**self.growing.pop(item_id), "order": order}
                item.pop("growing", None)
                self.items[item_id] = item
            case {"type": "removed", "ids": ids}:
                for item_id in ids:
                    self.items.pop(item_id, None)
                    self.growing.pop(item_id, None)
            case {"type": "clear"}:
                self.items.clear()
                self.growing.clear()
