"""The peer of the checks: each way of failing is told apart, and a hostile server cannot hold it."""

from __future__ import annotations

import time

import pytest

from labkit.grader.child import WHOAMI_PATH
from labkit.grader.failures import Crash, LostConnection, NoAnswer, WrongAnswer
from labkit.grader.fetch import fetch
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox
from labkit.grader.sandbox import start_child
from labkit.grader.server import Server

pytestmark = pytest.mark.slow

SOURCE = """
import asyncio, json, os, time

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "http":
        return await http(scope["path"], send)
    await receive()
    if scope["path"] == "/refused":
        return await send({"type": "websocket.close"})
    if scope["path"] == "/hello":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "Welcome!"})
        return await send({"type": "websocket.close", "code": 1008})
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            print("left with", event["code"], flush=True)
            return
        text = event["text"]
        if text == "die":
            os._exit(3)
        if text == "raise":
            raise LookupError("on purpose")
        if text == "return":
            return
        if text == "close":
            return await send({"type": "websocket.close", "code": 4007, "reason": "enough"})
        if text == "huge":
            await send({"type": "websocket.send", "text": "x" * 5_000_000})
        if text == "flood":
            while True:
                await send({"type": "websocket.send", "text": "x" * 60_000})
        if text == "print":
            print("the secret is s3cr3t!", flush=True)
        if text == "policy":
            await send({"type": "websocket.send", "text": "no"})
            return await send({"type": "websocket.close", "code": 1008})
        if text == "deaf":
            while True:
                await send({"type": "websocket.send", "text": "{}"})
                await asyncio.sleep(0.02)
        if text == "fill":
            try:
                for number in range(1000):
                    await asyncio.wait_for(send({"type": "websocket.send", "text": "x" * 10_000}), 1)
            except asyncio.TimeoutError:
                print("stuck after", number, flush=True)
            return
        if text == "block":
            time.sleep(0.8)
        if text == "deep":
            text = "[" * 1_000_000
        if text != "nothing":
            await send({"type": "websocket.send", "text": text})

async def http(path, send):
    body = {"/json": b'{"a": 1}', "/text": b"hello", "/deep": b"[" * 1_000_000}.get(path, b"")
    if path == "/never":
        await asyncio.sleep(1e9)
    if path == "/raise":
        raise LookupError("on purpose")
    status = 200 if body or path == "/drip" else 404
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    while path == "/drip":
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": body})
"""

LIMITS = Limits(step_s=2.0, settle_s=2.0, check_s=8.0)


@pytest.fixture
def child():
    child = start_child(SOURCE.encode(), {}, strongest_sandbox())
    try:
        fetch(child.port, WHOAMI_PATH, time.monotonic() + 10)
        yield child
    finally:
        child.kill()


@pytest.fixture
def server(child):
    server = Server(child, LIMITS, "seed")
    yield server
    server.close(settle=False)


def test_words_and_phrases_come_from_the_seed(child):
    one, two = Server(child, LIMITS, "7 reply"), Server(child, LIMITS, "7 reply")
    assert [one.word(), one.phrase()] == [two.word(), two.phrase()]
    assert one.word() != one.word()


def test_a_path_of_any_letters_can_be_fetched(child):
    paths = ("/json?ü=🔊", "/t%65xt", "/ü")
    assert [fetch(child.port, path, time.monotonic() + 10).status for path in paths] == [200, 200, 404]


def test_what_a_check_does_is_written_down(server):
    ws = server.connect("/ws", who="Ada")
    ws.send("hi")
    ws.expect_text("hi")
    ws.send("a", "b", "c")
    server.get_text("/text")
    assert server.actions == (
        'Ada connects to /ws\nAda sends "hi"\nAda sends 3 texts, from "a" to "c"\nGET /text'
    )


@pytest.mark.parametrize(
    ("text", "kind", "observed"),
    [
        (
            "nothing",
            NoAnswer,
            r"the client got nothing, on a connection that is still open, after [\d.]+ s of waiting",
        ),
        ("other", WrongAnswer, '"other"'),
        (
            "close",
            LostConnection,
            "the client was sent away: 4007 .private code., reason 'enough', closed by the server",
        ),
        ("return", LostConnection, "the server cut the connection without a close frame"),
        ("raise", Crash, "the server's code raised:\n.*\n.*\nLookupError: on purpose"),
        ("die", Crash, r"the server's process ended \(exit code 3\)"),
        ("huge", LostConnection, "the server sent what breaks the protocol or its limits: .*5000000"),
        ("flood", WrongAnswer, "of 60 000"),
    ],
)
def test_each_way_of_failing_is_told_apart(server, text, kind, observed):
    ws = server.connect("/ws")
    ws.send(text)
    with pytest.raises(kind, match=observed):
        ws.expect_text("hello")


