"""`lab.wire` in front of real servers: what it records, of any client and any outcome, and when it ends."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import tracemalloc
import urllib.request

import pytest
from fastapi import FastAPI, WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as library_connect

from labkit import connect, serve, show
from labkit.errors import ConnectError, HandshakeRefused, LabError, ServeError
from labkit.host import Lab, stop_all
from labkit.wire import Conversation, Trace, WireMismatch, expect, raw
from labkit.wire.http_reader import KEPT_EXCHANGES
from labkit.wire.recorder import Recorder
from labkit.wire.wire import Wire


def ended(number: int = 1) -> object:
    """Look for a conversation that both sides have let go of."""
    return lambda trace: len(trace.conversations) >= number and len(trace[number].endings) == 2


def test_an_app_may_receive_in_two_tasks_while_it_is_watched() -> None:
    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})

        async def answer() -> None:
            text = (await receive())["text"]
            await send({"type": "websocket.send", "text": text})

        await asyncio.gather(answer(), answer())
        await receive()

    with serve(app, name="two") as lab, connect(lab.wire) as ws:
        ws.send("a")
        ws.send("b")
        assert {ws.receive(), ws.receive()} == {"a", "b"}
        ws.close()
    assert lab.logs.errors == []


def test_a_server_whose_name_cannot_be_is_told_at_once() -> None:
    wire = Wire("ws://a..b:8000")
    try:
        with pytest.raises(ConnectError) as caught:
            connect(wire, "/ws", timeout_s=60)
        assert "within 60 s" not in str(caught.value)
    finally:
        wire.stop()


def test_of_a_page_that_asks_for_hours_the_newest_questions_are_kept() -> None:
    recorder = Recorder()
    record = recorder.opened(1, 2)
    for number in range(1_000):
        record.feed("client", f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        record.feed("server", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    kept = recorder.trace()[1].exchanges
    assert len(kept) == KEPT_EXCHANGES
    assert kept[-1].request.target == "/999"


# -- recording ---------------------------------------------------------------------------------------


def test_a_talk_is_recorded_from_the_handshake_to_the_end(wire: Wire) -> None:
    with connect(wire) as ws:
        ws.send("héllo")
        assert ws.receive() == "héllo"
        ws.ping()
        ws.close(4001, "bye")
    wire.wait_for(ended())
    talk = wire.trace()[1]
    assert talk.handshake is not None
    assert talk.handshake.accepted
    assert talk.handshake.accept_is_right
    assert talk.path == "/ws"
    assert [(each.sender, each.data) for each in talk.messages] == [("client", "héllo"), ("server", "héllo")]
    assert [(frame.sender, frame.opcode_name) for frame in talk.frames] == [
        ("client", "text"),
        ("server", "text"),
        ("client", "ping"),
        ("server", "pong"),
        ("client", "close"),
        ("server", "close"),
    ]
    assert all(frame.masked == (frame.sender == "client") for frame in talk.frames)
    assert talk.pings[0].rtt_s is not None
    assert talk.pings[0].rtt_s > 0
    assert (talk.closed_by, talk.close_code, talk.close_reason) == ("client", 4001, "bye")
    assert talk.closed_cleanly
    times = [frame.at_s for frame in talk.frames]
    assert times == sorted(times)
    assert talk.problems == ()


def test_compression_is_inflated_and_what_went_over_the_wire_is_kept(url_of_server: object) -> None:
    with Wire(url_of_server("wsproto")) as wire:  # type: ignore[operator]
        with library_connect(f"{wire.ws_url}/ws") as ws:
            for _ in range(3):
                ws.send("the same again and again " * 20)
                assert ws.recv() == "the same again and again " * 20
        frames = [
            frame for frame in wire.wait_for(ended()) and wire.trace()[1].frames if not frame.is_control
        ]
    assert len(frames) == 6
    for frame in frames:
        assert frame.rsv1
        assert frame.compressed
        assert frame.text == "the same again and again " * 20
        assert frame.length_bytes == len(frame.payload_on_wire) < 100
    assert frames[4].length_bytes < frames[0].length_bytes  # the context was taken over


def test_a_refused_handshake_is_recorded_with_its_status_and_body(wire: Wire) -> None:
    with pytest.raises(HandshakeRefused):
        connect(wire, "/nowhere")
    with pytest.raises(InvalidStatus):
        library_connect(f"{wire.ws_url}/nowhere")
    wire.wait_for(lambda trace: len(trace.websockets) == 2 and trace[2].endings)
    for talk in wire.trace().websockets:
        assert talk.refused
        assert talk.handshake is not None
        assert talk.handshake.response is not None
        assert talk.handshake.response.status == 403
        assert (talk.closed_by, talk.close_code) == (None, None)


@pytest.mark.parametrize(("said", "how"), [("gone", "returned"), ("crash", "raised ValueError")])
def test_a_handler_that_ends_without_closing_is_1006_and_its_lane_says_why(
    wire: Wire, said: str, how: str
) -> None:
    ws = connect(wire)
    ws.send(said)
    assert ws.wait_closed().code == 1006
    wire.expect().closed_by("nobody").close_code(1006)
    events = wire.wait_for(
        lambda trace: [event.type for event in trace[1].asgi if event.direction == "handler"][1:]
    )
    assert events == [how]


def test_plain_http_is_recorded_too(wire: Wire) -> None:
    assert urllib.request.urlopen(f"{wire.url}/").read() == b'"hello"'
    (exchange,) = wire.wait_for(lambda trace: trace[1].endings and trace[1].exchanges)
    assert exchange.request.target == "/"
    assert exchange.response.body == b'"hello"'
    assert wire.trace().websockets == ()


def test_a_server_that_is_not_there_resets_its_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with Wire(f"ws://127.0.0.1:{port}") as wire:
        with pytest.raises(ConnectError):
            connect(wire)
        assert "not reached" in wire.wait_for(lambda trace: trace.conversations and trace[1].endings)[0].how


def test_the_apps_side_is_joined_to_the_bytes_by_the_port(wire: Wire) -> None:
    first, second = connect(wire), connect(wire)
    second.send("to the second")
    second.receive()
    first.close()
    wire.wait_for(lambda trace: any(event.type == "returned" for event in trace[1].asgi))
    one, two = wire.trace().websockets
    assert [(event.direction, event.type) for event in one.asgi] == [
        ("handler", "started"),
        ("receive", "websocket.connect"),
        ("send", "websocket.accept"),
        ("receive", "websocket.disconnect"),
        ("handler", "returned"),
    ]
    assert [event.detail for event in two.asgi if event.type == "websocket.receive"] == ["'to the second'"]
    waiting = two.asgi[-1]
    assert (waiting.direction, waiting.type, waiting.done_s) == ("receive", "", None)
    assert waiting.receive_queue == 0
    second.close()


def test_a_blocked_loop_shows_as_lag() -> None:
    blocked, go_on = threading.Event(), threading.Event()
    app = FastAPI()

    @app.websocket("/ws")
    async def blocks(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive_text()
        blocked.set()
        go_on.wait(10)  # the mistake to be seen: it blocks the event loop
        await ws.receive_text()
        await ws.receive_text()

    with serve(app) as lab:
        ws = connect(lab.wire)
        ws.send("a")
        assert blocked.wait(10)
        threading.Timer(0.3, go_on.set).start()
        ws.send("b")
        ws.send("c")
        lag = lab.wire.wait_for(
            lambda trace: [e.loop_lag_s for e in trace[1].asgi if e.loop_lag_s and e.loop_lag_s > 0.1]
        )
        assert lag
        ws.abort()


# -- secrets -------------------------------------------------------------------------------------------


def test_secrets_are_hidden_in_the_trace_the_text_and_the_file(wire: Wire, tmp_path: object) -> None:
    secret = "s3cret-v4lue"
    headers = {"Authorization": f"Bearer {secret}", "Cookie": f"session={secret}"}
    with connect(wire, f"/ws?token={secret}", headers=headers) as ws:
        ws.send_json({"token": secret})
        ws.receive()
    wire.wait_for(ended())
    wire.save(tmp_path / "trace.json")  # type: ignore[operator]
    saved = (tmp_path / "trace.json").read_text(encoding="utf-8")  # type: ignore[operator]
    for shown in (repr(wire.trace()), str(wire), saved, json.dumps(wire.trace().to_json())):
        assert secret not in shown
    with pytest.raises(WireMismatch, match="A secret went over the wire, in the request's target"):
        wire.expect().no_secrets()


def test_a_secret_whose_end_is_still_to_come_is_hidden_at_once(wire: Wire) -> None:
    with raw(wire) as play:
        play.send("text", "?token=s3cr", fin=False)
        wire.wait_for(lambda trace: trace[1].frames)
        assert "s3cr" not in repr(wire.trace())
        play.send("continuation", "et&more")
        wire.wait_for(lambda trace: trace[1].messages)
        assert wire.trace()[1].messages[0].data == "?token=******&more"


# -- bounds --------------------------------------------------------------------------------------------


def fill(recorder: Recorder, frames: int, size: int, *, conversations: int = 1) -> None:
    head = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    for number in range(conversations):
        record = recorder.opened(number, number)
        record.feed("client", head)
        record.feed("server", answer)
        for count in range(frames):
            payload = f"{count}".encode().ljust(size, b".")
            record.feed("server", bytes([0x82, 126, *size.to_bytes(2, "big")]) + payload)
        record.end("server", "fin")


def test_the_record_drops_its_oldest_frames_and_says_so() -> None:
    recorder = Recorder(max_frames=10)
    fill(recorder, 25, 200)
    trace = recorder.trace()
    assert [frame.number for frame in trace[1].frames] == list(range(16, 26))
    assert (trace.dropped_frames, trace[1].dropped_frames, trace.dropped_bytes) == (15, 15, 15 * 204)
    assert trace[1].handshake is not None


def test_the_record_takes_no_more_memory_than_its_bound() -> None:
    recorder = Recorder(max_bytes=1_000_000)
    tracemalloc.start()
    try:
        fill(recorder, 3000, 1000)
        recorder.trace()
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
    assert recorder.trace().dropped_frames > 2000


def test_old_conversations_are_dropped_with_their_frames() -> None:
    recorder = Recorder(max_conversations=3)
    fill(recorder, 2, 200, conversations=5)
    trace = recorder.trace()
    assert [talk.id for talk in trace.conversations] == [3, 4, 5]
    assert (trace.dropped_conversations, trace.dropped_frames) == (2, 4)


def test_clearing_forgets_what_was_and_goes_on_with_what_is_open(wire: Wire) -> None:
    gone, open_one = connect(wire), connect(wire)
    gone.close()
    open_one.send("before")
    open_one.receive()
    wire.wait_for(ended())
    wire.clear()
    open_one.send("after")
    open_one.receive()
    trace = wire.wait_for(lambda trace: len(trace[2].messages) == 2 and trace)
    assert [talk.id for talk in trace.conversations] == [2]
    assert [each.data for each in trace[2].messages] == ["after", "after"]
    assert trace[2].handshake.request.at_s < 0
    open_one.close()


# -- its life ------------------------------------------------------------------------------------------


def test_a_lab_without_a_wire_has_nothing_on_its_path_and_one_that_ended_has_nothing_left(lab: Lab) -> None:
    server = lab._server
    assert server is not None
    assert server.config.loaded_app is lab.guard
    wire = lab.wire
    assert server.config.loaded_app is not lab.guard
    assert lab.wire is wire
    wire.stop()
    assert server.config.loaded_app is lab.guard
    with connect(lab) as ws:
        ws.send("the server is still there")
        assert ws.receive() == "the server is still there"


def test_the_wire_ends_with_its_lab_after_the_last_goodbye_and_the_record_stays(lab: Lab) -> None:
    wire = lab.wire
    ws = connect(wire)
    lab.stop()
    assert ws.wait_closed().code == 1012
    assert not wire.running
    assert wire.trace()[1].close_code == 1012
    assert "stopped" in repr(wire)
    with pytest.raises(LabError, match="The wire is stopped"):
        wire.fault(cut=True)
    with pytest.raises(ConnectError):
        connect(wire)


def test_stop_all_ends_a_wire_that_stands_alone(lab: Lab) -> None:
    wire = Wire(lab.url)
    stop_all()
    assert not wire.running


def test_a_stopped_lab_whose_wire_was_never_used_says_so() -> None:
    lab = serve("echo")
    lab.stop()
    with pytest.raises(ServeError, match="nothing was recorded"):
        _ = lab.wire


def test_a_wire_can_be_shown_as_a_server_can(lab: Lab) -> None:
    assert str(lab.wire.port) in lab.wire.show()._repr_html_()  # type: ignore[attr-defined]
    assert str(lab.wire.port) in show(lab.wire)._repr_html_()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "ws://", "ws://x:99999", "nonsense"])
def test_what_is_no_address_is_refused_in_words(url: str) -> None:
    with pytest.raises(LabError, match="no address of a server"):
        Wire(url)


# -- asking --------------------------------------------------------------------------------------------


@pytest.fixture
def talk(wire: Wire) -> Conversation:
    with connect(wire) as ws:
        ws.send("hello")
        ws.receive()
        ws.send("bye")
        ws.wait_closed()
    wire.wait_for(ended())
    return wire.trace()[1]


def test_what_is_so_passes(talk: Conversation) -> None:
    (
        expect(talk)
        .handshake(101)
        .sent("client", "text", "hello")
        .received("hello")
        .count("text", 3)
        .count("text", 2, sender="client")
        .order(
            ("client", "text", "hello"), ("server", "text"), ("client", "text", b"bye"), ("server", "close")
        )
        .pings_answered()
        .closed_by("server")
        .close_code(4001)
        .close_reason("as you wish")
        .closed_cleanly()
        .nobody_sent_after_close()
        .no_problems()
        .no_secrets()
    )


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda e: e.handshake(403), "The handshake was answered with 101"),
        (lambda e: e.sent("server", "ping"), "The server sent no ping frame"),
        (lambda e: e.received("Hello"), "never sent the message 'Hello'; its last one was 'hello'"),
        (lambda e: e.count("text", 2), "3 text frames were sent"),
        (
            lambda e: e.order(("server", "text"), ("client", "text", "hello")),
            "Step 2, text from the client with 'hello'",
        ),
        (lambda e: e.unanswered_ping(), "Each of the 0 pings was answered"),
        (lambda e: e.closed_by("client"), "closed by the server"),
        (lambda e: e.close_code(1000), "4001"),
        (lambda e: e.close_reason("later"), "The reason is 'as you wish'"),
        (lambda e: e.problem("client", "5.1"), "The client broke no rule of section 5.1"),
        (lambda e: e.count("pingpong", 1), "no kind of frame called 'pingpong'"),
    ],
)
def test_what_is_not_so_fails_and_shows_the_wire(talk: Conversation, ask: object, said: str) -> None:
    with pytest.raises(LabError) as failed:
        ask(expect(talk))  # type: ignore[operator]
    assert said in str(failed.value)
    if isinstance(failed.value, AssertionError):
        assert "→ text [5 B] 'hello'" in str(failed.value)


def test_an_expectation_waits_for_its_turn(wire: Wire) -> None:
    ws = connect(wire)
    threading.Timer(0.2, ws.send, ["late"]).start()
    wire.expect().received("late")
    ws.close()


def test_no_websocket_at_all_is_said_with_what_to_try() -> None:
    with pytest.raises(WireMismatch) as failed:
        expect(Trace(0.0)).handshake()
    assert str(failed.value) == (
        "No WebSocket went over this wire.\nExpected: HTTP 101.\n"
        "Try: connect to lab.wire, not to lab: connect(lab.wire), lab.wire.show()."
    )


def test_a_frame_after_the_close_frame_is_found(wire: Wire) -> None:
    with raw(wire) as play:
        play.close(1000).send("text", "too late")
        wire.wait_for(lambda trace: len(trace[1].frames) >= 3)
    with pytest.raises(WireMismatch, match="After its close frame the client sent text"):
        wire.expect().nobody_sent_after_close()
    with pytest.raises(WireMismatch, match="after its sender's close frame"):
        wire.expect().no_problems()


# -- raw play ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("play_it", "section", "code"),
    [
        (lambda play: play.send("text", "x", masked=False), "5.1", 1002),
        (lambda play: play.send("text", "x", rsv2=True), "5.2", 1002),
        (lambda play: play.send("ping", b"x" * 126), "5.5", 1002),
        (lambda play: play.send("text", b"\xff"), "8.1", 1007),
        (lambda play: play.close(1005), "7.4", 1002),
    ],
)
def test_raw_play_shows_the_rule_and_what_the_server_did(
    lab: Lab, play_it: object, section: str, code: int
) -> None:
    with raw(lab) as play:
        play_it(play)  # type: ignore[operator]
        outcome = play.outcome()
    assert outcome.rule is not None
    assert outcome.rule.section == section
    assert outcome.close_code == code
    assert f"RFC 6455 section {section}" in str(outcome)
    assert f"closed with {code}" in str(outcome)


def test_raw_play_of_what_is_right_keeps_the_connection_open(lab: Lab) -> None:
    with raw(lab) as play:
        play.send("text", "hel", fin=False).send("ping", "now").send("continuation", "lo")
        outcome = play.outcome()
        assert (outcome.rule, outcome.close_code, outcome.read_all) == (None, None, True)
        assert {(frame.opcode_name, frame.text) for frame in outcome.received} == {
            ("pong", "now"),
            ("text", "hello"),
        }
        assert "keeps the connection open" in str(outcome)
        play.send("text", "x", length_bytes=100)
        assert "waits" in str(play.outcome())


@pytest.mark.parametrize(
    ("headers", "status"), [({"Sec-WebSocket-Version": "7"}, 400), ({"Sec-WebSocket-Key": ""}, 400)]
)
def test_raw_play_can_get_the_handshake_wrong(lab: Lab, headers: dict[str, str], status: int) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        raw(lab, headers=headers)
    assert refused.value.status == status
