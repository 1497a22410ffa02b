"""The rooms over real sockets: what is said in one is heard in that one alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from labkit import connect, serve
from labkit.apps import rooms
from labkit.host import Connection, Lab
from labkit.hub import Limits


@pytest.fixture
def lab():
    with serve("rooms") as lab:
        yield lab


@pytest.fixture
def patient():
    """Rooms in which somebody who is away may come back for longer than a test takes on a slow machine."""
    with serve(rooms.create_app(replace(rooms.LIMITS, presence_grace_s=60))) as lab:
        yield lab


def enter(lab: Lab, room: str, user: str, *others: Connection) -> Connection:
    """Enter a room and receive the announcement, at the newcomer and at the others."""
    ws = connect(lab, f"/ws/rooms/{room}?name={user}")
    for each in (ws, *others):
        assert each.receive_json()["user"] == user
    return ws


def contract_fields(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "seq"}


def members(lab: Lab) -> dict[str, int]:
    return httpx.get(lab.url + "/rooms", trust_env=False, timeout=5).json()


def said(room: str, user: str, message: str) -> dict[str, Any]:
    return {"type": "message", "room_id": room, "user": user, "message": message}


def fence(*everyone: Connection) -> list[list[Any]]:
    """Have each speak in turn; return what each got before it heard itself."""
    got: list[list[Any]] = []
    for ws in everyone:
        ws.send("fence")
        got.append([])
        while (message := ws.receive_json()).get("message") != "fence":
            got[-1].append(message)
    return got


def test_on_entry_everyone_in_that_room_hears_it_with_the_number_of_members(lab):
    ada = connect(lab, "/ws/rooms/red?name=ada")
    assert contract_fields(ada.receive_json()) == {
        "type": "user_joined",
        "user": "ada",
        "message": "ada joined the room 👋",
        "room_members": 1,
    }
    ben = connect(lab, "/ws/rooms/red?name=ben")
    for ws in (ada, ben):
        assert contract_fields(ws.receive_json()) == {
            "type": "user_joined",
            "user": "ben",
            "message": "ben joined the room 👋",
            "room_members": 2,
        }


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_on_leaving_those_left_hear_it_at_once_and_an_empty_room_is_gone(lab, leave):
    ada = enter(lab, "red", "ada")
    ben = enter(lab, "red", "ben", ada)
    assert members(lab) == {"red": 2}
    getattr(ben, leave)()
    assert contract_fields(ada.receive_json(timeout_s=10)) == {
        "type": "user_left",
        "user": "ben",
        "message": "ben left the room 👋",
        "room_members": 1,
    }
    assert members(lab) == {"red": 1}
    watcher = connect(lab, "/watch/red")
    watcher.receive()
    getattr(ada, leave)()
    assert watcher.receive_json()["room_members"] == 0
    assert members(lab) == {}
    assert lab.logs.errors == []


def test_a_text_reaches_everyone_in_the_room_and_nobody_in_another(lab):
    ada = enter(lab, "red", "ada")
    ben = enter(lab, "red", "ben", ada)
    cy = enter(lab, "blue", "cy")
    dee = enter(lab, "Red", "dee")
    assert members(lab) == {"red": 2, "blue": 1, "Red": 1}
    for text in (
        "hello",
        "",
        '{"type": "message"}',
        "<b>x</b>",
        "[" * 15_000,
        '{"a": ' * 2_500,
        "x" * 16_000,
    ):
        ada.send(text)
        for ws in (ada, ben):
            assert contract_fields(ws.receive_json()) == said("red", "ada", text)
    assert fence(cy, dee) == [[], []]


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_two_of_one_name_are_two_members_and_each_is_heard_to_come_and_go(lab, leave):
    ben = enter(lab, "red", "ben")
    twins = []
    for count in (2, 3):
        twins.append(connect(lab, "/ws/rooms/red?name=ada"))
        joined = ben.receive_json()
        assert (joined["type"], joined["user"], joined["room_members"]) == ("user_joined", "ada", count)
        assert members(lab) == {"red": count}
    for twin, count in zip(twins, (2, 1), strict=True):
        getattr(twin, leave)()
        left = ben.receive_json()
        assert (left["type"], left["user"], left["room_members"]) == ("user_left", "ada", count)
        assert left.get("namesake") is (True if count == 2 else None)
        assert members(lab) == {"red": count}
    assert fence(ben) == [[]]


@pytest.mark.parametrize("query", ["", "?name=guest"])
def test_who_gives_no_name_is_a_guest(lab, query):
    for count in (1, 2):
        ws = connect(lab, f"/ws/rooms/red{query}")
        joined = ws.receive_json()
        assert (joined["user"], joined["room_members"]) == ("guest", count)


@pytest.mark.parametrize("name", ["می‌خواهم", "👩‍👩‍👧‍👦", "a\u00a0b", "100 %"])
def test_a_room_and_its_members_may_be_called_anything_that_fits_in_a_line(lab, name):
    quoted = quote(name, safe="")
    ws = connect(lab, f"/ws/rooms/{quoted}?name={quoted}")
    assert ws.receive_json()["user"] == name
    assert members(lab) == {name: 1}


def test_one_person_may_be_in_several_rooms_and_nothing_crosses_over(lab):
    red = enter(lab, "red", "ada")
    blue = enter(lab, "blue", "ada")
    red.send("only here")
    assert red.receive_json()["message"] == "only here"
    assert fence(blue) == [[]]
    red.close()
    assert fence(blue) == [[]]
    assert members(lab) == {"blue": 1}


def test_all_in_a_room_see_one_order(lab):
    everyone: list[Connection] = []
    for name in ("ada", "ben", "cy"):
        everyone.append(enter(lab, "red", name, *everyone))
    for number in range(15):
        for ws in everyone:
            ws.send(str(number))
    orders = [[(m["user"], m["message"]) for m in (ws.receive_json() for _ in range(45))] for ws in everyone]
    assert orders[0] == orders[1] == orders[2]


def test_a_room_that_empties_while_somebody_speaks_is_no_trouble(lab):
    ben = enter(lab, "blue", "ben")
    for number in range(20):
        ws = connect(lab, f"/ws/rooms/red?name=u{number}")
        ws.send("bye")
        ws.abort()
    assert fence(ben) == [[]]
    lab.stop()
    assert lab.logs.errors == []


def test_who_comes_back_to_a_room_gets_what_was_missed_there(patient):
    ben = enter(patient, "red", "ben")
    ada = connect(patient, "/ws/rooms/red?name=ada&resume=1")
    welcome = ada.receive_json()
    assert (welcome["type"], welcome["room"], welcome["users"]) == ("welcome", "red", ["ada", "ben"])
    position = ada.receive_json()["seq"]
    ben.receive()
    ada.abort()
    ben.send("missed")
    ben.receive()
    back = connect(patient, f"/ws/rooms/red?name=ada&since={position}&epoch={welcome['epoch']}")
    again = back.receive_json()
    assert (again["recovered"], again["missed"]) == (True, 1)
    assert contract_fields(back.receive_json()) == said("red", "ben", "missed")
    assert fence(ben, back)[0] == []
    elsewhere = connect(patient, f"/ws/rooms/blue?name=ada&since={position}&epoch={welcome['epoch']}")
    assert elsewhere.receive_json()["recovered"] is False


def test_a_name_may_be_left_out(lab):
    ws = connect(lab, "/ws/rooms/red")
    assert ws.receive_json()["user"] == "guest"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/ws/rooms/red?name=a%00b", "The name 'a\\x00b' has control characters."),
        ("/ws/rooms/red?name=", "A name of 0 characters is not possible."),
        ("/ws/rooms/a%0Ab?name=ada", "'a\\nb' can't be the name of a room."),
        (f"/ws/rooms/{'r' * 65}?name=ada", f"'{'r' * 64}' can't be the name of a room."),
    ],
    ids=["name", "empty name", "room", "long room"],
)
def test_a_name_or_a_room_that_cannot_be_is_refused_with_a_readable_code(lab, path, reason):
    close = connect(lab, path).wait_closed()
    assert (close.code, close.reason) == (4522, reason)
    assert members(lab) == {}


def test_too_much_at_once_is_an_error_for_the_sender_alone(stop_the_clock):
    stop_the_clock(rooms)
    with serve(rooms.create_app()) as lab:
        ben = enter(lab, "red", "ben")
        ada = enter(lab, "red", "ada", ben)
        for _ in range(60):
            ada.send("x")
        got = [ada.receive_json() for _ in range(60)]
        assert {m["code"] for m in got if m["type"] == "error"} == {"too_fast"}
        assert [m["type"] for m in got[:40]] == ["message"] * 40
        assert {m["type"] for m in fence(ben)[0]} == {"message"}


@pytest.mark.parametrize(
    ("data", "code"), [(b"\0", 1003), ("x" * (64 * 1024 + 1), 1009)], ids=["binary", "64 KiB + 1"]
)
def test_what_is_no_message_closes_its_sender_with_the_right_code(lab, data, code):
    ben = enter(lab, "red", "ben")
    ada = enter(lab, "red", "ada", ben)
    ada.send(data)
    assert ada.wait_closed().code == code
    assert ben.receive_json(timeout_s=10)["type"] == "user_left"
    assert lab.logs.errors == []


def test_the_server_pings_each_room():
    with serve(rooms.create_app(Limits(app_ping_s=0.1))) as lab:
        ada = connect(lab, "/ws/rooms/red?name=ada&resume=1")
        assert [ada.receive_json(timeout_s=10)["type"] for _ in range(3)] == [
            "welcome",
            "user_joined",
            "ping",
        ]


def test_when_the_server_stops_everyone_in_every_room_hears_why(lab):
    everyone = [enter(lab, f"r{number}", "ada") for number in range(10)]
    lab.stop()
    for ws in everyone:
        assert ws.wait_closed().reason == "the server is restarting"


def test_a_pong_of_a_client_that_gets_no_pings_is_a_text_like_any_other(lab):
    ada = enter(lab, "red", "ada")
    ada.send('{"type": "pong"}')
    assert ada.receive_json()["message"] == '{"type": "pong"}'
