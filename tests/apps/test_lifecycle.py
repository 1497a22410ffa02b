"""The lifecycle app over a real socket: every way to connect, talk and leave is written down once."""

from __future__ import annotations

import httpx
import pytest

from labkit import connect, serve


@pytest.fixture
def lab():
    with serve("lifecycle") as lab:
        yield lab


def events(lab):
    return httpx.get(lab.url + "/events", trust_env=False, timeout=5).json()


def ending(lab, ws, leave):
    """Leave, then return the code written down, once the handler has ended."""
    leave(ws)
    fence = connect(lab, "/ws/fence")
    while not (codes := [e["code"] for e in events(lab) if e["event"] == "disconnected"]):
        fence.send("?")  # each answer gives the server a turn; the deadline is the receive's
        fence.receive()
    return codes


def test_a_connection_is_written_down_from_open_to_close(lab):
    ws = connect(lab, "/ws/ada")
    ws.send("hello")
    assert ws.receive() == "Server received: hello ✨"
    assert ending(lab, ws, lambda ws: ws.close(4000, "lunch")) == [4000]
    assert [event for event in events(lab) if event["client_id"] == "ada"] == [
        {"event": "connected", "client_id": "ada"},
        {"event": "received", "client_id": "ada", "message": "hello"},
        {"event": "disconnected", "client_id": "ada", "code": 4000},
    ]


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_code_is_the_one_that_the_client_sent(lab, code):
    assert ending(lab, connect(lab, "/ws/ada"), lambda ws: ws.close(code)) == [code]


def test_who_speaks_and_closes_at_once_is_written_down_whole(lab):
    """Nobody hears the first reply any more; what was said, and the code, are still to be read."""
    for number in range(20):
        ws = connect(lab, f"/ws/ada{number}")
        for text in "abc":
            ws.send(text)
        ws.close(4001)
    fence = connect(lab, "/ws/fence")
    while len(ended := [e for e in events(lab) if e["event"] == "disconnected"]) < 20:
        fence.send("?")
        fence.receive()
    assert {event["code"] for event in ended} == {4001}
    said = [e["message"] for e in events(lab) if e["event"] == "received" and e["client_id"] != "fence"]
    assert sorted(said) == sorted("abc" * 20)
    assert lab.logs.errors == []


def test_a_connection_that_was_cut_is_1005_or_1006(lab):
    assert ending(lab, connect(lab, "/ws/ada"), lambda ws: ws.abort()) in ([1005], [1006])
    assert lab.logs.errors == []


def test_a_binary_frame_is_written_down_as_the_1003_that_it_gets(lab):
    ws = connect(lab, "/ws/ada")
    ws.send(b"\x00")
    assert ws.wait_closed().code == 1003
    assert ending(lab, ws, lambda ws: None) == [1003]


def test_two_connections_of_one_client_each_have_their_own_lines(lab):
    one, other = connect(lab, "/ws/ada"), connect(lab, "/ws/ada")
    assert ending(lab, one, lambda ws: ws.close(4001)) == [4001]
    other.send("still here")
    assert other.receive() == "Server received: still here ✨"
    assert [e["event"] for e in events(lab) if e["client_id"] == "ada"].count("connected") == 2


def test_a_name_may_be_anything_that_fits_in_a_path(lab):
    connect(lab, "/ws/a%20b").ping()
    assert {"event": "connected", "client_id": "a b"} in events(lab)


def test_ten_thousand_messages_at_once_are_all_answered_and_written_down(lab):
    ws = connect(lab, "/ws/ada")
    texts = [str(number) for number in range(10_000)]
    for text in texts:
        ws.send(text)
    assert [ws.receive() for _ in texts] == [f"Server received: {text} ✨" for text in texts]
    assert [event["message"] for event in events(lab) if event["event"] == "received"] == texts
    assert events(lab)[0]["event"] == "connected"
