"""`connect()`: plain calls across cells, every wait with an end, and endings told as what they are."""

from __future__ import annotations

import _thread
import socket
import threading
import time

import pytest
from fastapi import FastAPI, HTTPException, WebSocket

from labkit import connect, serve
from labkit.errors import ConnectError, ConnectionClosed, HandshakeRefused, LabError, ReceiveTimeout


@pytest.fixture
def lab(echo_app):
    with serve(echo_app) as lab:
        yield lab


def test_text_and_binary_keep_their_type():
    app = FastAPI()

    @app.websocket("/ws")
    async def mirror(ws: WebSocket):
        await ws.accept()
        while True:
            message = await ws.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                await ws.send_bytes(message["bytes"])
            else:
                await ws.send_text(message["text"])

    ws = connect(serve(app))
    for message in ("héllo 🔊", "", b"\x00\xff", b"", "x" * 60_000):
        ws.send(message)
        assert ws.receive() == message
    ws.send_json({"type": "hi", "n": [1, None]})
    assert ws.receive_json() == {"type": "hi", "n": [1, None]}


def test_messages_that_arrive_between_cells_are_kept_in_order(lab):
    ws = connect(lab)
    for number in range(2000):
        ws.send(str(number))
    assert [ws.receive() for _ in range(2000)] == [f"Echo: {number}" for number in range(2000)]


def test_received_returns_what_is_there_without_waiting(lab):
    ws = connect(lab)
    assert ws.received() == []
    for text in ("a", "b", "bye"):
        ws.send(text)
    ws.wait_closed()
    assert ws.received() == ["Echo: a", "Echo: b"]


def test_nothing_arriving_is_an_error_at_the_deadline_and_the_connection_goes_on(lab):
    ws = connect(lab)
    ws.send("quiet")
    with pytest.raises(ReceiveTimeout) as caught:
        ws.receive(timeout_s=0.05)
    assert str(caught.value).startswith(
        f"Nothing arrived on {lab.ws_url}/ws within 0.05 s; the connection is open. Last sent: 'quiet'."
    )
    ws.send("again")
    assert ws.receive() == "Echo: again"


def test_an_interrupt_in_the_middle_of_a_receive_leaves_the_connection_usable(lab):
    ws = connect(lab)
    waiting = threading.Event()
    original = ws._wait

    def wait(deadline, too_late):
        waiting.set()
        original(deadline, too_late)

    ws._wait = wait
    threading.Thread(target=lambda: waiting.wait(5) and _thread.interrupt_main()).start()
    with pytest.raises(KeyboardInterrupt):
        ws.receive(timeout_s=30)
    ws.send("still here")
    assert ws.receive() == "Echo: still here"


def test_an_interrupt_while_a_connection_opens_leaves_none_behind(monkeypatch):
    app, over = FastAPI(), threading.Event()

    @app.websocket("/ws")
    async def until_it_leaves(ws: WebSocket):
        await ws.accept()
        while (await ws.receive())["type"] != "websocket.disconnect":
            pass
        over.set()

    start = threading.Thread.start

    def interrupted_start(thread):
        start(thread)
        if thread.name.startswith("labkit client"):
            raise KeyboardInterrupt

    lab = serve(app)
    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        connect(lab)
    assert over.wait(10), "the server has seen it go, although nobody holds it"


def test_a_close_by_the_server_tells_code_reason_and_who(lab):
    ws = connect(lab)
    ws.send("bye")
    with pytest.raises(ConnectionClosed) as caught:
        ws.receive()
    assert (caught.value.code, caught.value.reason, caught.value.closed_by) == (4001, "as you wish", "server")
    assert str(caught.value).startswith(
        "The connection is closed: 4001 (private code), reason 'as you wish', closed by the server."
    )
    with pytest.raises(ConnectionClosed, match="4001"):
        ws.send("too late")


def test_a_close_by_the_client_tells_so(lab):
    ws = connect(lab)
    close = ws.close(4000, "enough")
    assert str(close) == "4000 (private code), reason 'enough', closed by the client (you)"
    assert ws.close() == close, "closing again changes nothing"
    with pytest.raises(ConnectionClosed):
        ws.receive()


def test_messages_before_the_close_can_still_be_received(lab):
    ws = connect(lab)
    ws.send("last words")
    ws.send("bye")
    ws.wait_closed()
    assert ws.receive() == "Echo: last words"
    with pytest.raises(ConnectionClosed):
        ws.receive()


def test_a_handler_that_crashes_is_1006_and_nobody_said_goodbye(lab):
    ws = connect(lab)
    ws.send("crash")
    assert (
        str(ws.wait_closed()) == "1006 (no close frame), the connection was lost, nobody sent a close frame"
    )
    line = lab.logs.wait_for("ValueError: the handler broke")
    assert "site-packages" not in line.text, "the log shows the learner's frames alone"
    assert 'raise ValueError("the handler broke")' in line.text


