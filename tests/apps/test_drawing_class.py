"""`labkit.draw.v2`: strokes that grow, one batch a tick, and coming back without a gap or a double."""

from __future__ import annotations

import pytest

from labkit import connect, serve
from labkit.apps import drawing, live_board
from labkit.apps.messages.drawing import DRAW_PROTOCOL
from labkit.board import op_log


@pytest.fixture
def lab():
    with serve(drawing.create_app()) as lab:
        yield lab


def begin(client, item_id, points=(), **fields):
    stroke = {"type": "begin", "id": item_id, "tool": "pen", "width": 2, "points": [*map(list, points)]}
    client.send(stroke | fields)


def grow(client, item_id, at, *points):
    client.send({"type": "points", "id": item_id, "at": at, "points": [*map(list, points)]})


def ops(client):
    return [op for message in client.got if message["type"] == "batch" for op in message.get("ops", ())]


# ---- strokes ----------------------------------------------------------------------------------------


def test_a_stroke_grows_for_those_who_batch_and_is_one_draw_for_plain_ones(lab, artist, agree):
    ada, ben, cy = artist(lab, "ada", v2=True), artist(lab, "ben", v2=True), artist(lab, "cy")
    begin(ada, "a1", [(0, 0)])
    ben.until(lambda board: "a1" in board.growing)
    grow(ada, "a1", 1, (1, 1), (2, 2))
    ben.until(lambda board: len(board.growing["a1"]["points"]) == 3)
    cy.draw("c1")
    cy.until(lambda board: board.items)
    assert "a1" not in cy.board.items
    ada.send({"type": "end", "id": "a1", "at": 3})
    draw = cy.await_type("draw")
    assert (draw["id"], draw["points"], draw["color"]) == ("a1", [[0, 0], [1, 1], [2, 2]], ada.board.color)
    assert agree(lab, ada, ben, cy) == ["c1", "a1"]  # its place is from its end on
    mine = [op for op in ops(ada) if op.get("id") == "a1"]
    assert [op["type"] for op in mine][:3] == ["begin", "points", "end"]  # the author gets them too
    seqs = [op["seq"] for op in ops(ben)]
    assert seqs == sorted(set(seqs))


def test_a_newcomer_sees_a_growing_stroke_and_how_it_goes_on(lab, artist, agree):
    ada = artist(lab, v2=True)
    begin(ada, "a1", [(0, 0)])
    grow(ada, "a1", 1, (1, 1))
    ada.until(lambda board: len(board.growing.get("a1", {"points": ()})["points"]) == 2)
    ben, cy = artist(lab, v2=True), artist(lab)
    assert ben.board.growing["a1"]["points"] == [[0, 0], [1, 1]]
    assert cy.board.items == {}
    grow(ada, "a1", 2, (2, 2))
    ada.send({"type": "end", "id": "a1"})
    assert agree(lab, ada, ben, cy) == ["a1"]


def test_what_is_sent_twice_is_drawn_once(lab, artist, agree):
    ada, ben = artist(lab, v2=True), artist(lab)
    for _ in range(3):
        begin(ada, "a1", [(0, 0)])
        grow(ada, "a1", 1, (1, 1))
        grow(ada, "a1", 1, (1, 1), (2, 2))
        begin(ada, "a2", [(5, 5), (6, 6)], tool="rect", done=True)
    for _ in range(2):
        ada.send({"type": "end", "id": "a1"})
    assert set(agree(lab, ada, ben)) == {"a1", "a2"}
    assert ben.board.items["a1"]["points"] == [[0, 0], [1, 1], [2, 2]]
    assert not [m for m in ada.got if m["type"] == "error"]


