"""A plan says at once what is wrong with it."""

from __future__ import annotations

import pytest

from labkit.errors import LabError
from labkit.swarm import SwarmPlan
from labkit.swarm.redact import redact

URL = "ws://127.0.0.1:8000/ws"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("http://127.0.0.1:8000/ws", "ws://127.0.0.1:8000/ws"),
        ("https://localhost/ws/{n}?name=u{n}", "wss://localhost/ws/{n}?name=u{n}"),
        ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/"),
        ("ws://[::1]:8000/ws#here", "ws://[::1]:8000/ws"),
    ],
)
def test_an_address_becomes_a_websocket_url(given, shown):
    assert SwarmPlan(given).url == shown


def test_each_client_has_its_number_in_the_path_and_the_query():
    assert SwarmPlan("ws://127.0.0.1/ws/u{n}?name={n}").url_of(12) == "ws://127.0.0.1/ws/u12?name=12"


@pytest.mark.parametrize(
    ("url", "happened"),
    [
        ("echo", "'echo' is no address of a WebSocket server."),
        ("ftp://127.0.0.1/ws", "'ftp://127.0.0.1/ws' is no address of a WebSocket server."),
        ("ws://127.0.0.1:99999/ws", "'ws://127.0.0.1:99999/ws' is no URL: Port out of range 0-65535."),
        ("ws://host{n}/ws", "'ws://host{n}/ws' has more than a host and a port before its path."),
        ("ws://u:p@127.0.0.1/ws", "'ws://u:p@127.0.0.1/ws' has more than a host and a port before its path."),
    ],
)
def test_what_is_no_websocket_address_is_refused(url, happened):
    with pytest.raises(LabError) as error:
        SwarmPlan(url)
    assert error.value.happened == happened
    assert error.value.expected == "something like ws://127.0.0.1:8000/ws/user{n}."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"clients": 2001}, "clients is 2001.\nExpected: 1 to 2000."),
        ({"clients": 0}, "clients is 0.\nExpected: 1 to 2000."),
        ({"clients": 2.5}, "clients is 2.5.\nExpected: a whole number."),
        ({"clients": True}, "clients is True.\nExpected: a whole number."),
        ({"duration_s": 601}, "duration_s is 601.\nExpected: 0.1 to 600."),
        ({"duration_s": float("nan")}, "duration_s is nan.\nExpected: a number."),
        ({"rate_hz": 101}, "rate_hz is 101.\nExpected: 0 to 100."),
        ({"ramp_up_per_s": 0}, "ramp_up_per_s is 0.\nExpected: 1 to 1000."),
        ({"warm_up_s": -1}, "warm_up_s is -1.\nExpected: 0 to 60."),
        ({"drain_s": 61}, "drain_s is 61.\nExpected: 0 to 60."),
        ({"expect": "all"}, "expect is 'all'.\nExpected: one of auto, echo, everyone, nothing."),
        (
            {"message": "x" * 16000 + "{marker}"},
            "The message has 16008 characters.\nExpected: at most 16000.",
        ),
        (
            {"message": "hello"},
            "The message 'hello' has no {marker}.\n"
            "Expected: a text with {marker} in it, by which it is known again.\n"
            "Try: 'Hello from user {n} {marker}'.",
        ),
    ],
)
def test_a_value_out_of_bounds_is_refused(values, message):
    with pytest.raises(LabError) as error:
        SwarmPlan(URL, **values)
    assert str(error.value) == message


def test_a_plan_survives_json():
    plan = SwarmPlan(URL, clients=3, message='{"m": "{marker}"}', expect="echo", own_server=True)
    assert SwarmPlan.from_json(plan.to_json()) == plan
    assert "\n" not in plan.to_json()


@pytest.mark.parametrize(
    ("path", "shared"),
    [("/ws/ada", True), ("/ws/user{n}", False), ("/ws", False), ("/ws/draw", False), ("/ws/rooms/a", False)],
)
def test_one_id_for_all_is_noticed(path, shared):
    assert SwarmPlan(f"ws://127.0.0.1{path}").shares_one_id is shared
    assert not SwarmPlan(f"ws://127.0.0.1{path}", clients=1).shares_one_id


def test_tokens_are_made_unreadable():
    assert redact("ws://h/ws?token=abc.def&name=u{n}") == "ws://h/ws?token=…&name=u{n}"
    assert redact("ws://h/ws?name=a&access_token=abc") == "ws://h/ws?name=a&access_token=…"
    assert redact("ws://h/ws/token/x") == "ws://h/ws/token/x"
