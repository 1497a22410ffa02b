"""The board without a wire: what is visible after anything that anybody does."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any

import pytest

from labkit.board import board as board_module
from labkit.board import covers as covers_module
from labkit.board import stacks as stacks_module
from labkit.board.board import REPLACED, Accepted, Board
from labkit.board.keeping import dump, replay, restore
from labkit.board.limits import BOARD_MAX_ITEMS, STROKE_MAX_POINTS, UNDO_DEPTH
from labkit.board.refusal import BoardRefused

POINTS = [[1, 2], [3.5, -4]]


@pytest.fixture
def board():
    return Board("first life")


def draw(board: Board, artist: str, item_id: str) -> Accepted:
    return board.draw(artist, "#123456", item_id, "pen", 3, POINTS)


def begin(board: Board, artist: str, item_id: str, **more: Any) -> Accepted:
    return board.begin(artist, "#123456", item_id, "pen", 3, more.pop("points", []), **more)


def ids(board: Board) -> list[str]:
    return [item.id for item in board.finished()]


def said(accepted: Accepted) -> list[dict[str, Any]]:
    return [json.loads(op.text) for op in accepted.ops]


@contextmanager
def refused(code: str):
    with pytest.raises(BoardRefused) as caught:
        yield caught
    assert caught.value.code == code


def test_a_drawn_item_is_told_to_all_with_its_number_and_place(board):
    (op,) = said(draw(board, "ada", "a1"))
    assert op == {
        "type": "draw",
        "seq": 1,
        "id": "a1",
        "artist_id": "ada",
        "color": "#123456",
        "tool": "pen",
        "width": 3,
        "points": POINTS,
        "order": 1,
    }


def test_a_stroke_grows_by_points_and_has_its_place_from_its_end(board):
    assert said(begin(board, "ada", "a1", points=[[0, 0]]))[0]["points"] == [[0, 0]]
    draw(board, "ben", "b1")
    assert said(board.extend("ada", "a1", 1, [[1, 1], [2, 2]]))[0] == {
        "type": "points",
        "seq": 3,
        "id": "a1",
        "at": 1,
        "points": [[1, 1], [2, 2]],
    }
    assert ids(board) == ["b1"]
    accepted = board.end("ada", "a1", 3)
    assert said(accepted) == [{"type": "end", "seq": 4, "id": "a1", "order": 4}]
    plain = json.loads(accepted.ops[0].plain)
    assert (plain["type"], plain["points"]) == ("draw", [[0, 0], [1, 1], [2, 2]])
    assert ids(board) == ["b1", "a1"]


def test_what_is_sent_again_changes_nothing(board):
    sent = [
        lambda: begin(board, "ada", "a1", points=[[0, 0]]),
        lambda: board.extend("ada", "a1", 1, [[1, 1], [2, 2]]),
        lambda: board.extend("ada", "a1", 3, [[3, 3]]),
        lambda: board.end("ada", "a1", 4),
    ]
    for count in range(1, 5):
        assert sent[count - 1]().ops
        before = list(dump(board))
        for again in sent[:count]:
            assert again() == Accepted()
        assert list(dump(board)) == before


def test_points_that_overlap_are_added_once(board):
    begin(board, "ada", "a1", points=[[0, 0], [1, 1]])
    assert said(board.extend("ada", "a1", 1, [[9, 9], [2, 2]]))[0]["points"] == [[2, 2]]


def test_points_from_further_on_are_refused_with_what_is_there(board):
    begin(board, "ada", "a1", points=[[0, 0]])
    with refused("gap") as caught:
        board.extend("ada", "a1", 2, [[1, 1]])
    assert caught.value.have == 1
    with refused("gap"):
        board.end("ada", "a1", 2)
    with refused("gap"):
        board.extend("ada", "never begun", 0, [[1, 1]])


@pytest.mark.parametrize("request_", ["draw", "begin", "done", "extend", "end"])
def test_nobody_can_touch_what_is_somebody_elses(board, request_):
    begin(board, "ada", "a1", points=[[0, 0]])
    before = list(dump(board))
    doing = {
        "draw": lambda: draw(board, "ben", "a1"),
        "begin": lambda: begin(board, "ben", "a1"),
        "done": lambda: begin(board, "ben", "a1", points=POINTS, done=True),
        "extend": lambda: board.extend("ben", "a1", 1, [[1, 1]]),
        "end": lambda: board.end("ben", "a1"),
    }
    with refused("used_id" if request_ == "draw" else "not_yours"):
        doing[request_]()
    assert list(dump(board)) == before


@pytest.mark.parametrize("how", ["visible", "undone", "cleared", "undone and final"])
def test_a_used_id_is_never_used_again(board, how):
    draw(board, "ada", "a1")
    if how.startswith("undone"):
        board.undo("ada")
    if how == "cleared":
        board.clear("ada")
    if how == "undone and final":
        draw(board, "ada", "a2")
        assert "a1" not in board.items
    with refused("used_id"):
        draw(board, "ada", "a1")
    if how != "visible":
        with refused("gone"):
            begin(board, "ada", "a1", points=POINTS, done=True)


def test_undo_is_ones_own_and_a_new_stroke_empties_ones_own_redo(board):
    for artist, item_id in (("ada", "a1"), ("ben", "b1"), ("ada", "a2")):
        draw(board, artist, item_id)
    assert said(board.undo("ada")) == [{"type": "removed", "seq": 4, "ids": ["a2"]}]
    board.undo("ben")
    assert ids(board) == ["a1"]
    with refused("nothing_to_undo"):
        board.undo("ben")
    draw(board, "cy", "c1")
    board.redo("ben")
    assert ids(board) == ["a1", "b1", "c1"]  # in its old place
    draw(board, "ada", "a3")
    with refused("nothing_to_redo"):
        board.redo("ada")


def test_as_many_redos_as_undos_leave_the_board_as_it_was(board):
    for number in range(5):
        draw(board, "ada", f"a{number}")
        draw(board, "ben", f"b{number}")
    before = ids(board)
    for _ in range(4):
        board.undo("ada")
    for _ in range(4):
        board.redo("ada")
    assert ids(board) == before


def test_each_artist_has_a_depth_of_their_own(board):
    for number in range(UNDO_DEPTH + 1):
        draw(board, "ada", f"a{number}")
        draw(board, "ben", f"b{number}")
    for _ in range(UNDO_DEPTH):
        board.undo("ada")
    with refused("nothing_to_undo"):
        board.undo("ada")
    assert [i for i in ids(board) if i.startswith("a")] == ["a0"]
    assert len(ids(board)) == UNDO_DEPTH + 2


def test_after_a_clear_nothing_is_left_to_undo_or_redo(board):
    draw(board, "ada", "a1")
    draw(board, "ada", "a2")
    board.undo("ada")
    assert said(board.clear("ben")) == [{"type": "clear", "seq": 4, "artist_id": "ben"}]
    for ask, code in ((board.undo, "nothing_to_undo"), (board.redo, "nothing_to_redo")):
        with refused(code):
            ask("ada")
    assert ids(board) == []


def test_taking_a_clear_back_brings_exactly_what_it_hid_and_keeps_what_came_after(board):
    draw(board, "ada", "a1")
    draw(board, "ben", "b1")
    board.undo("ben")
    begin(board, "cy", "c1", points=[[0, 0]])
    board.clear("ada")
    draw(board, "ben", "b2")
    with refused("gone"):
        board.extend("cy", "c1", 1, [[1, 1]])
    assert board.uncover().ops == (REPLACED,)
    assert ids(board) == ["a1", "c1", "b2"]
    with refused("nothing_to_undo"):
        board.uncover()


def test_hiding_an_artist_hides_what_they_undid_too_and_shows_it_again(board):
    for artist, item_id in (("ada", "a1"), ("ben", "b1"), ("ada", "a2")):
        draw(board, artist, item_id)
    board.undo("ada")
    assert said(board.hide("ada"))[0]["ids"] == ["a1"]
    for ask, code in ((board.undo, "nothing_to_undo"), (board.redo, "nothing_to_redo")):
        with refused(code):
            ask("ada")
    draw(board, "ada", "a3")
    board.show("ada")
    assert ids(board) == ["a1", "b1", "a3"]
    with refused("nothing_to_show"):
        board.show("ada")


def test_a_load_replaces_everything_and_can_be_taken_back(board):
    draw(board, "ada", "a1")
    board.load("ben", [["#000000", "rect", 2, POINTS, "old"], ["#000000", "pen", 2, POINTS, "old"]])
    assert [item.artist_id for item in board.finished()] == ["old", "old"]
    draw(board, "ada", "a2")
    assert ids(board)[-1] == "a2"
    board.uncover()
    assert ids(board) == ["a1", "a2"]


def test_a_load_uses_no_id_that_a_client_may_have_taken(board):
    for number in range(1, 5):
        draw(board, "eve", f"load-{number}-0")
    board.load("ben", [["#000000", "rect", 2, POINTS, "old"]])
    assert len(ids(board)) == board.visible == 1
    kept = restore(list(dump(board)))
    assert ids(kept) == ids(board)
    board.uncover()
    assert ids(board) == [f"load-{number}-0" for number in range(1, 5)]
    assert board.visible == 4


def test_a_full_board_refuses_and_takes_again_after_an_undo(board):
    for number in range(BOARD_MAX_ITEMS):
        draw(board, "ada", str(number))
    for ask in (lambda: draw(board, "ben", "x"), lambda: begin(board, "ben", "x")):
        with refused("board_full"):
            ask()
    board.undo("ada")
    draw(board, "ben", "x")
    with refused("board_full"):
        board.redo("ada")
    assert board.visible == BOARD_MAX_ITEMS


def test_a_board_whose_bytes_are_used_up_gives_up_old_clears_first(board, monkeypatch):
    monkeypatch.setattr(board_module, "BOARD_MAX_BYTES", 2_000)
    count = 0
    with refused("board_full"):
        while True:
            draw(board, "ada", f"a{count}")
            count += 1
    board.clear("ada")
    for number in range(count):
        draw(board, "ada", f"b{number}")
    assert len(ids(board)) == count
    with refused("nothing_to_undo"):
        board.uncover()
    assert board.bytes <= 2_000


def test_a_stroke_has_at_most_so_many_points(board):
    begin(board, "ada", "a1", points=[[0, 0]] * (STROKE_MAX_POINTS - 1))
    with refused("bad_message"):
        board.extend("ada", "a1", STROKE_MAX_POINTS - 1, [[1, 1], [2, 2]])
    board.extend("ada", "a1", STROKE_MAX_POINTS - 1, [[1, 1]])


def test_a_stroke_without_points_vanishes_when_it_ends(board):
    begin(board, "ada", "a1")
    assert said(board.end("ada", "a1"))[0]["type"] == "removed"
    begin(board, "ada", "a2")
    board.clear("ada")
    board.uncover()
    assert ids(board) == [] == board.growing()
    assert board.visible == 0


def test_strokes_of_who_has_gone_are_ended(board):
    begin(board, "ada", "a1", points=POINTS)
    begin(board, "ada", "a2")
    begin(board, "ben", "b1", points=POINTS)
    assert [op["type"] for op in said(board.end_all("ada"))] == ["end", "removed"]
    assert board.end_all("ada") == Accepted()
    with refused("ended"):
        board.extend("ada", "a1", 2, [[1, 1]])
    assert board.extend("ada", "a1", 0, POINTS) == Accepted()


def test_nothing_grows_without_end(board, monkeypatch):
    for module, name, most in (
        (board_module, "USED_IDS_MAX", 200),
        (covers_module, "HIDDEN_MAX_ITEMS", 400),
        (stacks_module, "STACKS_KEPT_MAX", 20),
    ):
        monkeypatch.setattr(module, name, most)
    for number in range(600):
        draw(board, f"artist {number % 30}", f"a{number}")
        board.undo(f"artist {number % 30}")
    for clearing in range(20):
        for number in range(100):
            draw(board, "ada", f"{clearing} {number}")
        board.clear("ada")
    assert len(board.items) <= 400
    assert sum(1 for _ in board.stacks) <= 20
    lines = list(dump(board))
    assert len(json.loads(lines[-1])["used"]) <= 200


# ---- catching up -----------------------------------------------------------------------------------


def test_who_was_away_gets_all_that_was_missed_or_nothing(board):
    for number in range(4):
        draw(board, "ada", f"a{number}")
    assert [json.loads(text)["seq"] for text in board.log.since("first life", 2) or ()] == [3, 4]
    assert board.log.since("first life", 4) == []
    assert board.log.since("first life", 5) is None
    assert board.log.since("another", 2) is None
    board.clear("ada")
    board.uncover()
    assert board.log.since("first life", 4) is None
    assert board.log.since("first life", board.seq) == []


def test_a_position_of_the_life_before_counts_up_to_what_was_kept_of_it(board):
    for number in range(4):
        draw(board, "ada", f"a{number}")
    board.begin_epoch("second life")
    for number in range(4):
        draw(board, "ben", f"b{number}")
    assert len(board.log.since("first life", 4) or ()) == 4
    assert board.log.since("first life", 5) is None  # the server lost it, and gave its number to another
    assert len(board.log.since("second life", 5) or ()) == 3


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{}",
        "[]",
        "null",
        '["draw"]',
        '["nothing"]',
        '["replay","x"]',
        '["undo","ada"]',
        '["_drop",[]]',
        "[" * 9_999,
    ],
)
def test_what_is_no_record_is_told_apart(board, record):
    with pytest.raises(ValueError, match="this did not happen on this board"):
        replay(board, record)
    assert board.seq == 0


@pytest.mark.parametrize(
    "damage", [lambda x: x[:-1], lambda x: x[1:], lambda x: [*x[:2], "{}", *x[3:-1]], lambda x: []]
)
def test_a_dump_that_is_not_whole_is_refused(board, damage):
    draw(board, "ada", "a1")
    draw(board, "ada", "a2")
    lines = list(dump(board))
    assert list(dump(restore(lines))) == lines
    with pytest.raises(ValueError, match="board"):
        restore(damage(lines))
