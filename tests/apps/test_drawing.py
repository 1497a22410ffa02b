"""The drawing app in the words of the plain contract, over real sockets."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import jsonschema
import pytest

from labkit import connect, serve
from labkit.apps import drawing
from labkit.apps.messages.drawing import STROKE_MAX_POINTS
from labkit.board import board as board_module
from labkit.errors import ConnectionClosed
from labkit.hub import Hub, Limits


@pytest.fixture
def lab():
    with serve(drawing.create_app()) as lab:
        yield lab


def names(users: list[dict[str, str]]) -> list[str]:
    return sorted(user["name"] for user in users)


# ---- coming and going ---------------------------------------------------------------------------------


def test_who_comes_gets_an_id_a_colour_the_history_and_the_users(lab, artist):
    ada = artist(lab, "ada")
    ada.draw("a1")
    ada.until(lambda board: board.items)
    ben = artist(lab, "ben")
    init = ben.got[0]
    assert set(init) == {"type", "artist_id", "color", "history", "active_users", "users"}
    assert init["active_users"] == 2
    assert names(init["users"]) == ["ada", "ben"]
    assert [item["id"] for item in init["history"]] == ["a1"]
    told = ada.await_type("user_joined")
    assert (told["artist_id"], told["active_users"]) == (ben.board.artist_id, 2)
    assert told["users"] == init["users"]
    assert {user["artist_id"] for user in init["users"]} == {ada.board.artist_id, ben.board.artist_id}


def test_two_of_one_name_are_two_artists_and_a_name_may_be_left_out(lab, artist):
    everyone = [artist(lab, "ada"), artist(lab, "ada"), artist(lab), artist(lab)]
    assert len({each.board.artist_id for each in everyone}) == 4
    assert len(set(names(everyone[-1].board.users))) == 3


def test_thirty_artists_have_thirty_colours_and_a_colour_is_free_again_when_its_owner_leaves(lab, artist):
    everyone = [artist(lab) for _ in range(30)]
    assert len({each.board.color for each in everyone}) == 30
    users = everyone[-1].board.users
    assert {user["artist_id"]: user["color"] for user in users} == {
        each.board.artist_id: each.board.color for each in everyone
    }
    everyone[3].ws.close()
    everyone[0].await_type("user_left")
    assert artist(lab).board.color == everyone[3].board.color


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_who_leaves_is_announced_at_once_and_their_strokes_stay(lab, artist, agree, leave):
    ada, ben = artist(lab, "ada"), artist(lab, "ben")
    ben.draw("b1")
    ada.until(lambda board: "b1" in board.items)
    getattr(ben.ws, leave)()
    told = ada.await_type("user_left")
    assert (told["artist_id"], told["active_users"]) == (ben.board.artist_id, 1)
    assert names(told["users"]) == ["ada"]
    assert agree(lab, ada) == ["b1"]
    lab.stop()
    assert lab.logs.errors == []


# ---- drawing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["pen", "eraser", "line", "rect", "ellipse"])
def test_a_stroke_reaches_everyone_the_author_too_as_it_was_sent(lab, artist, agree, tool):
    ada, ben = artist(lab, "ada"), artist(lab, "ben")
    ada.draw("a1", [[0, 0], [10.25, -3], [1e4, 7]], tool=tool, width=2.5)
    for each in (ada, ben):
        item = each.until(lambda board: board.items.get("a1"))
        assert (item["tool"], item["width"], item["points"]) == (tool, 2.5, [[0, 0], [10.25, -3], [1e4, 7]])
        assert (item["artist_id"], item["color"]) == (ada.board.artist_id, ada.board.color)
    assert agree(lab, ada, ben) == ["a1"]


def test_author_and_colour_are_the_servers_whatever_the_message_says(lab, artist):
    ada, ben = artist(lab, "ada"), artist(lab, "ben")
    ada.draw("a1", artist_id=ben.board.artist_id, color="#000000", order=99, seq=99, type="draw")
    item = ben.until(lambda board: board.items.get("a1"))
    assert (item["artist_id"], item["color"]) == (ada.board.artist_id, ada.board.color)


def test_all_who_draw_at_once_see_one_order_and_each_authors_order_is_kept(lab, artist, agree):
    everyone = [artist(lab, name) for name in ("ada", "ben", "cy")]
    for number in range(20):
        for index, each in enumerate(everyone):
            each.draw(f"{index}-{number:02}", [[number, index]])
    ids = agree(lab, *everyone)
    assert len(ids) == 60
    for index in range(3):
        own = [i for i in ids if i.startswith(f"{index}-")]
        assert own == sorted(own)


def test_fifty_draws_a_second_with_bursts_of_120_are_taken(artist, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(drawing, "Hub", partial(Hub, clock=lambda: now[0]))
    with serve(drawing.create_app()) as lab:
        ada = artist(lab)
        for number in range(120):
            ada.draw(str(number))
        ada.until(lambda board: len(board.items) == 120)
        for number in range(100):
            now[0] += 1 / 50
            ada.draw(f"then {number}")
            ada.until(lambda board, number=number: f"then {number}" in board.items)
        assert not [message for message in ada.got if message["type"] == "error"]


def test_a_stroke_of_5000_points_is_taken(lab, artist):
    ada, ben = artist(lab), artist(lab)
    points = [[n % 99, n % 77] for n in range(STROKE_MAX_POINTS)]
    ada.draw("a1", points)
    assert ben.until(lambda board: board.items.get("a1"))["points"] == points


def test_a_used_id_is_refused_and_nothing_changes(lab, artist, agree):
    ada, ben = artist(lab), artist(lab)
    ada.draw("a1", [[1, 1]])
    ben.until(lambda board: board.items)
    ben.draw("a1", [[2, 2]])
    error = ben.await_type("error")
    assert (error["code"], error["about"], error["id"]) == ("used_id", "draw", "a1")
    assert error["detail"].startswith("The id 'a1' is used already.")
    agree(lab, ada, ben)
    assert ada.board.items["a1"]["points"] == [[1, 1]]


def test_cursors_reach_the_others_alone_the_last_always_and_none_is_kept(lab, artist, agree):
    ada, ben, cy = artist(lab), artist(lab), artist(lab)
    for number in range(2_000):
        ada.send({"type": "cursor", "x": number, "y": 0.5})
    ada.send({"type": "cursor", "x": 123, "y": 45})
    cy.draw("c1")
    for each in (ben, cy):
        each.until(lambda board: board.cursors.get(ada.board.artist_id) == (123, 45))
        moves = [m for m in each.got if m["type"] == "cursor"]
        assert len(moves) < 1_000
        assert moves[-1] == {
            "type": "cursor",
            "artist_id": ada.board.artist_id,
            "color": ada.board.color,
            "x": 123,
            "y": 45,
        }
    assert agree(lab, ada, ben, cy) == ["c1"]
    assert not [m for m in ada.got if m["type"] in ("cursor", "error")]


def test_a_clear_empties_every_board_and_what_is_drawn_after_it_stays(lab, artist, agree):
    ada, ben = artist(lab), artist(lab)
    ada.draw("a1")
    ben.until(lambda board: board.items)
    ada.send({"type": "clear"})
    for each in (ada, ben):
        assert each.await_type("clear")["artist_id"] == ada.board.artist_id
        assert each.board.items == {}
    ben.draw("b1")
    assert agree(lab, ada, ben) == ["b1"]


def test_a_clear_that_races_with_strokes_leaves_all_boards_alike(lab, artist, agree):
    ada, ben, cy = artist(lab), artist(lab), artist(lab, v2=True)
    for number in range(10):
        ben.draw(f"b{number}")
        cy.send({"type": "begin", "id": f"c{number}", "tool": "pen", "width": 1, "points": [[1, 1]]})
        ada.send({"type": "clear"})
        cy.send({"type": "end", "id": f"c{number}"})
    agree(lab, ada, ben, cy)


def test_undo_and_redo_are_ones_own(lab, artist, agree):
    ada, ben = artist(lab, "ada"), artist(lab, "ben")
    for who, item_id in ((ada, "a1"), (ben, "b1"), (ada, "a2")):
        who.draw(item_id)
        for each in (ada, ben):
            each.until(lambda board, i=item_id: i in board.items)
    ada.send({"type": "undo"})
    assert ben.await_type("removed")["ids"] == ["a2"]
    ben.send({"type": "undo"})
    ben.until(lambda board: board.ids == ["a1"])
    ben.send({"type": "undo"})
    assert ben.await_type("error")["code"] == "nothing_to_undo"
    ada.send({"type": "redo"})
    assert ben.await_type("draw")["id"] == "a2"
    ben.draw("b2")
    ben.until(lambda board: "b2" in board.items)
    ben.send({"type": "redo"})
    assert ben.await_type("error")["code"] == "nothing_to_redo"
    assert agree(lab, ada, ben) == ["a1", "a2", "b2"]


def test_somebody_elses_stroke_empties_nobody_elses_redo_and_a_clear_everybodys(lab, artist):
    ada, ben = artist(lab), artist(lab)
    for item_id in ("a1", "a2"):
        ada.draw(item_id)
    for _ in range(2):
        ada.send({"type": "undo"})
    ben.draw("b1")
    ben.until(lambda board: board.ids == ["b1"])
    for _ in range(2):
        ada.send({"type": "redo"})
    ben.until(lambda board: set(board.items) == {"a1", "a2", "b1"})
    ben.send({"type": "clear"})
    ada.await_type("clear")
    for request, code in (("undo", "nothing_to_undo"), ("redo", "nothing_to_redo")):
        ada.send({"type": request})
        assert ada.await_type("error")["code"] == code


@pytest.mark.parametrize("name", ["x", "../x", "con", "X", "ä/ö", "." * 100, "a\u202eb\n\0"])
def test_what_is_saved_can_be_loaded_by_any_name(lab, artist, agree, name):
    ada, ben = artist(lab), artist(lab, v2=True)
    ada.draw("a1", [[5, 5]], tool="rect")
    ada.send({"type": "save", "name": name})
    assert ada.await_type("saved") == {"type": "saved", "name": name, "lasting": False}
    ada.send({"type": "clear"})
    ada.draw("a2")
    ada.send({"type": "load", "name": name})
    ada.await_type("history")
    ben.until(lambda board: [i["tool"] for i in board.items.values()] == ["rect"])
    agree(lab, ada, ben)
    assert [(i["tool"], i["points"]) for i in ada.board.items.values()] == [("rect", [[5, 5]])]


@pytest.mark.parametrize("name", ["", "x" * 10_000, "\ud800", 5, None, ["x"]])
@pytest.mark.parametrize("request_", ["save", "load"])
def test_a_name_that_cannot_be_is_refused(lab, artist, request_, name):
    ada = artist(lab)
    ada.send({"type": request_, "name": name})
    error = ada.await_type("error")
    assert (error["code"], error["about"]) == ("bad_message", request_)


def test_loading_what_was_never_saved_changes_nothing(lab, artist, agree):
    ada = artist(lab)
    ada.draw("a1")
    ada.send({"type": "load", "name": "nothing"})
    assert ada.await_type("error")["code"] == "no_drawing"
    assert agree(lab, ada) == ["a1"]


# ---- bad input --------------------------------------------------------------------------------------

STROKE: dict[str, Any] = {"type": "draw", "id": "bad", "tool": "pen", "points": [[1, 2]], "width": 3}
BAD: dict[str, str] = {
    "no JSON": "hello",
    "a list": "[]",
    "null": "null",
    "no type": "{}",
    "a type that is no word": '{"type": 5}',
    "nested": '{"type": "draw", "id": ' + "[" * 20_000,
    "NaN": json.dumps(STROKE | {"points": [[float("nan"), 1]]}),
    "infinity": '{"type": "draw", "id": "bad", "tool": "pen", "points": [[1e999, 1]], "width": 3}',
    **{
        name: json.dumps({key: value for key, value in (STROKE | change).items() if value != "left out"})
        for name, change in {
            "no points": {"points": "left out"},
            "points null": {"points": None},
            "no point": {"points": []},
            "strings": {"points": [["1", "2"]]},
            "points as a string": {"points": "1,2"},
            "bools": {"points": [[True, False]]},
            "a point of three": {"points": [[1, 2, 3]]},
            "a flat list": {"points": [1, 2]},
            "1e308": {"points": [[1e308, 1]]},
            "a number of 400 digits": {"points": [[10**400, 1]]},
            "5001 points": {"points": [[1, 2]] * 5_001},
            "no id": {"id": "left out"},
            "an empty id": {"id": ""},
            "a number for an id": {"id": 5},
            "a list for an id": {"id": ["bad"]},
            "a long id": {"id": "x" * 65},
            "an unknown tool": {"tool": "spray"},
            "no width": {"width": "left out"},
            "a width of 0": {"width": 0},
            "a negative width": {"width": -1},
            "a huge width": {"width": 1e9},
            "a width that is true": {"width": True},
            "a cursor without y": {"type": "cursor", "x": 1},
        }.items()
    },
    "a cursor at null": '{"type": "cursor", "x": null, "y": 1}',
    "a cursor at 1e308": '{"type": "cursor", "x": 1e308, "y": 1}',
}


@pytest.mark.parametrize("v2", [False, True], ids=["plain", "v2"])
def test_what_cannot_be_is_an_error_for_the_sender_alone(lab, artist, agree, v2):
    ada, ben = artist(lab, v2=v2), artist(lab)
    for name, text in BAD.items():
        ada.ws.send(text)
        error = ada.await_type("error")
        assert error["code"] == "bad_message", name
        assert len(error["detail"]) > 20, name
    assert agree(lab, ben) == []
    assert not [m for m in ben.got if m["type"] == "draw" and m["id"] == "bad"]
    assert {message["type"] for message in ben.got} <= {"init", "draw", "removed"}


def test_unknown_types_and_fields_are_ignored(lab, artist, agree):
    ada, ben = artist(lab), artist(lab, v2=True)
    for each in (ada, ben):
        each.send({"type": "dance", "points": "x" * 20_000})
        each.send({"type": "__proto__"})
    ada.draw("a1", extra={"a": 1})
    assert agree(lab, ada, ben) == ["a1"]
    assert not [m for m in (*ada.got, *ben.got) if m["type"] == "error"]


def test_100_000_points_close_their_sender_alone(lab, artist, agree):
    ada, ben = artist(lab), artist(lab)
    ada.draw("a1", [[1, 2]] * 100_000)
    assert ada.ws.wait_closed().code == 1009
    ben.draw("b1")
    assert agree(lab, ben) == ["b1"]


def test_binary_closes_its_sender(lab, artist):
    ada = artist(lab)
    ada.ws.send(b"\0")
    assert ada.ws.wait_closed().code == 1003


def test_a_full_board_says_so_and_takes_again_after_a_clear(lab, artist, agree, monkeypatch):
    monkeypatch.setattr(board_module, "BOARD_MAX_ITEMS", 50)
    ada, ben = artist(lab), artist(lab)
    for number in range(60):
        ada.draw(str(number))
    errors = [ada.await_type("error") for _ in range(10)]
    assert {error["code"] for error in errors} == {"board_full"}
    assert [error["id"] for error in errors] == [str(number) for number in range(50, 60)]
    ben.until(lambda board: len(board.items) == 50)
    ben.send({"type": "clear"})
    ben.draw("b1")
    assert agree(lab, ada, ben) == ["b1"]


@pytest.mark.parametrize(
    "text",
    [json.dumps(STROKE | {"points": []}), "x", '{"type": "undo"}', '{"type": "load", "name": "x"}'],
    ids=["bad strokes", "no JSON", "undo", "load"],
)
def test_a_flood_is_refused_and_then_closed_and_the_others_draw_on(lab, artist, agree, text):
    ada, ben = artist(lab), artist(lab)
    with suppress(ConnectionClosed):
        for _ in range(1_000):
            ada.ws.send(text)
    ben.draw("b1")
    assert agree(lab, ben) == ["b1"]
    assert ada.ws.wait_closed(timeout_s=10).code in (4429, 4522)


def test_a_flood_of_strokes_is_told_when_to_send_again(artist, stop_the_clock):
    stop_the_clock(drawing)
    with serve(drawing.create_app()) as lab:
        ada, ben = artist(lab), artist(lab)
        for number in range(200):
            ada.draw(str(number))
        error = ada.await_type("error")
        assert (error["code"], error["about"]) == ("too_fast", "draw")
        assert int(error["id"]) >= 120
        assert 0 < error["retry_ms"] <= 17
        ben.draw("b1")
        ben.until(lambda board: "b1" in board.items)


@pytest.mark.slow
def test_one_who_never_reads_does_not_hold_the_others_up(lab, artist, raw):
    ada, ben = artist(lab), artist(lab)
    raw(lab, "/ws/draw", receive_buffer_bytes=4096)
    points = [[n + 0.123456, n + 0.654321] for n in range(2_400)]
    for number in range(110):
        ada.draw(str(number), points)
    ben.until(lambda board: len(board.items) == 110)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ws/draw?name=a%00b", 4522),
        (f"/ws/draw/{'b' * 41}", 4522),
        ("/ws/draw/a%0Ab", 4522),
        (f"/ws/draw?name={'n' * 65}", 4522),
    ],
)
def test_a_name_that_nobody_can_have_is_refused_with_a_readable_code(lab, path, code):
    close = connect(lab, path).wait_closed()
    assert (close.code, bool(close.reason)) == (code, True)


def test_an_artist_may_be_called_by_a_whole_uuid_with_a_word_before_it(lab):
    name = "artist-0b0c7a58-6c1e-4b7e-9a51-2f1f7f6d2c11"
    assert connect(lab, f"/ws/draw?name={name}").receive_json()["users"][0]["name"] == name


# ---- all of it --------------------------------------------------------------------------------------


def test_boards_know_nothing_of_each_other(lab, artist):
    ada, ben, cy = artist(lab), artist(lab, board="red"), artist(lab, board="main")
    ben.draw("b1")
    ben.send({"type": "cursor", "x": 1, "y": 1})
    ben.until(lambda board: board.items)
    ada.draw("a1")
    for each in (ada, cy):
        each.until(lambda board: "a1" in board.items)
        assert set(each.board.items) == {"a1"}
        assert each.board.cursors == {}
    assert names(cy.board.users) == ["Artist 1", "Artist 2"]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_four_clients_do_all_boards_end_alike(lab, artist, agree, seed):
    dice = random.Random(seed)
    kinds = [False, False, True, True]
    clients = [artist(lab, v2=v2) for v2 in kinds]
    for step in range(100):
        index = dice.randrange(4)
        client = clients[index]
        what = dice.choices(["draw", "undo", "redo", "clear", "rejoin"], [70, 12, 8, 3, 7])[0]
        if what == "draw":
            client.draw(f"{seed} {step}", [[dice.randrange(99), 1]])
        elif what == "rejoin":
            client.ws.close() if dice.random() < 0.5 else client.ws.abort()
            clients[index] = artist(lab, v2=kinds[index], back=client.board if kinds[index] else None)
        else:
            client.send({"type": what})
    agree(lab, *clients)
    assert not any(each.board.repeated for each in clients)


def test_what_the_server_says_is_what_the_document_says(lab, artist, agree):
    document = httpx.get(lab.url + "/asyncapi.json", trust_env=False, timeout=5).json()
    ada, ben = artist(lab, "ada"), artist(lab, "ben", v2=True)
    for request in (
        {"type": "begin", "id": "b1", "tool": "pen", "width": 1, "points": [[0, 0]]},
        {"type": "points", "id": "b1", "at": 1, "points": [[1, 1]]},
        {"type": "end", "id": "b1"},
        {"type": "undo"},
        {"type": "redo"},
        {"type": "cursor", "x": 1, "y": 2},
        {"type": "save", "name": "x"},
        {"type": "load", "name": "x"},
        {"type": "clear"},
        {"type": "undo"},
    ):
        ben.send(request)
    ada.until(lambda board: board.cursors)
    ben.await_type("error")
    cy = artist(lab, "cy", v2=True)
    for each in (ada, ben):
        each.until(lambda board: names(board.users) == ["ada", "ben", "cy"])
    agree(lab, ada, ben, cy)
    said = {message["type"] for each in (ada, ben, cy) for message in each.got}
    assert said >= {"init", "user_joined", "draw", "removed", "cursor", "history", "clear"}
    assert said >= {"welcome", "items", "batch", "users", "saved", "reset", "error"}
    for message in (*ada.got, *ben.got, *cy.got):
        described = document["components"]["messages"][f"server.{message['type']}"]
        schema = {**described["payload"], "components": document["components"]}
        jsonschema.validate(message, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**message, "type": "other"}, schema)


def test_the_server_pings_artists_too():
    with serve(drawing.create_app(Limits(app_ping_s=0.1))) as lab:
        ws = connect(lab, "/ws/draw", subprotocols=["labkit.draw.v2"])
        ws.send_json({"type": "hello"})
        got: set[str] = set()
        while "ping" not in got:
            got.add(ws.receive_json()["type"])


def test_when_the_server_stops_every_artist_hears_why(lab, artist):
    everyone = [artist(lab), artist(lab, v2=True)]
    lab.stop()
    for each in everyone:
        assert each.ws.wait_closed().reason == "the server is restarting"
    assert lab.logs.errors == []


def test_who_asks_again_and_again_for_what_cannot_be_is_sent_away_to_come_back(lab, artist):
    """A key that is held: 4429 has the page come back, where another code would ask who it is."""
    ada = artist(lab)
    for _ in range(300):
        with suppress(ConnectionClosed):
            ada.send({"type": "undo"})
    assert ada.ws.wait_closed().code == 4429
