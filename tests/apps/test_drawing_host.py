"""The host of a drawing board: lock, mute, kick, clear, hide and show, and taking all of that back."""

from __future__ import annotations

import pytest

from labkit import connect, serve
from labkit.apps import drawing
from labkit.apps.messages.drawing import DRAW_PROTOCOL


@pytest.fixture
def app():
    return drawing.create_app()


@pytest.fixture
def lab(app):
    with serve(app) as lab:
        yield lab


@pytest.fixture
def host(lab, app):
    ws = connect(lab, "/host/ws")
    ws.send_json({"type": "hello", "token": app.state.host_token})
    assert ws.receive_json()["type"] == "state"
    return ws


def do(host, **control):
    host.send_json({"room": "main", **control})
    while (message := host.receive_json())["type"] == "state":
        pass
    return message


def state(host, holds):
    while True:
        message = host.receive_json()
        if message["type"] == "state" and holds(message["rooms"][0]):
            return message


def test_the_host_sees_the_board_by_its_name_and_who_is_there(lab, host, artist):
    ada = artist(lab, "Ada")
    artist(lab, "Ben", v2=True)
    seen = state(host, lambda room: len(room["people"]) == 2)
    assert [room["room"] for room in seen["rooms"]] == ["main"]
    assert seen["rooms"][0]["names"][ada.board.artist_id] == "Ada"


@pytest.mark.parametrize("v2", [False, True], ids=["plain", "v2"])
def test_a_locked_board_lets_nobody_new_in(lab, host, artist, v2):
    ada = artist(lab, v2=v2)
    assert do(host, type="lock")["type"] == "done"
    assert ada.await_type("rules")["locked"] is True
    ws = connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL] if v2 else None)
    if v2:
        ws.send_json({"type": "hello"})
    assert ws.wait_closed().code == 4423
    do(host, type="undo")
    artist(lab, v2=v2)


def test_who_is_muted_cannot_draw_and_is_told(lab, host, artist, agree):
    ada, ben = artist(lab, v2=True), artist(lab)
    do(host, type="mute", user=ada.board.artist_id)
    assert ada.await_type("rules")["muted"] is True
    for request in ("clear", "undo", "redo"):
        ada.send({"type": request})
    ada.send({"type": "begin", "id": "a1", "tool": "pen", "width": 1})
    errors = [ada.await_type("error") for _ in range(4)]
    assert {error["code"] for error in errors} == {"muted"}
    assert (errors[-1]["about"], errors[-1]["id"]) == ("begin", "a1")
    ben.draw("b1")
    ben.until(lambda board: board.items)
    do(host, type="unmute", user=ada.board.artist_id)
    ada.draw("a2")
    assert agree(lab, ada, ben) == ["b1", "a2"]


def test_slow_mode_lets_each_draw_now_and_then(lab, host, artist):
    ada = artist(lab, v2=True)
    do(host, type="slow", seconds=60)
    ada.send({"type": "begin", "id": "a1", "tool": "pen", "width": 1})
    ada.send({"type": "points", "id": "a1", "at": 0, "points": [[1, 1]]})
    ada.send({"type": "end", "id": "a1"})
    ada.draw("a2")
    error = ada.await_type("error")
    assert (error["code"], error["id"]) == ("slow_mode", "a2")
    assert error["retry_ms"] > 50_000
    ada.until(lambda board: "a1" in board.items)
    ada.send({"type": "undo"})  # a slip of the finger is taken back at once
    ada.until(lambda board: not board.items)


def test_who_is_kicked_cannot_come_back_as_the_same(lab, host, artist):
    ada, ben = artist(lab, v2=True), artist(lab)
    do(host, type="kick", user=ada.board.artist_id)
    assert ada.ws.wait_closed().code == 4504
    assert ben.await_type("user_left")["artist_id"] == ada.board.artist_id
    ws = connect(lab, "/ws/draw", subprotocols=[DRAW_PROTOCOL])
    ws.send_json(ada.board.hello)
    assert ws.wait_closed().code == 4504


def test_a_clear_is_taken_back_whoever_cleared_and_what_came_after_stays(lab, host, artist, agree):
    ada, ben, cy = artist(lab), artist(lab, v2=True), artist(lab)
    ada.draw("a1")
    ben.until(lambda board: board.items)
    ben.draw("b1")
    cy.until(lambda board: len(board.items) == 2)
    cy.send({"type": "clear"})
    cy.until(lambda board: not board.items)
    ada.draw("a2")
    cy.until(lambda board: board.items)
    assert do(host, type="undo")["detail"] == "main is as it was before."
    for each in (ada, ben, cy):
        each.until(lambda board: len(board.items) == 3)
    assert agree(lab, ada, ben, cy) == ["a1", "b1", "a2"]
    assert do(host, type="undo")["detail"] == "There is nothing to undo."


def test_the_host_takes_back_what_was_done_last(lab, host, artist, agree):
    ada = artist(lab)
    ada.draw("a1")
    ada.until(lambda board: board.items)
    do(host, type="clear")
    do(host, type="lock")
    ada.until(lambda board: not board.items)
    assert "undone" in do(host, type="undo")["detail"]
    artist(lab).ws.close()  # unlocked
    assert ada.board.items == {}
    assert "as it was" in do(host, type="undo")["detail"]
    assert ada.until(lambda board: board.items).keys() == {"a1"}


def test_one_artists_strokes_are_hidden_and_shown_again(lab, host, artist, agree):
    ada, ben = artist(lab, "ada"), artist(lab, "ben", v2=True)
    ada.draw("a1")
    ben.until(lambda board: board.items)
    ben.draw("b1")
    ada.until(lambda board: len(board.items) == 2)
    user = ada.board.artist_id
    assert do(host, type="hide", user=user)["type"] == "done"
    state(host, lambda room: room["hidden"] == [user])
    for each in (ada, ben):
        each.until(lambda board: board.ids == ["b1"])
    assert do(host, type="hide", user=user)["code"] == "nothing_to_hide"
    do(host, type="show", user=user)
    for each in (ada, ben):
        each.until(lambda board: board.ids == ["a1", "b1"])
    state(host, lambda room: room["hidden"] == [])
    assert do(host, type="show", user=user)["code"] == "nothing_to_show"
    assert agree(lab, ada, ben) == ["a1", "b1"]


def test_what_only_a_board_can_is_refused_elsewhere():
    from labkit.apps import chat

    app = chat.create_app()
    with serve(app) as lab:
        ws = connect(lab, "/host/ws")
        ws.send_json({"type": "hello", "token": app.state.host_token})
        ws.receive()
        for kind in ("hide", "show"):
            assert do(ws, type=kind, user="ada")["code"] == "bad_message"
