"""The copy of a drawing board that the checks compare: made of the server's messages, and strict about them."""

from __future__ import annotations

import pytest

from labkit.grader.artist import Replica, same_item
from labkit.grader.failures import WrongAnswer
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox
from labkit.grader.sandbox import start_child
from labkit.grader.server import Server

COLOR = "#1a2b3c"
ADA = {"artist_id": "ada", "name": None, "color": COLOR}


def item(item_id: str, **fields):
    stroke = {"id": item_id, "tool": "pen", "points": [[1, 2], [3.5, 4]], "width": 3}
    return {**stroke, "artist_id": "ada", "color": COLOR, **fields}


def test_a_replica_holds_what_the_messages_in_turn_make_of_the_board():
    board = Replica()
    board.apply({"type": "init", **ADA, "history": [item("a"), item("b")], "active_users": 1, "users": [ADA]})
    board.apply({"type": "draw", **item("c"), "seq": 7})
    board.apply({"type": "removed", "ids": ["a", "unknown"]})
    assert list(board.items) == ["b", "c"]
    board.apply({"type": "history", "history": [item("d")]})
    assert list(board.items) == ["d"]
    board.apply({"type": "clear", "artist_id": "ada"})
    assert (board.items, board.cleared_by, board.seen) == ({}, ["ada"], {"a", "b", "c", "d"})
    board.apply({"type": "user_left", "artist_id": "ada", "active_users": 0, "users": []})
    assert (board.users, board.active_users) == ({}, 0)


def test_a_replica_passes_over_other_types_and_keeps_the_last_cursor():
    board = Replica()
    board.apply({"type": "welcome", "anything": 1})
    for x in (1, 2):
        board.apply({"type": "cursor", "artist_id": "ada", "color": COLOR, "x": x, "y": 5})
    assert board.items == {}
    assert board.cursors["ada"]["x"] == 2


@pytest.mark.parametrize(
    ("message", "observed"),
    [
        ([1], r"\[1\]"),
        ({"draw": 1}, "draw"),
        ({"type": "draw", **item("a", points=[["1", "2"]])}, r"not a list of points \[x, y\]"),
        ({"type": "draw", **item("a", points=[[1, 2, 3]])}, r"not a list of points \[x, y\]"),
        ({"type": "draw", **item("a", points=[[True, 2]])}, r"not a list of points \[x, y\]"),
        ({"type": "draw", **item("a", width=float("nan"))}, "not a number"),
        ({"type": "draw", **item("a", color="red")}, "not a colour such as"),
        ({"type": "draw", **item("a", tool="hammer")}, "not one of the tools"),
        ({"type": "cursor", "artist_id": "ada", "color": COLOR, "x": 10**400, "y": 1}, "not a number"),
        ({"type": "clear"}, "no field 'artist_id'"),
        ({"type": "history", "history": [item("a"), item("a")]}, "observed: "),
    ],
)
def test_a_replica_refuses_what_no_server_may_send(message, observed):
    with pytest.raises(WrongAnswer, match=observed):
        Replica().apply(message)


def test_items_are_the_same_but_for_rounding():
    assert same_item(item("a"), item("b", points=[[1, 2], [4, 4]], width=3.4))
    assert not same_item(item("a"), item("a", points=[[1, 2], [4.1, 4]]))
    assert not same_item(item("a"), item("a", points=[[1, 2]]))
    assert not same_item(item("a"), item("a", tool="line"))
    assert not same_item(item("a"), item("a", width=4))


KEEPER = """
import os, pathlib

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    place, _, name = scope["path"].removeprefix("/").partition("/")
    folder = pathlib.Path(os.environ["DATA_DIR"])
    if place == "keep":
        (folder / name).write_text("kept")
    if place == "stray":
        (folder.parent / name).write_text("strayed")
    names = ",".join(sorted(path.name for path in folder.iterdir()))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": names.encode()})
"""


@pytest.mark.slow
def test_a_server_that_is_started_again_finds_its_data_and_files_elsewhere_are_found():
    children = [start_child(KEEPER.encode(), {}, strongest_sandbox())]

    def restart():
        children[-1].stop()
        children.append(start_child(KEEPER.encode(), {}, strongest_sandbox(), data=children[-1].data_folder))
        children[-2].kill()
        return children[-1]

    try:
        server = Server(children[0], Limits(), "seed", restart=restart)
        server.get_text("/keep/a-word.json")
        assert server.files_outside_data("a-word") == []
        server.restart()
        assert server.get_text("/list") == "a-word.json"
        server.get_text("/stray/a-word.txt")
        assert [path.rpartition("/")[2] for path in server.files_outside_data("a-word")] == ["a-word.txt"]
        assert server.files_outside_data("another") == []
    finally:
        children[-1].kill()
