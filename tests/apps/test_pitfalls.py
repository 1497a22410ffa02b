"""The mended server of the bug hunt over real sockets: what the starter gets wrong, each right here."""

from __future__ import annotations

import re
import socket
import struct
import time
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

import pytest

from labkit import connect, serve
from labkit.apps import pitfalls
from labkit.errors import ConnectionClosed, HandshakeRefused, LabError
from labkit.host import Connection, Lab

JOINED, LEFT = "{} joined the chat! 👋", "{} left the chat 👋"


@pytest.fixture
def lab():
    """A server whose work takes no noticeable time."""
    with serve(pitfalls.create_app(work_s=0.01)) as lab:
        yield lab


@pytest.fixture
def slow():
    """A server whose work is not done in the time of a test."""
    with serve(pitfalls.create_app(work_s=600)) as lab:
        yield lab


def enter(lab: Lab, user: str, *others: Connection) -> Connection:
    """Enter and receive the announcement, at the newcomer and at the others."""
    ws = connect(lab, f"/ws/{user}")
    for each in (ws, *others):
        assert each.receive_json()["message"] == JOINED.format(user)
    return ws


def four(message: dict) -> tuple[str, str, str]:
    assert set(message) >= {"sender", "message", "timestamp", "emoji"}
    assert re.fullmatch(r"\d\d:\d\d:\d\d", message["timestamp"])
    return message["sender"], message["message"], message["emoji"]


def fence(*everyone: Connection) -> list[list[str]]:
    """Have each speak in turn; return what each heard before it heard itself."""
    got: list[list[str]] = []
    for number, ws in enumerate(everyone):
        mine = f"fence {number}"
        ws.send(mine)
        got.append([])
        while (said := ws.receive_json()["message"]) != mine:
            if not said.startswith("fence"):
                got[-1].append(said)
    return got


# ---- the chat ---------------------------------------------------------------------------------------


def test_joining_speaking_and_leaving_are_as_in_the_chat(lab):
    ada = connect(lab, "/ws/ada")
    assert four(ada.receive_json()) == ("system", JOINED.format("ada"), "📢")
    ben = connect(lab, "/ws/ben")
    for ws in (ada, ben):
        assert four(ws.receive_json()) == ("system", JOINED.format("ben"), "📢")
    for text in ("hello", "", "{", '{"type": "message"}', "<b>x</b>", "[" * 15_000, "🔊" * 1_000):
        ada.send(text)
        for ws in (ada, ben):
            assert four(ws.receive_json()) == ("ada", text, "💬")
    ada.close()
    assert four(ben.receive_json(timeout_s=10)) == ("system", LEFT.format("ada"), "📢")


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_however_a_client_leaves_those_left_hear_it_at_once_and_no_error_is_logged(lab, leave):
    ada = enter(lab, "ada")
    ben = enter(lab, "ben", ada)
    getattr(ben, leave)()
    assert ada.receive_json(timeout_s=10)["message"] == LEFT.format("ben")
    assert fence(ada) == [[]]
    assert lab.logs.errors == []


def test_a_newer_connection_is_not_removed_by_the_end_of_an_older_one(lab):
    ben = enter(lab, "ben")
    old = enter(lab, "ada", ben)
    new = enter(lab, "ada", ben)
    close = old.wait_closed()
    assert (close.code, close.closed_by) == (4509, "server")
    ben.send("still there?")
    assert new.receive_json()["message"] == "still there?"
    ben.receive()
    assert fence(new, ben) == [[], []]  # nobody has left
    new.close()
    assert ben.receive_json()["message"] == LEFT.format("ada")


def test_coming_and_going_in_the_middle_of_broadcasts_loses_no_message_and_breaks_nothing(lab):
    ada = enter(lab, "ada")
    ben = enter(lab, "ben", ada)
    for number in range(30):
        ada.send(f"message {number}")
        guest = connect(lab, f"/ws/guest{number}")
        if number % 2:
            guest.abort()
        else:
            guest.close()
    heard: list[str] = []
    while sum(said.startswith("guest") for said in heard) < 60 or heard.count("message 29") < 1:
        heard.append(ben.receive_json()["message"])
    assert [said for said in heard if said.startswith("message")] == [f"message {n}" for n in range(30)]
    assert lab.logs.errors == []


