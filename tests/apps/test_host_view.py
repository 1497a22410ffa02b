"""The host's view: nobody gets in without the token, and what the host does, the room feels."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from labkit import connect, serve
from labkit.apps import chat, rooms
from labkit.host import Connection, Lab


@pytest.fixture
def app():
    return chat.create_app()


@pytest.fixture
def lab(app):
    with serve(app) as lab:
        yield lab


def enter(lab: Lab, user: str) -> Connection:
    ws = connect(lab, f"/ws/{user}")
    assert ws.receive_json()["user"] == user
    return ws


def host_of(lab: Lab, app: Any) -> Connection:
    """Connect as the host and receive the first state."""
    ws = connect(lab, "/host/ws")
    ws.send_json({"type": "hello", "token": app.state.host_token})
    assert ws.receive_json()["type"] == "state"
    return ws


def do(host: Connection, **control: Any) -> str:
    """Have the host do something; return what was said to be done."""
    host.send_json({"room": "chat", **control})
    while (message := host.receive_json())["type"] == "state":
        pass
    assert message["type"] == "done", message
    return message["detail"]


def state_of(host: Connection, **expected: Any) -> dict[str, Any]:
    """Wait for a state in which the room is as expected, and return it."""
    while True:
        message = host.receive_json()
        if message["type"] == "state" and message["rooms"]:
            room = message["rooms"][0]
            if {key: room[key] for key in expected} == expected:
                return message


def get(lab: Lab, path: str) -> httpx.Response:
    return httpx.get(lab.url + path, trust_env=False, timeout=5)


# ---- who gets in ------------------------------------------------------------------------------------


def test_the_page_is_at_the_secret_address_alone(lab, app):
    token = app.state.host_token
    assert len(token) >= 20
    page = get(lab, f"/host/{token}")
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    for wrong in ("x", token[:-1], token + "x", "%00", "é"):
        assert get(lab, f"/host/{wrong}").status_code == 404
    assert get(lab, "/host/static/host.js").status_code == 200
    assert token not in page.text


def test_each_app_has_a_token_of_its_own():
    assert chat.create_app().state.host_token != chat.create_app().state.host_token


@pytest.mark.parametrize(
    "first",
    [
        {"type": "hello", "token": "wrong"},
        {"type": "hello", "token": ""},
        {"type": "lock", "room": "chat"},
        {"type": "dance"},
    ],
)
def test_without_the_token_nothing_is_told_and_nothing_is_done(lab, app, first):
    stranger = connect(lab, "/host/ws")
    stranger.send_json(first)
    close = stranger.wait_closed()
    assert (close.code, close.reason) == (1008, "not the host's token")
    assert stranger.received() == []
    ada = enter(lab, "ada")  # the room is not locked
    ada.close()


def test_who_says_nothing_is_not_let_in_for_ever(app, monkeypatch):
    monkeypatch.setattr("labkit.apps.host_view.AUTH_TIMEOUT_S", 0.1)
    with serve(app) as lab:
        assert connect(lab, "/host/ws").wait_closed(timeout_s=10).code == 1008


def test_the_token_is_in_no_log_and_in_no_other_answer(lab, app):
    token = app.state.host_token
    get(lab, f"/host/{token}")
    host = host_of(lab, app)
    ada = enter(lab, "ada")
    watcher = connect(lab, "/watch")
    do(host, type="mute", user="ada")
    seen = [
        get(lab, path).text
        for path in ("/", "/join", "/join.svg", "/users", "/asyncapi.json", "/_lab/whoami")
    ]
    seen += map(str, [*ada.received(), *watcher.received(), *lab.logs])
    assert len(seen) > 10
    assert [text for text in seen if token in text] == []


def test_the_host_is_nobody_in_the_room(lab, app):
    ada = enter(lab, "ada")
    host = host_of(lab, app)
    ada.send("alone?")
    assert ada.receive_json()["message"] == "alone?"
    assert get(lab, "/users").json() == ["ada"]
    host.close()
    ada.send("still?")
    assert ada.receive_json()["message"] == "still?"


# ---- what the host sees and does ----------------------------------------------------------------------


def test_the_host_sees_who_is_here_and_hears_of_changes_within_seconds(lab, app):
    host = connect(lab, "/host/ws")
    host.send_json({"type": "hello", "token": app.state.host_token})
    assert host.receive_json() == {
        "type": "state",
        "app": "chat",
        "connections": 1,
        "rooms": [
            {
                "room": "chat",
                "people": [],
                "typing": [],
                "locked": False,
                "slow_s": 0.0,
                "muted": [],
                "kicked": [],
                "hidden": [],
                "names": {},
                "colors": {},
            }
        ],
    }
    enter(lab, "ada")
    assert state_of(host, people=["ada"])["connections"] == 2


def test_a_locked_room_keeps_newcomers_out_and_those_in_it_may_come_back(lab, app):
    host = host_of(lab, app)
    ada = connect(lab, "/ws/ada?resume=1")
    epoch = ada.receive_json()["epoch"]
    seq = ada.receive_json()["seq"]
    assert do(host, type="lock") == "chat is locked: nobody new comes in."
    assert ada.receive_json() == {
        "type": "rules",
        "room": "chat",
        "locked": True,
        "slow_s": 0.0,
        "muted": False,
    }
    refused = connect(lab, "/ws/ben").wait_closed()
    assert (refused.code, refused.reason) == (4423, "The host has locked this room.")
    ada.abort()
    back = connect(lab, f"/ws/ada?since={seq}&epoch={epoch}")
    assert back.receive_json()["rules"]["locked"] is True
    assert do(host, type="unlock") == "chat is open."
    enter(lab, "ben")


def test_a_muted_person_reads_and_does_not_speak_aloud_or_privately(lab, app):
    ada, ben = enter(lab, "ada"), enter(lab, "ben")
    ada.receive()
    host = host_of(lab, app)
    assert do(host, type="mute", user="ada") == "ada is muted."
    assert ada.receive_json()["muted"] is True
    assert ben.receive_json()["muted"] is False
    for attempt in ("hello", '{"type": "private", "to": "ben", "message": "psst"}'):
        ada.send(attempt)
        assert ada.receive_json()["code"] == "muted"
    ben.send("poor ada")
    assert ada.receive_json()["message"] == "poor ada"
    assert ben.receive_json()["message"] == "poor ada"
    assert do(host, type="unmute", user="ada") == "ada may speak."
    ada.receive(), ben.receive()
    ada.send("thanks")
    assert ben.receive_json()["message"] == "thanks"


def test_typing_does_not_use_up_the_turn_that_slow_mode_gives(lab, app):
    ada, ben = enter(lab, "ada"), enter(lab, "ben")
    ada.receive()
    host = host_of(lab, app)
    assert do(host, type="slow", seconds=60) == "One message in 60 s."
    assert ada.receive_json()["slow_s"] == 60
    ben.receive()
    ada.send_json({"type": "typing"})
    assert ben.receive_json()["type"] == "typing"
    ada.send("once")
    assert ben.receive_json()["message"] == ada.receive_json()["message"] == "once"
    ada.send("twice")
    error = ada.receive_json()
    assert (error["code"], 0 < error["retry_ms"] <= 60_000) == ("slow_mode", True)
    assert do(host, type="slow", seconds=0) == "Slow mode is off."


def test_who_is_kicked_hears_why_cannot_come_back_and_may_be_readmitted(lab, app):
    ada, ben = enter(lab, "ada"), enter(lab, "ben")
    ada.receive()
    host = host_of(lab, app)
    assert do(host, type="kick", user="ben") == "ben is out."
    close = ben.wait_closed()
    assert (close.code, close.reason) == (4504, "the host has removed you")
    while (message := ada.receive_json())["type"] == "rules":
        pass
    assert message["message"] == "ben left the chat 👋"
    assert connect(lab, "/ws/ben").wait_closed().code == 4504
    assert state_of(host, people=["ada"])["rooms"][0]["kicked"] == ["ben"]
    assert do(host, type="readmit", user="ben") == "ben may come back."
    enter(lab, "ben")


def test_clearing_empties_the_room_for_all_and_for_those_who_come_back(lab, app):
    ada = connect(lab, "/ws/ada?resume=1")
    start = ada.receive_json()
    ada.send("oops")
    ada.receive(), ada.receive()
    host = host_of(lab, app)
    assert do(host, type="clear") == "chat is cleared."
    cleared = ada.receive_json()
    assert (cleared["type"], cleared["room"]) == ("cleared", "chat")
    back = connect(lab, f"/ws/ben?since={start['seq']}&epoch={start['epoch']}")
    assert back.receive_json()["recovered"] is False


def test_undo_takes_back_the_last_change(lab, app):
    host = host_of(lab, app)
    assert do(host, type="undo") == "There is nothing to undo."
    do(host, type="mute", user="ada")
    do(host, type="lock")
    assert do(host, type="undo") == "The last change is undone."
    room = state_of(host, locked=False, muted=["ada"])["rooms"][0]
    assert room["kicked"] == []


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "lock"},
        {"type": "kick", "room": "chat"},
        {"type": "slow", "room": "chat", "seconds": -1},
        {"type": "slow", "room": "chat", "seconds": 1e9},
        {"type": "slow", "room": "chat", "seconds": "5"},
        {"type": "lock", "room": ""},
        {"type": "lock", "room": "x" * 65},
    ],
    ids=str,
)
def test_a_control_that_makes_no_sense_is_an_error_and_changes_nothing(lab, app, bad):
    host = host_of(lab, app)
    host.send_json(bad)
    assert host.receive_json()["type"] == "error"
    host.send_json({"type": "lock", "room": "chat"})
    assert host.receive_json()["type"] == "done"


def test_two_hosts_see_what_the_other_does(lab, app):
    one, two = host_of(lab, app), host_of(lab, app)
    do(one, type="lock")
    state_of(two, locked=True)


def test_the_same_controls_work_for_each_room_apart():
    app = rooms.create_app()
    with serve(app) as lab:
        red, blue = connect(lab, "/ws/rooms/red?name=ada"), connect(lab, "/ws/rooms/blue?name=ada")
        red.receive(), blue.receive()
        host = host_of(lab, app)
        assert do(host, type="mute", user="ada", room="red") == "ada is muted."
        red.send("x")
        while (message := red.receive_json())["type"] == "rules":
            assert message["room"] == "red"
        assert message["code"] == "muted"
        blue.send("y")
        while (message := blue.receive_json())["type"] == "rules":
            pass
        assert message["message"] == "y"
        assert do(host, type="kick", user="ada", room="red") == "ada is out."
        assert red.wait_closed().code == 4504
        blue.send("z")
        while (message := blue.receive_json())["type"] == "rules":
            pass
        assert message["message"] == "z"
        assert get(lab, "/rooms").json() == {"blue": 1}


def test_the_server_stops_in_time_with_a_host_connected(lab, app):
    host = host_of(lab, app)
    lab.stop()
    close = host.wait_closed()
    assert (close.code, close.reason) == (1012, "the server is restarting")
    assert lab.logs.errors == []


# ---- the address to join at ---------------------------------------------------------------------------


def test_the_address_to_join_at_is_the_one_that_demo_has_found(app):
    with serve(app) as lab:
        assert get(lab, "/join").json() == {"url": f"{lab.url}/", "only_here": True}
        app.state.join_url = "http://192.168.1.23:8000/"
        assert get(lab, "/join").json() == {"url": "http://192.168.1.23:8000/", "only_here": False}
        drawn = get(lab, "/join.svg")
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert drawn.text.startswith("<svg")
    assert "http://192" not in drawn.text  # as a code, that is


def test_the_host_sees_who_is_typing_until_they_speak(lab, app):
    host = host_of(lab, app)
    ada = enter(lab, "ada")
    ada.send_json({"type": "typing"})
    state_of(host, typing=["ada"])
    ada.send("there")
    state_of(host, typing=[])