@pytest.mark.parametrize(
    ("sent", "code", "about", "have"),
    [
        ([("points", 3)], "gap", "points", 1),
        ([("end", 5)], "gap", "end", 1),
        ([("end", 1), ("points", 1)], "ended", "points", 1),
        ([("end", None), ("undo", None), ("points", 1)], "gone", "points", None),
        ([("clear", None), ("points", 1)], "gone", "points", None),
        ([("clear", None), ("begin", None)], "gone", "begin", None),
        ([("unknown", 0)], "gap", "points", 0),
        ([("too many", 1)], "bad_message", "points", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_stroke_cannot_take_is_an_error_that_names_it(lab, artist, agree, sent, code, about, have):
    ada, ben = artist(lab, v2=True), artist(lab)
    begin(ada, "a1", [(0, 0)])
    for what, at in sent:
        if what in ("points", "unknown"):
            grow(ada, "a1" if what == "points" else "a9", at, (9, 9))
        elif what == "too many":
            grow(ada, "a1", at, *[(1, 1)] * 5_000)
        elif what == "begin":
            begin(ada, "a1", [(0, 0)])
        else:
            ada.send({"type": what} | ({"id": "a1"} if what == "end" else {}) | ({"at": at} if at else {}))
    error = ada.await_type("error")
    assert (error["code"], error["about"], error.get("have")) == (code, about, have)
    assert error["id"] == ("a9" if sent[-1][0] == "unknown" else "a1")
    agree(lab, ada, ben)


def test_somebody_elses_stroke_cannot_be_touched(lab, artist, agree):
    ada, ben = artist(lab, v2=True), artist(lab, v2=True)
    begin(ada, "a1", [(0, 0)])
    ben.until(lambda board: board.growing)
    grow(ben, "a1", 1, (9, 9))
    ben.send({"type": "end", "id": "a1"})
    begin(ben, "a1", [(9, 9)], done=True)
    ben.draw("a1")
    assert [ben.await_type("error")["code"] for _ in range(4)] == [*["not_yours"] * 3, "used_id"]
    ada.send({"type": "end", "id": "a1", "at": 1})
    assert agree(lab, ada, ben) == ["a1"]


# ---- batches ----------------------------------------------------------------------------------------


def test_the_cursors_of_a_tick_are_in_one_frame(lab, artist, monkeypatch):
    everyone = [artist(lab, v2=True) for _ in range(10)]
    monkeypatch.setattr(live_board, "TICKS_S", ((250, 0.3),))
    everyone[0].send({"type": "cursor", "x": 0, "y": 0})  # at once: nothing was said for a while
    for x in range(50):
        for y, each in enumerate(everyone):
            each.send({"type": "cursor", "x": x, "y": y})
    want = {each.board.artist_id: (49, y) for y, each in enumerate(everyone)}
    for each in everyone:
        each.until(lambda board: board.cursors == want)
        assert len([m for m in each.got if "cursors" in m]) <= 10


def test_batches_are_slower_the_more_there_are_and_everyone_is_told(lab, artist):
    ada = artist(lab, v2=True)
    assert ada.got[0]["tick_ms"] == 33
    for _ in range(20):
        artist(lab)
    users = ada.await_type("users")
    while users["active_users"] < 21:
        users = ada.await_type("users")
    assert users["tick_ms"] == 40


# ---- coming back ------------------------------------------------------------------------------------


def come_back(lab, artist, client):
    client.ws.abort()
    return artist(lab, v2=True, back=client.board)


def test_who_comes_back_gets_what_was_missed_exactly_once(lab, artist, agree):
    ada, ben = artist(lab, "ada", v2=True), artist(lab, "ben")
    ben.draw("b1")
    ada.until(lambda board: board.items)
    ada.ws.abort()
    ben.draw("b2")
    ben.send({"type": "undo"})
    ben.draw("b3")
    ben.until(lambda board: board.ids == ["b1", "b3"])
    again = artist(lab, "ada", v2=True, back=ada.board)
    welcome = again.got[0]
    assert (welcome["recovered"], welcome["parts"]) == (True, 0)
    assert agree(lab, again, ben) == ["b1", "b3"]
    assert [op["type"] for op in ops(again)][:3] == ["draw", "removed", "draw"]
    assert again.board.repeated == 0


def test_who_comes_back_is_the_same_artist_with_the_same_undo(lab, artist, agree):
    ada, ben = artist(lab, "ada", v2=True), artist(lab, "ben")
    ada.draw("a1")
    ada.until(lambda board: board.items)
    again = come_back(lab, artist, ada)
    assert (again.board.artist_id, again.board.color) == (ada.got[0]["artist_id"], ada.got[0]["color"])
    again.send({"type": "undo"})
    ben.until(lambda board: any(m["type"] == "removed" for m in ben.got))
    assert agree(lab, again, ben) == []
    assert [m["type"] for m in ben.got if m["type"].startswith("user_")] == []  # nobody noticed


def test_a_stroke_goes_on_after_a_cut(lab, artist, agree):
    ada, ben = artist(lab, v2=True), artist(lab)
    begin(ada, "a1", [(0, 0)])
    grow(ada, "a1", 1, (1, 1))
    ada.until(lambda board: len(board.growing.get("a1", {"points": ()})["points"]) == 2)
    again = come_back(lab, artist, ada)
    begin(again, "a1", [(0, 0)])
    grow(again, "a1", 1, (1, 1), (2, 2))
    again.send({"type": "end", "id": "a1", "at": 3})
    assert agree(lab, again, ben) == ["a1"]
    assert ben.board.items["a1"]["points"] == [[0, 0], [1, 1], [2, 2]]


def test_the_stroke_of_who_stays_away_is_ended_and_the_rest_refused(lab, artist, agree, monkeypatch):
    monkeypatch.setattr(live_board, "STROKE_GRACE_S", 0.05)
    ada, ben = artist(lab, v2=True), artist(lab)
    begin(ada, "a1", [(0, 0), (1, 1)])
    ada.until(lambda board: board.growing)
    ada.ws.close()
    ben.until(lambda board: "a1" in board.items)
    again = artist(lab, v2=True, back=ada.board)
    grow(again, "a1", 2, (2, 2))
    error = again.await_type("error")
    assert (error["code"], error["have"]) == ("ended", 2)
    assert agree(lab, again, ben) == ["a1"]


@pytest.mark.parametrize("hello", [{"since": 999}, {"epoch": "another"}, {"since": 0, "epoch": ""}])
def test_who_was_somewhere_else_gets_the_whole_board(lab, artist, agree, hello):
    ada = artist(lab, v2=True)
    ada.draw("a1")
    ada.until(lambda board: board.items)
    ws = connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL])
    ws.send_json(ada.board.hello | hello)
    welcome = ws.receive_json()
    assert (welcome["recovered"], welcome["parts"]) == (False, 1)
    assert [item["id"] for item in ws.receive_json()["items"]] == ["a1"]


def test_who_was_away_for_more_than_is_kept_gets_the_whole_board(lab, artist, agree, monkeypatch):
    monkeypatch.setattr(op_log, "LOG_MAX_OPS", 5)
    ada, ben = artist(lab, v2=True), artist(lab)
    ada.ws.abort()
    for number in range(9):
        ben.draw(str(number))
    ben.until(lambda board: len(board.items) == 9)
    again = artist(lab, v2=True, back=ada.board)
    assert again.got[0]["recovered"] is False
    assert agree(lab, again, ben) == [str(number) for number in range(9)]


@pytest.mark.parametrize("token", ["x", "ada-000000~#123456~" + "0" * 32, "~~", "é" * 200])
def test_a_token_that_the_server_did_not_give_makes_somebody_new(lab, artist, token):
    ada = artist(lab, "ada", v2=True)
    ada.board.token = token
    other = artist(lab, "ada", v2=True, back=ada.board)
    assert other.got[0]["artist_id"] != ada.got[0]["artist_id"]


def test_a_token_is_good_for_its_own_board_alone(lab, artist):
    ada = artist(lab, "ada", v2=True)
    elsewhere = connect(lab, "/ws/draw/red", subprotocols=[DRAW_PROTOCOL])
    elsewhere.send_json(ada.board.hello)
    assert elsewhere.receive_json()["artist_id"] != ada.board.artist_id


def test_a_second_window_of_one_artist_replaces_the_first(lab, artist):
    ada = artist(lab, v2=True)
    artist(lab, v2=True, back=ada.board)
    assert ada.ws.wait_closed().code == 4509


@pytest.mark.parametrize("first", ["x", "{}", '{"type": "draw"}', '{"type": "hello", "since": -1}'])
def test_who_does_not_say_hello_is_not_let_in(lab, first):
    ws = connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL])
    ws.send(first)
    assert ws.wait_closed().code == 4522