def test_one_who_never_reads_neither_delays_nor_breaks_delivery_to_the_others(raw, monkeypatch):
    # A machine that is slow has all the time it needs, before the stalled one is cut without a word.
    monkeypatch.setattr(pitfalls, "LIMITS", replace(pitfalls.LIMITS, write_timeout_s=60))
    with serve(pitfalls.create_app(work_s=0.01)) as lab:
        ada = enter(lab, "ada")
        stalled = raw(lab, "/ws/stalled", receive_buffer_bytes=4_096)
        ada.receive()
        speakers = [connect(lab, f"/ws/speaker{number}") for number in range(8)]
        for number in range(40):  # in all 5 MB: more than the kernel takes for one who does not read
            for speaker in speakers:
                speaker.send(f"{number} {'x' * 15_900}")
        heard: list[str] = []
        while len(heard) < 320:
            message = ada.receive_json(timeout_s=20)
            heard += [message["message"].partition(" ")[0]] * (message["emoji"] == "💬")
        assert sorted(heard, key=int) == [str(number) for number in range(40) for _ in speakers]
        tail = b""
        while struct.pack("!H", 4408) not in tail:  # come back, and slower
            chunk = stalled.sock.recv(65_536)
            assert chunk, "cut without a close frame"
            tail = tail[-50:] + chunk
        assert lab.logs.errors == []


def test_all_see_all_messages_in_one_order(lab):
    everyone: list[Connection] = []
    for name in ("ada", "ben", "cy"):
        everyone.append(enter(lab, name, *everyone))
    for number in range(12):
        for ws in everyone:
            ws.send(str(number))
    orders = [
        [(m["sender"], m["message"]) for m in (ws.receive_json() for _ in range(36))] for ws in everyone
    ]
    assert orders[0] == orders[1] == orders[2]


# ---- the work ---------------------------------------------------------------------------------------


def test_each_text_is_answered_by_response_after_the_time_that_the_work_takes():
    with serve(pitfalls.create_app(work_s=2)) as lab:
        ws = connect(lab, "/ws/work")
        started = time.monotonic()
        for text in ("go", "", "🔊"):
            ws.send(text)
        assert [ws.receive() for _ in range(3)] == ["Response"] * 3
        # Each takes its time from its own text on: three at once are not three times as long.
        assert 2 <= time.monotonic() - started < 5.9


def test_work_is_its_own_route_and_not_a_user_called_work(slow):
    ada = enter(slow, "ada")
    worker = connect(slow, "/ws/work")
    worker.send("go")
    assert fence(ada) == [[]]
    assert worker.received() == []


def test_while_one_waits_for_work_nobody_else_waits(slow):
    ada = enter(slow, "ada")
    ben = enter(slow, "ben", ada)
    workers = [connect(slow, "/ws/work") for _ in range(5)]
    for worker in workers:
        worker.send("go")
        worker.ping()  # it has been read, and its own line is alive too
    for number in range(10):
        ada.send(str(number))
        assert [ws.receive_json(timeout_s=10)["message"] for ws in (ada, ben)] == [str(number)] * 2
    assert all(worker.received() == [] for worker in workers)


def test_a_worker_is_pinged_while_it_works_and_stays():
    app = pitfalls.create_app(work_s=4)
    with serve(app, ping_interval_s=0.2, ping_timeout_s=2.0) as lab:
        ws = connect(lab, "/ws/work")
        ws.send("go")
        ws.send("and go on")  # unread, this one would keep the pongs behind it from being read
        assert [ws.receive(timeout_s=20), ws.receive(timeout_s=20)] == ["Response"] * 2


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_one_who_leaves_in_the_middle_of_the_work_leaves_nothing_behind(slow, leave):
    ws = connect(slow, "/ws/work")
    for _ in range(10):
        ws.send("go")
    ws.ping()
    getattr(ws, leave)()
    deadline = time.monotonic() + 10
    while slow.running_handlers:
        assert time.monotonic() < deadline, "the handler is still there"
    started = time.monotonic()
    slow.stop()
    assert time.monotonic() - started < 10
    assert slow.logs.errors == []


def test_the_duration_is_a_setting_and_five_seconds_without_one(monkeypatch):
    monkeypatch.setenv("WORK_S", "0.05")
    with serve("pitfalls") as lab:
        ws = connect(lab, "/ws/work")
        ws.send("go")
        assert ws.receive(timeout_s=10) == "Response"
    assert pitfalls.WORK_S == 5
    for text in ("-1", "long", "nan"):
        monkeypatch.setenv("WORK_S", text)
        with pytest.raises(LabError, match=r"WORK_S is .*\nExpected: a number of seconds, 0 or more"):
            pitfalls.create_app()


# ---- bad input, floods, the end ------------------------------------------------------------------------


