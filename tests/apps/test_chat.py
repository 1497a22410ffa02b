"""The chat over real sockets: its contract line by line, what the kit adds, and bad input."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from labkit import connect, serve
from labkit.apps import chat
from labkit.errors import ConnectError, ConnectionClosed
from labkit.host import Connection, Lab
from labkit.hub import Limits

JOINED, LEFT = "{} joined the chat! 👋", "{} left the chat 👋"


@pytest.fixture
def lab():
    with serve("chat") as lab:
        yield lab


@pytest.fixture
def patient():
    """A chat in which somebody who is away may come back for longer than a test takes on a slow machine."""
    with serve(chat.create_app(Limits(presence_grace_s=60))) as lab:
        yield lab


def enter(lab: Lab, user: str, *others: Connection) -> Connection:
    """Connect a user and receive the announcement, at the newcomer and at the others."""
    ws = connect(lab, f"/ws/{user}")
    for each in (ws, *others):
        assert each.receive_json()["message"] == JOINED.format(user)
    return ws


def contract_fields(message: dict[str, Any]) -> dict[str, Any]:
    """Return what the contract names of a message, with the time replaced by whether it is one."""
    fields = {key: value for key, value in message.items() if key in CONTRACT_FIELDS}
    if "timestamp" in fields:
        fields["timestamp"] = bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d", fields["timestamp"]))
    return fields


CONTRACT_FIELDS = ("type", "sender", "to", "message", "timestamp", "emoji")


def said(sender: str, message: str, emoji: str = "💬") -> dict[str, Any]:
    return {"type": "message", "sender": sender, "message": message, "timestamp": True, "emoji": emoji}


def users(lab: Lab) -> list[str]:
    return httpx.get(lab.url + "/users", trust_env=False, timeout=5).json()


def fence(*everyone: Connection, say: str = "fence") -> list[list[Any]]:
    """Have the last one speak; return what each got before that."""
    everyone[-1].send(say)
    got: list[list[Any]] = []
    for ws in everyone:
        got.append([])
        while (message := ws.receive_json()).get("message") != say:
            got[-1].append(message)
    return got


# ---- the contract ---------------------------------------------------------------------------------


def test_on_entry_everyone_the_newcomer_too_hears_it(lab):
    ada = connect(lab, "/ws/ada")
    assert contract_fields(ada.receive_json()) == said("system", "ada joined the chat! 👋", "📢")
    ben = connect(lab, "/ws/ben")
    for ws in (ada, ben):
        assert contract_fields(ws.receive_json()) == said("system", "ben joined the chat! 👋", "📢")


@pytest.mark.parametrize(
    "leave",
    [
        lambda ws: ws.close(),
        lambda ws: ws.close(1001),
        lambda ws: ws.close(4000, "lunch"),
        lambda ws: ws.abort(),
    ],
    ids=["1000", "1001", "4000", "cut"],
)
def test_on_leaving_however_it_happens_those_left_hear_it_at_once(lab, leave):
    ada = enter(lab, "ada")
    ben = enter(lab, "ben", ada)
    leave(ben)
    assert contract_fields(ada.receive_json(timeout_s=10)) == said("system", "ben left the chat 👋", "📢")
    assert users(lab) == ["ada"]
    assert fence(ada) == [[]]  # once
    assert lab.logs.errors == []


NOT_KNOWN = [
    "hello",
    " ",
    "",
    "zwei\nZeilen 🎉",
    "null",
    "42",
    "NaN",
    "[]",
    '["private"]',
    '"private"',
    "{",
    "{}",
    '{"type": 1}',
    '{"type": null}',
    '{"type": ["typing"]}',
    '{"type": "dance"}',
    '{"message": "hi"}',
    '{"type": "typing", "x": NaN}',
    "[" * 15_000,
    "<img src=x onerror=alert(1)>",
    "x" * 16_000,
]


def test_a_frame_that_is_no_json_object_of_a_known_type_is_said_to_all_as_it_is(lab):
    ada = enter(lab, "ada")
    ben = enter(lab, "ben", ada)
    for text in NOT_KNOWN:
        ada.send(text)
        for ws in (ada, ben):
            assert contract_fields(ws.receive_json()) == said("ada", text)


def test_all_see_all_messages_in_one_and_the_same_order(lab):
    names = ["ada", "ben", "cy"]
    speakers: list[Connection] = []
    for name in names:
        speakers.append(enter(lab, name, *speakers))
    for number in range(20):
        for ws in speakers:
            ws.send(f"{number}")
    orders = [
        [(m["sender"], m["message"]) for m in (ws.receive_json() for _ in range(60))] for ws in speakers
    ]
    assert orders[0] == orders[1] == orders[2]
    for name in names:
        assert [said for who, said in orders[0] if who == name] == [str(n) for n in range(20)]


def test_a_private_message_reaches_the_two_and_nobody_else(lab):
    ada = enter(lab, "ada")
    ben = enter(lab, "ben", ada)
    cy = enter(lab, "cy", ada, ben)
    ada.send_json({"type": "private", "to": "ben", "message": "psst", "sender": "cy"})
    for ws in (ada, ben):
        assert contract_fields(ws.receive_json()) == {
            "type": "private",
            "sender": "ada",
            "to": "ben",
            "message": "psst",
            "timestamp": True,
            "emoji": "🔒",
        }
    assert fence(ada, ben, cy) == [[], [], []]


def test_a_private_message_to_oneself_arrives_once(lab):
    ada = enter(lab, "ada")
    ada.send_json({"type": "private", "to": "ada", "message": "note"})
    assert ada.receive_json()["message"] == "note"
    assert fence(ada) == [[]]


def test_a_private_message_to_somebody_absent_is_an_error_for_the_sender_alone(lab):
    ada = enter(lab, "ada")
    ben = enter(lab, "ben", ada)
    ada.send_json({"type": "private", "to": "zoe", "message": "psst"})
    error = ada.receive_json()
    assert error == {
        "type": "error",
        "code": "not_here",
        "detail": "'zoe' is not here.\nTry: look at the list of who is.",
    }
    assert fence(ada, ben) == [[], []]


def test_typing_reaches_everyone_else_and_is_never_replayed(lab):
    ada = connect(lab, "/ws/ada?resume=1")
    start = ada.receive_json()
    ada.receive_json()
    ben = enter(lab, "ben", ada)
    cy = enter(lab, "cy", ada, ben)
    for _ in range(2):
        ben.send_json({"type": "typing"})
        for ws in (ada, cy):
            assert ws.receive_json() == {"type": "typing", "sender": "ben"}
    assert fence(ada, ben, cy) == [[], [], []]
    ada.abort()
    ben.send_json({"type": "typing"})
    back = connect(lab, f"/ws/ada?since={start['seq']}&epoch={start['epoch']}")
    assert [m["type"] for m in fence(back, say="done")[0]] == ["welcome"] + ["message"] * 4


def test_the_list_of_users_is_sorted_and_names_each_once(lab):
    assert users(lab) == []
    for user in ("cy", "ada", "ben", "ada"):
        connect(lab, f"/ws/{user}").receive()
    assert users(lab) == ["ada", "ben", "cy"]


def test_a_second_connection_replaces_the_first_without_anybody_leaving(lab):
    ben = enter(lab, "ben")
    first = enter(lab, "ada", ben)
    second = enter(lab, "ada", ben)
    close = first.wait_closed()
    assert (close.code, close.reason) == (4509, "you connected again elsewhere")
    assert users(lab) == ["ada", "ben"]
    ben.send("are you there?")
    assert second.receive_json()["message"] == "are you there?"
    ben.receive()
    second.close()
    assert ben.receive_json(timeout_s=10)["message"] == LEFT.format("ada")
    assert fence(ben) == [[]]


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_the_first_one_that_is_replaced_may_go_in_any_way(lab, leave):
    ben = enter(lab, "ben")
    first = enter(lab, "ada", ben)
    second = enter(lab, "ada", ben)
    getattr(first, leave)()
    assert fence(second, ben) == [[], []]
    assert users(lab) == ["ada", "ben"]


def test_a_client_that_stops_reading_neither_delays_nor_breaks_delivery(lab, raw):
    speakers: list[Connection] = []
    for name in "abcdefgh":
        speakers.append(enter(lab, name, *speakers))
    stalled = raw(lab, "/ws/stalled", receive_buffer_bytes=4096)
    for ws in speakers:
        ws.receive()
    started = time.monotonic()
    for number in range(38):
        for ws in speakers:
            ws.send(f"{number:>16000}")
    for ws in speakers:
        texts = [m["message"] for m in (ws.receive_json() for _ in range(38 * 8)) if m["sender"] != "system"]
        assert len(texts) >= 38 * 8 - 1  # among them may be that the stalled one left
    assert time.monotonic() - started < 60
    # It was closed as soon as what waited for it was too much; its frames end with a close frame or a cut.
    assert stalled.status == 101
    assert lab.logs.errors == []


def test_a_client_that_dies_in_the_middle_of_everything_disturbs_nobody(lab):
    ada = enter(lab, "ada")
    ben = enter(lab, "ben", ada)
    cy = enter(lab, "cy", ada, ben)
    for number in range(30):
        ada.send(str(number))
        if number == 10:
            ben.abort()
    got = [m for m in (cy.receive_json() for _ in range(31)) if m["sender"] == "ada"]
    assert [m["message"] for m in got] == [str(number) for number in range(30)]
    assert lab.logs.errors == []


# ---- what the kit adds: resume, heartbeat, limits, a graceful end -----------------------------------


def test_who_comes_back_gets_what_was_missed_and_nobody_noticed(patient):
    ben = enter(patient, "ben")
    ada = connect(patient, "/ws/ada?resume=1")
    welcome = ada.receive_json()
    assert {k: welcome[k] for k in ("type", "room", "user", "users", "seq", "missed")} == {
        "type": "welcome",
        "room": "chat",
        "user": "ada",
        "users": ["ada", "ben"],
        "seq": 1,
        "missed": 0,
    }
    assert welcome["rules"] == {
        "type": "rules",
        "room": "chat",
        "locked": False,
        "slow_s": 0.0,
        "muted": False,
    }
    assert "recovered" not in welcome
    position = ada.receive_json()["seq"]  # of her own entry
    ben.receive()
    ada.abort()
    for text in ("one", "two"):
        ben.send(text)
        ben.receive()
    back = connect(patient, f"/ws/ada?since={position}&epoch={welcome['epoch']}")
    again = back.receive_json()
    assert (again["recovered"], again["missed"], again["users"]) == (True, 2, ["ada", "ben"])
    assert [(m["seq"], m["message"]) for m in (back.receive_json(), back.receive_json())] == [
        (position + 1, "one"),
        (position + 2, "two"),
    ]
    assert fence(back, ben) == [[], []]


@pytest.mark.parametrize(
    "query",
    [
        "since=0&epoch=other",
        "since=1",
        "epoch=x",
        "since=-1&epoch={e}",
        "since=99&epoch={e}",
        "since=x&epoch={e}",
    ],
)
def test_a_position_that_is_not_known_is_told_and_gets_nothing(lab, query):
    ben = connect(lab, "/ws/ben?resume=1")
    epoch = ben.receive_json()["epoch"]
    ben.receive()
    ada = connect(lab, f"/ws/ada?{query.format(e=epoch)}")
    welcome = ada.receive_json()
    assert (welcome["recovered"], welcome["missed"]) == (False, 0)
    assert ada.receive_json()["message"] == JOINED.format("ada")


def test_more_missed_than_is_kept_gives_nothing_and_never_a_part():
    with serve(chat.create_app(Limits(history_max_messages=5, presence_grace_s=60))) as lab:
        ada = connect(lab, "/ws/ada?resume=1")
        start = ada.receive_json()
        ada.abort()
        ben = connect(lab, "/ws/ben")
        for number in range(6):
            ben.send(str(number))
        fence(ben)
        back = connect(lab, f"/ws/ada?since={start['seq']}&epoch={start['epoch']}")
        assert (back.receive_json()["recovered"], fence(back)[0]) == (False, [])


def test_who_does_not_come_back_in_time_has_left():
    with serve(chat.create_app(Limits(presence_grace_s=0.2))) as lab:
        ben = enter(lab, "ben")
        ada = connect(lab, "/ws/ada?resume=1")
        ben.receive()
        ada.abort()
        assert ben.receive_json(timeout_s=10)["message"] == LEFT.format("ada")
        assert users(lab) == ["ben"]


def test_the_server_pings_and_gives_up_who_answered_once_and_then_is_silent():
    with serve(chat.create_app(Limits(app_ping_s=0.2, app_pong_slack_s=0.2))) as lab:
        ada = connect(lab, "/ws/ada?resume=1")
        ada.receive(), ada.receive()
        ping = ada.receive_json(timeout_s=10)
        assert (ping["type"], type(ping["t"])) == ("ping", int)
        ada.send_json({"type": "pong"})
        close = ada.wait_closed(timeout_s=10)
        assert (close.code, close.reason) == (4410, "no answer to a ping")


def test_who_never_answers_a_ping_is_left_in_peace():
    with serve(chat.create_app(Limits(app_ping_s=0.05, app_pong_slack_s=0.05))) as lab:
        ada = connect(lab, "/ws/ada?resume=1")
        ada.receive(), ada.receive()
        for _ in range(8):
            assert ada.receive_json(timeout_s=10)["type"] == "ping"
        ada.send("still here")
        while (message := ada.receive_json())["type"] == "ping":
            pass
        assert message["message"] == "still here"


def test_who_cannot_resume_is_not_pinged_for_it_may_not_know_what_that_is():
    with serve(chat.create_app(Limits(app_ping_s=0.02))) as lab:
        ada = enter(lab, "ada")
        ben = connect(lab, "/ws/ben?resume=1")
        ada.receive()
        got = [ben.receive_json(timeout_s=10)["type"] for _ in range(7)]
        assert got.count("ping") == 5
        ada.send("the next that I hear")
        assert ada.receive_json()["message"] == "the next that I hear"


def test_forty_messages_at_once_are_taken_and_the_next_gets_a_clear_error(stop_the_clock):
    stop_the_clock(chat)
    with serve(chat.create_app()) as lab:
        ada = enter(lab, "ada")
        ben = enter(lab, "ben", ada)
        for number in range(50):
            ada.send(str(number))
        got = [ada.receive_json() for _ in range(50)]
        heard = [m["sender"] for m in fence(ben)[0]]
    assert [m["message"] for m in got[:40]] == [str(number) for number in range(40)]
    errors = [m for m in got if m["type"] == "error"]
    assert 1 <= len(errors) <= 10
    assert errors[0]["code"] == "too_fast"
    assert errors[0]["detail"].startswith(
        "Too many messages.\nExpected: at most 20 a second, 40 at once.\nTry: wait 0.0"
    )
    assert 0 < errors[0]["retry_ms"] <= 50
    assert heard == ["ada"] * (50 - len(errors))


def test_ten_thousand_messages_at_once_end_the_flooder_alone(lab):
    ben = enter(lab, "ben")
    ada = enter(lab, "ada", ben)
    with suppress(ConnectionClosed):  # it ends while she is still at it
        for _ in range(10_000):
            ada.send("flood")
    close = ada.wait_closed()
    assert close.code == 4429
    assert close.reason.startswith("too many refusals: Too many messages.")
    got = []
    while not got or got[-1]["message"] != LEFT.format("ada"):
        got.append(ben.receive_json())
    assert 40 <= len(got) <= 200
    assert fence(ben) == [[]]
    assert lab.logs.errors == []


def test_when_the_server_stops_everyone_hears_why_and_quickly(lab):
    everyone = [connect(lab, f"/ws/u{number}") for number in range(50)]
    everyone[-1].receive()
    started = time.monotonic()
    lab.stop()
    assert time.monotonic() - started < 10
    for ws in everyone:
        close = ws.wait_closed()
        assert (close.code, close.reason) == (1012, "the server is restarting")
    assert lab.logs.errors == []


def test_a_server_with_a_client_that_never_reads_stops_in_time_all_the_same(lab, raw):
    ada = enter(lab, "ada")
    raw(lab, "/ws/stalled", receive_buffer_bytes=4096)
    ada.receive()
    started = time.monotonic()
    lab.stop()
    assert time.monotonic() - started < 10
    assert ada.wait_closed().reason == "the server is restarting"


def test_a_watcher_sees_all_and_is_nobody(lab):
    ada = enter(lab, "ada")
    watcher = connect(lab, "/watch")
    welcome = watcher.receive_json()
    assert (welcome["users"], welcome["user"]) == (["ada"], "")
    watcher.send("I am not here")
    watcher.send_json({"type": "typing"})
    ben = enter(lab, "ben", ada, watcher)
    assert users(lab) == ["ada", "ben"]
    ada.send_json({"type": "private", "to": "ben", "message": "psst"})
    ben.receive()
    watcher.close()
    assert [m["message"] for m in fence(ada)[0]] == ["psst"]
    assert watcher.received() == []


def test_a_client_that_offers_batches_gets_several_messages_a_frame(lab):
    """Those that the server has read in one turn of its loop; sooner or later there are several."""
    ada = connect(lab, "/ws/ada", subprotocols=["labkit.batch.v1"])
    assert ada.subprotocol == "labkit.batch.v1"
    assert json.loads(str(ada.receive()))["message"] == JOINED.format("ada")
    for attempt in range(20):
        for number in range(20):
            ada.send(f"{attempt}.{number}")
        texts: list[str] = []
        frames = 0
        while len(texts) < 20:
            frames += 1
            texts += [json.loads(line)["message"] for line in str(ada.receive()).split("\n")]
        assert texts == [f"{attempt}.{number}" for number in range(20)]
        if frames < 20:
            return
        ada.close()
        ada = connect(lab, "/ws/ada", subprotocols=["labkit.batch.v1"])  # with new patience for a burst
        ada.receive()
    raise AssertionError("each message had a frame of its own, 400 times")


# ---- bad input --------------------------------------------------------------------------------------


WRONG_SHAPE = [
    {"type": "private"},
    {"type": "private", "to": "ben"},
    {"type": "private", "message": "x"},
    {"type": "private", "to": 5, "message": "x"},
    {"type": "private", "to": ["ben"], "message": "x"},
    {"type": "private", "to": "ben", "message": None},
    {"type": "private", "to": "ben", "message": {"a": 1}},
    {"type": "private", "to": "ben", "message": "x" * 16_001},
]


def test_a_known_type_of_the_wrong_shape_is_an_error_for_the_sender_alone(lab):
    ben = enter(lab, "ben")
    ada = enter(lab, "ada", ben)
    for message in WRONG_SHAPE:
        ada.send_json(message)
        error = ada.receive_json()
        assert (error["type"], error["code"]) == ("error", "bad_message"), message
        assert error["detail"].startswith("A 'private' message was not understood: ")
        assert fence(ada, ben) == [[], []]


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "private", "to": "ben", "message": ' + "[" * 15_000,
        '{"type": "private", "to": "ben", "message": "\\ud800"}',
        '{"type": "private", "to": "ben", "message": "x", "n": ' + "[" * 7_000 + "]" * 7_000 + "}",
        "x" * 16_001,
    ],
    ids=["deep", "lone surrogate", "deep and well-formed", "too long"],
)
def test_what_cannot_be_read_is_an_error_and_is_never_said_to_all(lab, text):
    ben = enter(lab, "ben")
    ada = enter(lab, "ada", ben)
    ada.send(text)
    assert ada.receive_json()["code"] == "bad_message"
    assert fence(ada, ben) == [[], []]
    assert lab.logs.errors == []


def test_unknown_fields_are_ignored(lab):
    ben = enter(lab, "ben")
    ada = enter(lab, "ada", ben)
    ada.send_json({"type": "typing", "x": 1, "sender": "ben"})
    assert ben.receive_json() == {"type": "typing", "sender": "ada"}


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda ws: ws.send(b"\x00"), 1003),
        (lambda ws: ws.send("x" * (64 * 1024 + 1)), 1009),
        (lambda ws: ws.send("[" * 100_000), 1009),
    ],
    ids=["binary", "64 KiB + 1", "10^5 deep"],
)
def test_what_is_no_message_closes_its_sender_with_the_right_code(lab, send, code):
    ben = enter(lab, "ben")
    ada = enter(lab, "ada", ben)
    send(ada)
    assert ada.wait_closed().code == code
    assert ben.receive_json(timeout_s=10)["message"] == LEFT.format("ada")
    assert fence(ben) == [[]]
    assert lab.logs.errors == []


REFUSED_NAMES = {
    "%00": "The name '\\x00' has control characters.",
    "a%0D%0Ab": "The name 'a\\r\\nb' has control characters.",
    "a%E2%80%AEb": "The name 'a\\u202eb' has control characters.",
    "%20": "A name of 1 characters is not possible.",
    "x" * 129: "A name of 129 characters is not possible.",
    "x" * 7000: "A name of 7000 characters is not possible.",
    "System": "'system' is the server's own name.",
}


def test_a_name_that_nobody_may_have_is_refused_with_a_code_that_a_page_can_read(lab):
    ben = enter(lab, "ben")
    for name, reason in REFUSED_NAMES.items():
        close = connect(lab, f"/ws/{name}").wait_closed()
        assert (close.code, close.reason) == (4522, reason)
    assert users(lab) == ["ben"]
    assert fence(ben) == [[]]
    assert lab.logs.errors == []


def test_an_id_of_ten_thousand_characters_gets_no_connection_and_the_rest_goes_on(lab):
    ben = enter(lab, "ben")
    with pytest.raises(ConnectError):
        connect(lab, "/ws/" + "x" * 10_000, timeout_s=0.5)
    assert fence(ben) == [[]]


def test_any_other_name_is_taken_as_it_is(lab):
    for name in ("<b>ada", "'; drop", "añada", "👩‍💻", "a b", "{{7*7}}", "x" * 128):
        ada = connect(lab, f"/ws/{quote(name)}")
        assert ada.receive_json()["message"] == JOINED.format(name)
        assert users(lab) == [name]
        ada.close()


def masked(opcode: int, payload: bytes, *, claim: int | None = None) -> bytes:
    size = len(payload) if claim is None else claim
    return bytes([0x80 | opcode, 0x80 | size]) + b"\0\0\0\0" + payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (masked(0x3, b"hi"), 1002),  # an opcode that does not exist
        (masked(0x9, b"x" * 125)[:1] + b"\xfe\x00\x80\0\0\0\0" + b"x" * 128, 1002),  # a ping too long
        (b"\xf1" + masked(0x1, b"hi")[1:], 1002),  # reserved bits
    ],
    ids=["unmasked", "opcode", "long ping", "reserved bits"],
)
def test_a_client_that_breaks_the_protocol_is_closed_and_has_left(lab, raw, data, code):
    ben = enter(lab, "ben")
    client = raw(lab, "/ws/ada")
    assert ben.receive_json()["message"] == JOINED.format("ada")
    client.send(data)
    assert struct.pack("!H", code) in client.read_to_the_end()
    assert ben.receive_json(timeout_s=10)["message"] == LEFT.format("ada")
    assert fence(ben) == [[]]


def test_half_a_frame_and_then_silence_is_found_by_the_servers_pings(raw):
    with serve("chat", ping_interval_s=0.2, ping_timeout_s=2.0) as lab:
        ben = enter(lab, "ben")
        client = raw(lab, "/ws/ada")
        ben.receive()
        client.send(masked(0x1, b"ha", claim=20))
        assert ben.receive_json(timeout_s=10)["message"] == LEFT.format("ada")


def test_a_handshake_without_a_key_is_refused(lab):
    with socket.create_connection(("127.0.0.1", lab.port), timeout=5) as sock:
        sock.sendall(
            f"GET /ws/ada HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert users(lab) == []


def test_quick_coming_and_going_leaves_nobody_behind(lab):
    """Who comes back before the server has noticed the end replaces it, so not every end is announced."""
    ben = enter(lab, "ben")
    for number in range(40):
        ws = connect(lab, f"/ws/u{number % 7}")
        if number % 2:
            ws.abort()
        else:
            ws.close()
    joined = 0
    last_event: dict[str, str] = {}
    while joined < 40 or set(last_event.values()) != {"left"}:
        message = ben.receive_json()
        joined += message["event"] == "joined"
        last_event[message["user"]] = message["event"]
    assert len(last_event) == 7
    assert users(lab) == ["ben"]
    assert fence(ben) == [[]]
    assert lab.logs.errors == []


def test_two_apps_share_nothing(lab: Lab):
    with serve("chat") as other:
        ada, ben = enter(lab, "ada"), enter(other, "ben")
        ada.send("hello")
        assert fence(ben) == [[]]
        assert (users(lab), users(other)) == (["ada"], ["ben"])


def test_an_app_that_was_stopped_may_be_served_again_and_remembers_what_was_said():
    app = chat.create_app()
    with serve(app) as lab:
        ada = connect(lab, "/ws/ada?resume=1")
        epoch = ada.receive_json()["epoch"]
        ada.send("before")
        fence(ada)
    with serve(app) as lab:
        back = connect(lab, f"/ws/ada?since=1&epoch={epoch}")
        assert back.receive_json()["recovered"] is True
        assert back.receive_json()["message"] == "before"