def test_a_text_that_comes_too_late_is_told_by_what_the_check_waits_for_next_or_at_its_end(server):
    ws = server.connect("/ws", who="Ada")
    ws.send("close")
    ws.expect_close(4007)
    ws.send("too late")
    with pytest.raises(LostConnection, match="Ada was sent away: 4007") as caught:
        ws.expect_text("too late")
    assert caught.value.expected == '"too late"'
    with pytest.raises(LostConnection, match="Ada was sent away: 4007") as caught:
        server.require_all_sent()
    assert caught.value.expected == "Ada can go on sending"


def test_who_was_sent_away_meanwhile_is_told_when_another_waits_in_vain(server):
    ada, ben = server.connect("/ws", who="Ada"), server.connect("/ws", who="Ben")
    cleo = server.connect("/ws", who="Cleo")
    ada.send("close")
    cleo.send("close")
    cleo.expect_close(4007)
    with pytest.raises(NoAnswer, match=r"Ben got nothing.*; Ada was sent away: 4007[^;]*$"):
        ben.expect_text("hello")


def test_a_refused_handshake_is_told_as_what_it_is(server):
    with pytest.raises(WrongAnswer, match="HTTP 403 Forbidden"):
        server.connect("/refused")


def test_json_is_compared_with_a_pattern(server):
    ws = server.connect("/ws")
    ws.send_json({"type": "message", "text": "hi", "more": 1})
    assert ws.expect_json({"type": "message", "text": str})["more"] == 1
    ws.send("no json")
    with pytest.raises(WrongAnswer, match="which is no JSON"):
        ws.expect_json({"type": str})
    ws.send("deep")
    with pytest.raises(WrongAnswer, match="which is no JSON"):
        ws.expect_json({"type": str})
    with pytest.raises(WrongAnswer, match="which is no JSON"):
        server.get_json("/deep")


def noise(value):
    return value == {"type": "noise"}


def signal(value):
    return not noise(value)


def test_what_does_not_concern_a_check_is_passed_over(server):
    ws = server.connect("/ws", who="Ada")
    for value in ({"type": "noise"}, {"n": 1}, {"type": "noise"}, {"n": 2}, {"n": 3}, {"type": "noise"}):
        ws.send_json(value)
    assert ws.expect_json({"n": int}, among=signal) == {"n": 1}
    assert ws.collect_json(until={"n": 3}, among=signal) == [{"n": 2}]
    with pytest.raises(
        NoAnswer, match='Ada got nothing but {"type": "noise"}, on a connection that is still'
    ):
        ws.expect_json({"n": int}, among=signal, timeout_s=1)


def test_what_does_not_concern_a_check_cannot_stretch_it(child):
    server = Server(child, Limits(step_s=1.5, check_s=4.0), "seed")
    ws = server.connect("/ws")
    ws.send("deaf")
    started = time.monotonic()
    with pytest.raises(NoAnswer, match="got (nothing but|other messages without end)"):
        ws.expect_json({"n": int}, among=lambda value: bool(value))
    with pytest.raises(NoAnswer):
        ws.collect_json(until={"n": int})
    assert time.monotonic() - started < 60
    server.close(settle=False)


def test_what_may_come_or_not_is_taken_in_as_far_as_it_has_come(server):
    ws = server.connect("/ws")
    heard = []
    assert not ws.hears({"n": 2}, heard, among=signal)
    for value in ({"n": 1}, {"type": "noise"}, {"n": 2}, {"n": 3}):
        ws.send_json(value)
    assert ws.hears({"n": 2}, heard, among=signal, patience_s=5)
    assert heard == [{"n": 1}, {"n": 2}]
    assert not ws.hears({"n": 4}, heard, among=signal, patience_s=1)
    assert heard == [{"n": 1}, {"n": 2}, {"n": 3}]
    ws.send("close")
    assert not ws.hears({"n": 4}, heard, patience_s=60)
    assert heard[3:] == []


def test_one_who_never_stops_talking_does_not_stretch_what_may_come_or_not(server):
    ws = server.connect("/ws")
    ws.send("deaf")
    started = time.monotonic()
    assert not ws.hears({"n": 1}, [], patience_s=0.3)
    assert time.monotonic() - started < 50


def test_a_server_that_is_held_up_gets_its_time_when_it_goes_on(server):
    holds_up, ws = server.connect("/ws"), server.connect("/ws")
    holds_up.send("block")
    holds_up.send("this waits")
    ws.send_json({"n": 1})
    assert ws.hears({"n": 1}, [], patience_s=0.2)


def test_what_has_come_is_looked_for_without_taking_it(server):
    ws = server.connect("/ws")
    ws.send("one", "two")
    other = server.connect("/ws")
    other.send("ready")
    other.expect_text("ready")
    ws.expect_text("one")
    server.wait_until(lambda: ws.has_come("two"), like=True)
    assert not ws.has_come("three")
    ws.expect_text("two")


def test_a_ping_tells_who_has_stopped_reading(server):
    ws = server.connect("/ws")
    ws.ping()
    ws.send("deaf")
    ws.receive()
    ws.send("unread")
    ws.receive()
    with pytest.raises(NoAnswer, match="no pong: the server has stopped reading"):
        ws.ping()