def test_an_abort_leaves_without_a_close_frame():
    codes = []
    left = threading.Event()
    app = FastAPI()

    @app.websocket("/ws")
    async def watch(ws: WebSocket):
        await ws.accept()
        codes.append((await ws.receive())["code"])
        left.set()

    ws = connect(serve(app))
    assert ws.abort().code == 1006
    assert left.wait(5)
    assert codes == [1005]  # what uvicorn reports for a connection that was cut


def test_a_refusal_is_shown_as_its_http_status_and_body():
    app = FastAPI()

    @app.websocket("/denied")
    async def denied(ws: WebSocket):
        raise HTTPException(401, "show me a token")

    lab = serve(app)
    with pytest.raises(HandshakeRefused) as caught:
        connect(lab, "/denied")
    assert (caught.value.status, caught.value.body) == (401, '{"detail":"show me a token"}')
    assert "HTTP 401 Unauthorized and said: " in str(caught.value)
    with pytest.raises(HandshakeRefused) as caught:
        connect(lab, "/nowhere")
    assert caught.value.status == 403
    assert "a wrong path is 403, never 404" in str(caught.value)


def test_a_handler_that_forgets_accept_is_a_500():
    app = FastAPI()

    @app.websocket("/ws")
    async def forgetful(ws: WebSocket):
        await ws.send_text("hi")

    lab = serve(app)
    with pytest.raises(HandshakeRefused) as caught:
        connect(lab)
    assert caught.value.status == 500
    assert 'Need to call "accept" first' in lab.logs.wait_for("RuntimeError").text or lab.logs.errors


def test_a_handshake_that_is_never_answered_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(ConnectError, match=r"did not end within 0\.2 s"):
            connect(f"ws://127.0.0.1:{mute.getsockname()[1]}/", timeout_s=0.2)
        assert time.monotonic() - started < 3


def test_nothing_listening_is_told(lab):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and does not listen: the port is nobody else's meanwhile
        port = sock.getsockname()[1]
        with pytest.raises(ConnectError, match=f"Nothing listens at ws://127.0.0.1:{port}/ws"):
            connect(f"ws://127.0.0.1:{port}", "/ws")


@pytest.mark.parametrize("target", ["127.0.0.1:8000/ws", "ftp://127.0.0.1/x"])
def test_a_wrong_url_is_told(target):
    with pytest.raises(ConnectError, match="is no WebSocket URL"):
        connect(target)


def test_something_else_than_a_server_or_url_is_told():
    with pytest.raises(ConnectError, match="Cannot connect to a FastAPI"):
        connect(FastAPI())


def test_headers_and_subprotocols_are_offered():
    app = FastAPI()

    @app.websocket("/ws")
    async def show(ws: WebSocket):
        await ws.accept(subprotocol=ws.scope["subprotocols"][-1])
        await ws.send_text(ws.headers["authorization"])

    lab = serve(app)
    ws = connect(lab, headers={"Authorization": "Bearer abc"}, subprotocols=["one", "two"])
    assert ws.subprotocol == "two"
    assert ws.receive() == "Bearer abc"


def test_a_query_reaches_the_server(lab):
    assert connect(lab, "/ws?since=4").url == f"{lab.ws_url}/ws?since=4"


def test_a_ping_gives_its_round_trip_in_seconds(lab):
    assert 0 < connect(lab).ping() < 5


def test_a_dict_is_not_a_message(lab):
    with pytest.raises(LabError, match=r"this is dict\.\nExpected: str or bytes\.\nTry: send_json"):
        connect(lab).send({"a": 1})


def test_what_is_no_json_is_told(lab):
    ws = connect(lab)
    ws.send("x")
    with pytest.raises(LabError, match="The server sent 'Echo: x', which is no JSON"):
        ws.receive_json()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2000, 5000])
def test_codes_that_may_not_be_sent_are_refused_and_the_connection_stays_open(lab, code):
    ws = connect(lab)
    with pytest.raises(LabError, match=f"A close frame may not carry {code}"):
        ws.close(code)
    assert ws.closed is None


def test_a_reason_of_more_than_123_bytes_is_refused(lab):
    with pytest.raises(LabError, match="The reason takes 124 bytes"):
        connect(lab).close(1000, "ü" * 62)