def test_forty_texts_at_once_are_taken_and_a_flood_is_told_to_stop(lab):
    ben = enter(lab, "ben")
    ada = enter(lab, "ada", ben)
    worker = connect(lab, "/ws/work")
    for ws in (ada, worker):
        for number in range(40):
            ws.send(str(number))
    assert [ada.receive_json()["message"] for _ in range(40)] == [str(number) for number in range(40)]
    assert [worker.receive() for _ in range(40)] == ["Response"] * 40
    for ws in (ada, worker):
        with suppress(ConnectionClosed):
            for _ in range(10_000):
                ws.send("flood")
        close = ws.wait_closed()
        assert (close.code, close.reason.partition(":")[0]) == (4429, "too many refusals")
    assert fence(ben)[0][-1] == LEFT.format("ada")
    assert lab.logs.errors == []


def test_what_is_no_text_closes_its_sender_with_the_right_code(lab):
    ben = enter(lab, "ben")
    for path in ("/ws/ada", "/ws/work"):
        for data, code in ((b"\0", 1003), ("x" * (64 * 1024 + 1), 1009)):
            ws = connect(lab, path)
            with suppress(ConnectionClosed):
                ws.send(data)
            assert (path, ws.wait_closed().code) == (path, code)
    coming_and_going = [JOINED.format("ada"), LEFT.format("ada")] * 2
    assert [ben.receive_json()["message"] for _ in range(4)] == coming_and_going
    assert fence(ben) == [[]]
    assert lab.logs.errors == []


def masked(opcode: int, payload: bytes, *, claim: int | None = None) -> bytes:
    size = len(payload) if claim is None else claim
    return bytes([0x80 | opcode, 0x80 | size]) + b"\0\0\0\0" + payload


BROKEN = {
    "unmasked": (b"\x81\x02hi", 1002),
    "an opcode that does not exist": (masked(0x3, b"hi"), 1002),
    "no UTF-8": (masked(0x1, b"\xff\xfe"), 1007),
    "a lone surrogate": (masked(0x1, b"\xed\xa0\x80"), 1007),
}


@pytest.mark.parametrize("path", ["/ws/ada", "/ws/work"])
def test_a_client_that_breaks_the_protocol_is_closed_and_nobody_else(lab, raw, path):
    ben = enter(lab, "ben")
    for what, (data, code) in BROKEN.items():
        client = raw(lab, path)
        client.send(data)
        assert struct.pack("!H", code) in client.read_to_the_end(), what
    ben.ping()
    assert lab.logs.errors == []  # a peer's mistake is no traceback of the server's


def test_half_a_frame_and_then_silence_is_found_by_the_servers_pings(raw):
    with serve(pitfalls.create_app(work_s=0), ping_interval_s=0.2, ping_timeout_s=2.0) as lab:
        ben = enter(lab, "ben")
        client = raw(lab, "/ws/ada")
        ben.receive()
        client.send(masked(0x1, b"ha", claim=20))
        assert ben.receive_json(timeout_s=10)["message"] == LEFT.format("ada")


def test_a_handshake_without_a_key_is_refused(lab):
    with socket.create_connection(("127.0.0.1", lab.port), timeout=5) as sock:
        sock.sendall(
            f"GET /ws/work HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_a_name_that_nobody_may_have_is_refused_with_a_readable_reason(lab):
    for name in ("a\nb", "\0work 1", "x" * 129, "system", " ", "a\u202eb"):
        close = connect(lab, f"/ws/{quote(name)}").wait_closed()
        assert (close.code, close.closed_by) == (4522, "server")
        assert close.reason
    assert lab.logs.errors == []


def test_any_other_name_is_taken_as_it_is(lab):
    for name in ("<img src=x onerror=alert(1)>", "{{7*7}}", "añada", "👩‍💻"):
        assert connect(lab, f"/ws/{quote(name)}").receive_json()["message"] == JOINED.format(name)


def test_a_page_of_another_site_is_refused(lab):
    for path in ("/ws/ada", "/ws/work"):
        with pytest.raises(HandshakeRefused) as caught:
            connect(lab, path, headers={"Origin": "https://evil.example"})
        assert caught.value.status == 403


def test_when_the_server_stops_everyone_hears_why_and_quickly(slow):
    everyone = [enter(slow, "ada"), *(connect(slow, "/ws/work") for _ in range(4))]
    for ws in everyone[1:]:
        ws.send("go")
        ws.ping()
    started = time.monotonic()
    slow.stop()
    assert time.monotonic() - started < 10
    for ws in everyone:
        close = ws.wait_closed()
        assert (close.code, close.reason) == (1012, "the server is restarting")
    assert slow.logs.errors == []


def test_every_text_is_one_and_none_a_message_of_a_program(lab):
    """There are no pings that one could answer here."""
    ada, worker = enter(lab, "ada"), connect(lab, "/ws/work")
    ada.send('{"type": "pong"}')
    assert four(ada.receive_json()) == ("ada", '{"type": "pong"}', "💬")
    worker.send('{"type": "pong"}')
    assert worker.receive() == "Response"