def test_who_says_nothing_is_not_let_in_for_ever(lab, monkeypatch):
    monkeypatch.setattr(drawing, "AUTH_TIMEOUT_S", 0.05)
    assert connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL]).wait_closed().code == 4522


def test_who_leaves_before_saying_hello_leaves_no_trace(lab):
    connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL]).abort()
    connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL]).close()
    lab.stop()
    assert lab.logs.errors == []


# ---- the whole board --------------------------------------------------------------------------------


def test_a_large_board_comes_in_parts(lab, artist, agree, monkeypatch):
    monkeypatch.setattr(live_board, "PART_BYTES", 1_000)
    ada = artist(lab)
    for number in range(60):
        ada.draw(str(number))
    ada.until(lambda board: len(board.items) == 60)
    ben = artist(lab, v2=True)
    parts = [m for m in ben.got if m["type"] == "items"]
    assert len(parts) == ben.got[0]["parts"] > 5
    assert [(m["part"], m["of"]) for m in parts] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    assert agree(lab, ada, ben) == [str(number) for number in range(60)]


def test_who_watches_sees_everything_and_nobody_sees_them(lab, artist):
    ada = artist(lab, "ada")
    ada.draw("a1")
    ada.until(lambda board: board.items)
    ws = connect(lab, "/watch", subprotocols=[DRAW_PROTOCOL])
    ws.send_json({"type": "hello"})
    welcome = ws.receive_json()
    assert (welcome["artist_id"], [user["name"] for user in welcome["users"]]) == ("", ["ada"])
    assert ws.receive_json()["items"][0]["id"] == "a1"
    ws.send_json({"type": "clear"})
    ada.draw("a2")
    while "ops" not in (message := ws.receive_json()):
        pass
    assert message["ops"][0]["id"] == "a2"
    assert not [m for m in ada.got if m["type"] == "user_joined"]
    assert len(artist(lab).board.users) == 2