def test_what_is_said_into_a_close_that_is_due_is_held_against_nobody(server):
    ws = server.connect("/ws")
    ws.send("policy")
    ws.expect_text("no")
    server.wait_until(lambda: bool(ws.loss), like=True)
    ws.send("too late")
    with pytest.raises(LostConnection, match="can go on sending"):
        server.require_all_sent()
    ws.expect_close(1008)
    server.require_all_sent()


def test_a_close_by_the_server_can_be_required(server):
    ws = server.connect("/ws")
    ws.send("policy")
    ws.expect_close(1008, but_not="Welcome")
    ws = server.connect("/ws")
    ws.send("close")
    with pytest.raises(LostConnection, match="the client was sent away: 4007"):
        ws.expect_close(1008)
    ws = server.connect("/ws")
    with pytest.raises(NoAnswer, match="the connection is still open"):
        ws.expect_close(1008, timeout_s=0.2)


def test_both_ways_of_refusing_count_and_a_welcome_does_not(server):
    server.expect_refused("/refused", {401, 403}, 1008, welcome="Welcome")
    server.expect_refused("/hello", {401, 403}, 1008, welcome="Goodbye")
    with pytest.raises(WrongAnswer, match="Welcome!"):
        server.expect_refused("/hello", {401, 403}, 1008, welcome="Welcome")
    with pytest.raises(WrongAnswer, match="HTTP 403 Forbidden"):
        server.expect_refused("/refused", {401}, 1008, welcome="Welcome")
    with pytest.raises(NoAnswer, match="the connection is still open"):
        server.expect_refused("/ws", {401, 403}, 1008, welcome="Welcome")


def test_a_printed_secret_is_found_and_not_repeated(server):
    ws = server.connect("/ws")
    ws.send("print")
    ws.expect_text("print")
    server.expect_not_printed("another", "the secret", after="after this")
    with pytest.raises(WrongAnswer) as caught:
        server.expect_not_printed("s3cr3t", "the secret", after="after this")
    assert caught.value.observed == "one line of it, with the secret in place of …:\nthe secret is …!"


def test_a_client_that_stalls_gets_its_server_stuck_after_kilobytes(server):
    ws = server.connect("/ws", will_stall=True)
    ws.send("fill")
    server.wait_until(lambda: "stuck after" in server.log, like=True)
    assert int(server.log.split("stuck after")[1].split()[0]) < 30


def test_silence_is_proved_by_a_fence_and_not_by_waiting(server):
    ws = server.connect("/ws")
    started = time.monotonic()
    ws.expect_silence(probe="a", answer="a")
    assert time.monotonic() - started < LIMITS.step_s
    ws.send("unexpected")
    with pytest.raises(WrongAnswer, match="unexpected"):
        ws.expect_silence(probe="b", answer="b")


@pytest.mark.parametrize(
    ("leave", "code"), [("close", 1000), ("own code", 4321), ("no code", 1005), ("abort", 1005)]
)
def test_each_way_of_leaving_reaches_the_server(server, leave, code):
    ws = server.connect("/ws")
    if leave == "abort":
        ws.abort()
    else:
        ws.close({"close": 1000, "own code": 4321, "no code": None}[leave])
    server.wait_until(lambda: f"left with {code}" in server.log, like=True)


def test_a_flood_does_not_hold_up_the_goodbye(server):
    ws = server.connect("/ws")
    ws.send("flood")
    ws.receive()
    started = time.monotonic()
    server.close(settle=False)
    assert time.monotonic() - started < 50


def test_a_client_that_does_not_read_gets_its_server_stuck(server):
    ws = server.connect("/ws")
    ws.send_unread(*["x" * 60_000] * 30)
    ws.abort()
    assert server.get_text("/text") == "hello"


@pytest.mark.parametrize(
    ("path", "kind", "observed"),
    [
        ("/never", NoAnswer, "the request is still without an answer"),
        ("/drip", NoAnswer, "the request is still without an answer"),
        ("/raise", Crash, "LookupError: on purpose"),
        ("/none", WrongAnswer, "HTTP 404 Not Found"),
    ],
)
def test_each_way_of_not_answering_a_get_is_told_apart(server, path, kind, observed):
    with pytest.raises(kind, match=observed):
        server.get_text(path)


def test_a_check_has_an_end_whatever_its_steps_may_take(child):
    server = Server(child, Limits(step_s=2.0, check_s=2.5), "seed")
    started = time.monotonic()
    ws = server.connect("/ws")
    ws.send("nothing")
    with pytest.raises(NoAnswer):
        ws.receive(timeout_s=60)
    assert time.monotonic() - started < 50
    server.close(settle=False)


def test_what_is_printed_is_bounded_and_its_end_is_known():
    source = "import sys\n" + SOURCE + "\nprint('x' * 20_000_000)\nprint('the end')\n"
    child = start_child(source.encode(), {}, strongest_sandbox())
    try:
        Server(child, Limits(), "seed").get_text("/text")
        log = child.log.text_since()
        assert log.endswith("x\nthe end\n")
        assert len(log) <= 2 * 1024 * 1024 + 1024 * 256
    finally:
        child.kill()
