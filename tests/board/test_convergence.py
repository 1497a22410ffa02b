"""After anything that anybody does, in any interleaving: all replicas, the server and a newcomer agree."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labkit.board.board import Accepted, Board
from labkit.board.keeping import dump, replay, restore
from labkit.board.refusal import BoardRefused
from labkit.board.replica import Replica

Request = tuple[str, Any]


class Server:
    """A board, what it has kept, and the lines to its clients, each in two directions."""

    def __init__(self) -> None:
        self.life = 0
        self.board = Board("")
        self.kept: list[str] = []
        self.records: list[str] = []
        self.clients: list[Client] = []
        self.accept(self.board.begin_epoch("0"))

    def accept(self, accepted: Accepted) -> None:
        if accepted.record:
            self.records.append(accepted.record)
        for op in accepted.ops:
            for client in self.clients:
                if client.away:
                    continue
                if not op.text:
                    client.down.extend(whole(self.board, client.plain, "reset"))
                elif client.plain and op.plain:
                    client.down.append(json.loads(op.plain))
                elif not client.plain:
                    client.down.append({"type": "batch", "ops": [json.loads(op.text)]})

    def ask(self, artist: str, request: Request) -> None:
        name, arguments = request
        try:
            if name in ("draw", "begin"):
                arguments = ("#123456", *arguments)
            self.accept(getattr(self.board, name)(*(artist, *arguments) if name != "uncover" else ()))
        except BoardRefused:
            return

    def crash(self, lost: int, compacts: bool) -> None:
        """Die without a word, the last records unwritten, and begin another life from what was kept."""
        if compacts:
            self.kept, self.records = list(dump(self.board)), []
        else:
            del self.records[max(0, len(self.records) - lost) :]
        self.board = restore(self.kept) if self.kept else Board("")
        for record in self.records:
            replay(self.board, record)
        self.life += 1
        self.accept(self.board.begin_epoch(str(self.life)))
        for client in self.clients:
            client.away = True
            client.up.clear()
            client.down.clear()


def whole(board: Board, plain: bool, how: str, **more: Any) -> list[dict[str, Any]]:
    items = [json.loads(item.text) for item in board.finished()]
    if plain:
        return [{"type": "init" if how == "welcome" else "history", "history": items, **more}]
    items += [json.loads(item.text) for item in board.growing()]
    return [
        {"type": how, "seq": board.seq, "parts": 1, **more},
        {"type": "items", "items": items},
    ]


class Client:
    """A client that keeps what was not acknowledged, and sends it again when it comes back."""

    def __init__(self, server: Server, name: str, *, plain: bool = False) -> None:
        self.server = server
        self.name = name
        self.plain = plain
        self.replica = Replica()
        self.up: deque[Request] = deque()
        self.down: deque[dict[str, Any]] = deque()
        self.unfinished: dict[str, list[Request]] = {}
        self.meant: dict[str, list[Any]] = {}
        self.drawn = 0
        self.away = False
        server.clients.append(self)
        self.come()

    def come(self) -> None:
        """Connect: what was on the line is lost."""
        self.away = False
        self.up.clear()
        self.down.clear()
        self.replica.users = []
        you = {"artist_id": self.name, "color": "", "token": "", "users": []}
        board = self.server.board
        missed = None if self.plain else board.log.since(self.replica.epoch, self.replica.seq)
        if missed is None:
            self.down.extend(whole(board, self.plain, "welcome", epoch=board.log.epoch, **you))
        else:
            here = {"epoch": board.log.epoch, "seq": board.seq, "parts": 0, "recovered": True}
            self.down.append({"type": "welcome", **here, **you})
            self.down.append({"type": "batch", "ops": [json.loads(text) for text in missed]})
        for requests in self.unfinished.values():
            self.up.extend(requests)

    def send(self, request: Request) -> None:
        self.up.append(request)
        if not self.plain and request[0] in ("begin", "extend", "end"):
            self.unfinished.setdefault(request[1][0], []).append(request)
        if request[0] in ("draw", "begin", "extend"):
            self.meant.setdefault(request[1][0], []).extend(request[1][-1])

    def flush_up(self, count: int) -> None:
        if self.away:
            return
        for _ in range(min(count, len(self.up))):
            self.server.ask(self.name, self.up.popleft())

    def flush_down(self, count: int) -> None:
        for _ in range(min(count, len(self.down))):
            self.replica.take(self.down.popleft())
            for item_id in [i for i in self.unfinished if i in self.replica.items]:
                del self.unfinished[item_id]

    def do(self, what: str, size: int) -> None:
        if what in ("undo", "redo", "clear", "uncover"):
            self.send((what, ()))
        elif what in ("hide", "show"):
            self.server.ask("AB"[size % 2], (what, ()))
        elif what == "load":
            self.send(("load", ([["#000000", "pen", 1, [[size, size]], "old"]] * size,)))
        elif what == "draw" or self.plain:
            self.send(("draw", (self._new_id(), "pen", 2, [[size, size]])))
        elif what == "begin":
            self.send(("begin", (self._new_id(), "pen", 2, [[size, 0]])))
        elif self.unfinished:
            item_id, requests = next(reversed(self.unfinished.items()))
            at = 1 + sum(len(request[1][2]) for request in requests if request[0] == "extend")
            if requests[-1][0] != "end":
                more = (
                    ("extend", (item_id, at, [[size, at]] * size))
                    if what == "extend"
                    else ("end", (item_id, at))
                )
                self.send(more)

    def _new_id(self) -> str:
        self.drawn += 1
        return f"{self.name}{self.drawn}"

    def settle(self) -> None:
        if self.away:
            self.come()
        self.flush_up(len(self.up))


def seen(replica: Replica) -> list[tuple[Any, ...]]:
    return [(i, replica.items[i]["order"], replica.items[i]["points"]) for i in replica.ids]


KINDS = {"A": False, "B": True, "C": False}
DOING = (
    "draw",
    "begin",
    "extend",
    "extend",
    "end",
    "undo",
    "redo",
    "clear",
    "uncover",
    "hide",
    "show",
    "load",
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("do"), st.integers(0, 2), st.sampled_from(DOING), st.integers(1, 3)),
        st.tuples(st.sampled_from(["up", "down"]), st.integers(0, 2), st.integers(1, 9)),
        st.tuples(st.just("cut"), st.integers(0, 2)),
        st.tuples(st.just("crash"), st.integers(0, 4), st.booleans()),
    ),
    max_size=80,
)


def run(steps: list[tuple[Any, ...]]) -> tuple[Server, list[Client]]:
    server = Server()
    clients = [Client(server, name, plain=plain) for name, plain in KINDS.items()]
    for step in steps:
        match step:
            case ("do", who, what, size):
                clients[who].do(what, size)
            case ("up", who, count):
                clients[who].flush_up(count)
            case ("down", who, count):
                clients[who].flush_down(count)
            case ("cut", who):
                clients[who].come()
            case ("crash", lost, compacts):
                server.crash(lost, compacts)
    for client in clients:
        client.settle()
    for name in KINDS:
        server.accept(server.board.end_all(name))
    for client in clients:
        client.flush_down(len(client.down))
    return server, clients


def check(steps: list[tuple[Any, ...]]) -> None:
    server, clients = run(steps)
    newcomers = [Client(server, "D"), Client(server, "E", plain=True)]
    for newcomer in newcomers:
        newcomer.flush_down(9)
    want = [(i.id, i.order, json.loads(i.points)) for i in server.board.finished()]
    for client in (*clients, *newcomers):
        # A plain client takes a redone item in its old place only if it minds the order, as this one does.
        assert seen(client.replica) == want, client.name
        assert not client.replica.growing
        assert not client.replica.repeated
        for item_id, points in client.meant.items():
            if item_id in client.replica.items:
                drawn = client.replica.items[item_id]["points"]
                assert drawn == points[: len(drawn)]  # nothing twice, nothing left out
    assert server.board.visible == len(want)
    again = restore(server.kept) if server.kept else Board("")
    for record in server.records:
        replay(again, record)
    assert list(dump(again)) == list(dump(server.board))
    assert again.bytes == server.board.bytes == sum(i.bytes for i in again.items.values())


@given(STEPS)
@settings(max_examples=150, deadline=None)
@example([("do", 0, "begin", 1), ("up", 0, 9), ("do", 0, "extend", 3), ("up", 0, 9), ("crash", 1, False)])
@example(
    [("do", 0, "draw", 1), ("do", 0, "undo", 1), ("up", 0, 9), ("crash", 1, False), ("do", 0, "redo", 1)]
)
def test_everybody_agrees_whatever_happened(steps):
    check(steps)


def test_the_check_finds_a_server_that_numbers_two_things_alike(monkeypatch):
    seen_and_lost = [("do", 0, "draw", 1), ("up", 0, 9), ("down", 2, 9), ("crash", 1, False)]
    steps = [*seen_and_lost, ("cut", 0), ("do", 0, "draw", 2), ("up", 0, 9)]
    check(steps)
    monkeypatch.setattr(
        "labkit.board.op_log.OpLog.begin_epoch", lambda self, epoch: setattr(self, "epoch", "0")
    )
    with pytest.raises(AssertionError):
        check(steps)


def test_the_check_finds_points_that_are_taken_twice(monkeypatch):
    steps = [("do", 0, "begin", 1), ("do", 0, "extend", 2), ("up", 0, 9), ("cut", 0), ("do", 0, "end", 1)]
    check(steps)
    real = Board.extend

    def careless(self: Board, artist_id: str, item_id: str, at: int, points: Any) -> Accepted:
        return real(self, artist_id, item_id, self.items[item_id].count, points)

    monkeypatch.setattr(Board, "extend", careless)
    with pytest.raises(AssertionError):
        check(steps)


def test_a_replica_that_lost_its_line_among_the_parts_begins_anew():
    replica = Replica()
    welcome = {"artist_id": "ada", "color": "#000000", "token": "t", "epoch": "E", "users": []}
    replica.take({"type": "welcome", "recovered": False, "seq": 900, "parts": 2} | welcome)
    replica.take({"type": "items", "items": []})
    assert replica.hello == {"type": "hello", "token": "t"}
    replica.take({"type": "items", "items": []})
    assert replica.hello == {"type": "hello", "token": "t", "since": 900, "epoch": "E"}