def test_a_server_that_never_answers_the_close_is_left_after_two_seconds():
    """The close handshake has an end even if the peer keeps it open (RFC 6455 section 7.1.1)."""
    from labkit.host import connection as connection_module

    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept_and_ignore():
            from websockets.http11 import Request
            from websockets.server import ServerProtocol

            connection, _ = server.accept()
            protocol = ServerProtocol()
            protocol.receive_data(connection.recv(4096))
            request = next(event for event in protocol.events_received() if isinstance(event, Request))
            protocol.send_response(protocol.accept(request))
            connection.sendall(b"".join(protocol.data_to_send()))
            stop.wait(30)
            connection.close()

        thread = threading.Thread(target=accept_and_ignore)
        thread.start()
        ws = connect(f"ws://127.0.0.1:{server.getsockname()[1]}/")
        started = time.monotonic()
        close = ws.close()
        assert time.monotonic() - started < connection_module.CLOSE_TIMEOUT_S + 1
        assert (close.code, close.closed_by) == (1000, "client")
        stop.set()
        thread.join(5)


def test_leaving_the_with_block_closes_normally(lab):
    with connect(lab) as ws:
        pass
    assert ws.closed is not None
    assert (ws.closed.code, ws.closed.closed_by) == (1000, "client")


def test_a_for_loop_over_the_messages_ends_with_the_connection(lab):
    ws = connect(lab)
    ws.send("one")
    ws.send("bye")
    assert list(ws) == ["Echo: one"]


def test_the_transcript_shows_both_directions_and_the_end(lab):
    ws = connect(lab)
    ws.send("<b>hi</b>")
    ws.receive()
    ws.close()
    assert [(entry.direction, entry.data) for entry in ws.transcript] == [
        ("sent", "<b>hi</b>"),
        ("received", "Echo: <b>hi</b>"),
        ("note", "1000 (normal closure), closed by the client (you)"),
    ]
    assert "&lt;b&gt;hi&lt;/b&gt;" in ws._repr_html_()
    assert "<b>hi</b>" not in ws._repr_html_()


def test_a_fragmented_message_arrives_whole():
    """One message in three frames (RFC 6455 section 5.4), with a ping in between."""
    from websockets.frames import Frame, Opcode
    from websockets.http11 import Request
    from websockets.server import ServerProtocol

    with socket.create_server(("127.0.0.1", 0)) as server:

        def send_in_pieces():
            connection, _ = server.accept()
            protocol = ServerProtocol()
            protocol.receive_data(connection.recv(4096))
            request = next(event for event in protocol.events_received() if isinstance(event, Request))
            protocol.send_response(protocol.accept(request))
            protocol.send_text(b"one ", fin=False)
            protocol.send_continuation(b"two ", fin=False)
            protocol.send_ping(b"?")
            protocol.send_continuation(b"three", fin=True)
            connection.sendall(b"".join(protocol.data_to_send()))  # one segment with the 101
            pongs = []
            while not pongs:
                protocol.receive_data(connection.recv(4096))
                pongs = [
                    e for e in protocol.events_received() if isinstance(e, Frame) and e.opcode is Opcode.PONG
                ]
            protocol.send_text(pongs[0].data, fin=True)
            protocol.send_close(1000)
            connection.sendall(b"".join(protocol.data_to_send()))
            connection.recv(4096)
            connection.close()

        thread = threading.Thread(target=send_in_pieces)
        thread.start()
        ws = connect(f"ws://127.0.0.1:{server.getsockname()[1]}/")
        assert ws.receive() == "one two three"
        assert ws.receive() == "?"
        assert ws.wait_closed().code == 1000
        thread.join(5)


@pytest.mark.parametrize("parameter", ["token", "ticket", "t"])
def test_a_token_in_the_address_is_in_no_message_and_in_no_repr(echo_app, parameter):
    secret = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYWRhIn0.c2lnbmF0dXJlLW9mLWFkYQ"
    lab = serve(echo_app)
    ws = connect(lab, f"/ws?{parameter}={secret}")
    shown = [repr(ws), ws._repr_html_()]
    with pytest.raises(ReceiveTimeout) as late:
        ws.receive(timeout_s=0.01)
    with pytest.raises(HandshakeRefused) as refused:
        connect(lab, f"/nowhere?{parameter}={secret}")
    shown += [str(late.value), str(refused.value), *(thread.name for thread in threading.enumerate())]
    assert [text for text in shown if secret in text] == []
    assert ws.url.endswith(secret)


def test_a_cut_connection_ends_with_a_reset_and_no_fin_before_it(echo_app):
    lab = serve(echo_app)
    ws = connect(lab.wire)
    ws.send("hello")
    ws.receive()
    ws.abort()
    ended = lab.wire.wait_for(
        lambda trace: [end for end in trace.websockets[0].endings if end.by == "client"]
    )
    assert [end.how for end in ended] == ["rst"]
