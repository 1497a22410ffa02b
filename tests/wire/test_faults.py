"""Every fault does what it says: looked at from both sockets, byte by byte, without a WebSocket between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from websockets.sync.client import connect as library_connect

from labkit import connect
from labkit.errors import ConnectionClosed, LabError, ReceiveTimeout
from labkit.host import Lab
from labkit.host.sockets import listen
from labkit.wire import raw
from labkit.wire.building import build
from labkit.wire.fault import FaultPlan
from labkit.wire.frame import Frame
from labkit.wire.pipe import Fault, Pipe
from labkit.wire.recorder import Recorder
from labkit.wire.wire import Wire

PATIENCE_S = 10.0


@dataclass
class Ends:
    """Both ends of one TCP connection through a wire."""

    wire: Wire
    client: socket.socket
    server: socket.socket


@pytest.fixture
def ends() -> Iterator[Ends]:
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(listen())
        listening.settimeout(PATIENCE_S)
        wire = stack.enter_context(Wire(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", wire.port), PATIENCE_S))
        server, _ = listening.accept()
        stack.enter_context(server)
        server.settimeout(PATIENCE_S)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.wait_for(lambda trace: trace.conversations)
        yield Ends(wire, client, server)


def read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, f"the connection ended after {data!r:.100}"
        data += piece
    return data


def nothing_comes(sock: socket.socket, for_s: float = 0.2) -> bool:
    sock.settimeout(for_s)
    try:
        return sock.recv(1) == b"never"
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE_S)


def test_without_a_fault_bytes_and_ends_pass_both_ways(ends: Ends) -> None:
    ends.client.sendall(b"ask")
    assert read(ends.server, 3) == b"ask"
    ends.server.sendall(b"answer")
    assert read(ends.client, 6) == b"answer"
    ends.client.shutdown(socket.SHUT_WR)
    assert ends.server.recv(1) == b""
    ends.server.sendall(b"late")  # a half-closed connection still carries the other direction
    assert read(ends.client, 4) == b"late"
    ends.server.close()
    assert ends.client.recv(1) == b""
    ended = ends.wire.wait_for(lambda trace: trace[1].endings if len(trace[1].endings) == 2 else ())
    assert [(ending.by, ending.how) for ending in ended] == [("client", "fin"), ("server", "fin")]


def test_a_reset_stays_a_reset(ends: Ends) -> None:
    ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    ends.client.close()
    with pytest.raises(ConnectionResetError):
        ends.server.recv(1)
    assert ends.wire.wait_for(lambda trace: trace[1].endings)[0].how == "rst"


@pytest.mark.parametrize("toward", ["server", "client"])
def test_latency_delays_one_direction_and_not_the_other(ends: Ends, toward: str) -> None:
    late, prompt = (ends.server, ends.client) if toward == "server" else (ends.client, ends.server)
    with ends.wire.fault(latency_s=0.3, toward=toward):  # type: ignore[arg-type]
        began = time.monotonic()
        prompt.sendall(b"slow")
        assert read(late, 4) == b"slow"
        assert time.monotonic() - began >= 0.3
        late.sendall(b"quick")
        ends.wire.recorder.wait_for(lambda trace: False, 0)
        prompt.settimeout(PATIENCE_S)
        assert read(prompt, 5) == b"quick"


def test_jitter_never_lets_anything_overtake(ends: Ends) -> None:
    sent = bytes(range(100))
    with ends.wire.fault(latency_s=0.02, jitter_s=0.02):
        for byte in sent:
            ends.client.sendall(bytes([byte]))
        assert read(ends.server, 100) == sent


def test_bandwidth_is_what_it_says(ends: Ends) -> None:
    with ends.wire.fault(bandwidth_bytes_per_s=20_000, toward="server"):
        began = time.monotonic()
        ends.client.sendall(bytes(10_000))
        read(ends.server, 10_000)
        assert time.monotonic() - began >= 0.49


def test_who_stops_reading_holds_its_sender_back_after_kilobytes(ends: Ends) -> None:
    ends.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    fault = ends.wire.fault(stall=True)
    ends.server.settimeout(0.5)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 1_000_000:
            sent += ends.server.send(bytes(16 * 1024))
    assert sent < 1_000_000
    assert nothing_comes(ends.client)
    ends.client.sendall(b"the other direction")
    assert read(ends.server, 19) == b"the other direction"
    fault.clear()
    assert read(ends.client, sent) == bytes(sent)


def test_a_cut_is_a_reset_on_both_sides_and_no_end_by_fin(ends: Ends) -> None:
    fault = ends.wire.fault(cut=True)
    for sock in (ends.client, ends.server):
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert not fault.active
    (ending,) = ends.wire.trace()[1].endings
    assert (ending.by, ending.how) == ("proxy", "fault: cut")
    assert ends.wire.trace().faults[0].ended_s is not None


def test_a_half_open_connection_tells_neither_bytes_nor_ends_until_the_cable_is_back(ends: Ends) -> None:
    fault = ends.wire.fault(half_open=True)
    ends.server.sendall(b"are you there?")
    assert nothing_comes(ends.client)
    ends.client.sendall(b"bye")
    ends.client.close()
    assert nothing_comes(ends.server)
    ends.wire.wait_for(lambda trace: trace[1].endings)  # the proxy saw it; the server did not
    fault.clear()
    assert read(ends.server, 3) == b"bye"
    with contextlib.suppress(ConnectionResetError):
        assert ends.server.recv(1) == b""


def written_through(plan: FaultPlan, pieces: list[bytes]) -> list[bytes]:
    """Feed a pipe with such a fault, and return what it wrote, write by write."""

    async def run() -> list[bytes]:
        written: list[bytes] = []
        all_came = asyncio.Event()

        def write(data: bytes) -> None:
            written.append(data)
            if sum(map(len, written)) == sum(map(len, pieces)):
                all_came.set()

        record = Recorder().opened(1, 2)
        pipe = Pipe("client", record, write=write, end=lambda end: None, read=lambda wanted: None)
        pipe.set_faults((Fault(plan),))
        for piece in pieces:
            pipe.feed(piece)
        await asyncio.wait_for(all_came.wait(), PATIENCE_S)
        return written

    return asyncio.run(run())


def test_split_bytes_are_written_one_by_one(ends: Ends) -> None:
    assert written_through(FaultPlan(split_bytes=1), [b"hello"]) == [b"h", b"e", b"l", b"l", b"o"]
    with ends.wire.fault(split_bytes=1, toward="server"):
        ends.client.sendall(b"x" * 200)
        pieces = []
        while sum(pieces) < 200:
            pieces.append(len(ends.server.recv(200)))
    assert len(pieces) > 3  # what the reader is too slow for, the kernel joins again


def test_coalesced_bytes_come_in_one_piece(ends: Ends) -> None:
    assert written_through(FaultPlan(coalesce_s=0.05), [b"a", b"b", b"c"]) == [b"abc"]
    with ends.wire.fault(coalesce_s=1.0, toward="server"):
        for _ in range(10):
            ends.client.sendall(b"ab")
        assert ends.server.recv(100) == b"ab" * 10


def test_clearing_a_fault_lets_go_of_what_it_held_in_order(ends: Ends) -> None:
    slow = ends.wire.fault(latency_s=30)
    joined = ends.wire.fault(coalesce_s=30)
    ends.client.sendall(b"first")
    ends.wire.wait_for(lambda trace: trace[1].exchanges or trace[1].unread)
    joined.clear()
    ends.client.sendall(b"second")
    slow.clear()
    ends.client.sendall(b"third")
    assert read(ends.server, 16) == b"firstsecondthird"
    assert ends.wire.faults == []


def test_a_fault_concerns_the_conversation_that_it_names(ends: Ends) -> None:
    with ends.wire.fault(half_open=True, conversation=2):
        ends.client.sendall(b"mine is 1")
        assert read(ends.server, 9) == b"mine is 1"


# -- frames ------------------------------------------------------------------------------------------


def test_a_dropped_frame_vanishes_whole_and_the_rest_arrives(wire: Wire) -> None:
    with raw(wire) as play:
        with wire.fault(drop="ping", drop_count=1):
            play.send_bytes(
                build("text", "a") + build("ping", "lost") + build("ping", "kept") + build("text", "b")
            )
            got = [play.receive() for _ in range(3)]
        assert {(frame.opcode_name, frame.payload) for frame in got} == {
            ("text", b"a"),
            ("text", b"b"),
            ("pong", b"kept"),
        }
    notes = [(frame.payload, frame.note) for frame in wire.trace()[1].frames if frame.opcode_name == "ping"]
    assert notes == [(b"lost", "dropped by a fault"), (b"kept", "")]
    wire.expect().unanswered_ping(sender="client")


def test_a_drop_that_begins_in_the_middle_of_a_frame_spares_that_frame(wire: Wire) -> None:
    whole = build("text", "first")
    with raw(wire) as play:
        play.send_bytes(whole[:7])
        wire.wait_for(lambda trace: any(not frame.complete for frame in trace[1].frames))
        with wire.fault(drop=lambda frame: frame.text != "third", toward="server"):
            play.send_bytes(whole[7:] + build("text", "second") + build("text", "third"))
            assert [play.receive().text for _ in range(2)] == ["first", "third"]


def test_the_close_frame_can_be_the_one_that_is_lost(wire: Wire) -> None:
    with wire.fault(drop="close", toward="client"):
        ws = connect(wire)
        ws.send("bye")
        wire.expect(1).closed_by("server").close_code(4001)
        with pytest.raises(ReceiveTimeout):
            ws.receive(timeout_s=0.2)
        assert ws.abort().code == 1006


def test_a_handshake_passes_where_every_frame_is_dropped(wire: Wire) -> None:
    with wire.fault(drop="any"), raw(wire) as play:
        play.send("ping", b"x")
        assert wire.wait_for(lambda trace: [frame.note for frame in trace[1].frames]) == [
            "dropped by a fault"
        ]


# -- faults and what people see ------------------------------------------------------------------------


def test_a_client_sees_a_cut_as_1006_and_so_does_the_trace(wire: Wire) -> None:
    ws = connect(wire)
    ws.send("hello")
    assert ws.receive() == "hello"
    wire.fault(cut=True)
    assert ws.wait_closed().code == 1006
    with pytest.raises(ConnectionClosed):
        ws.send("more")
    wire.expect().closed_by("nobody").close_code(1006)


def test_a_round_trip_grows_by_twice_the_latency(wire: Wire) -> None:
    with library_connect(f"{wire.ws_url}/ws", compression=None) as ws, wire.fault(latency_s=0.1):
        began = time.monotonic()
        ws.send("x")
        assert ws.recv(timeout=PATIENCE_S) == "x"
        assert time.monotonic() - began >= 0.2


def test_a_slow_reader_shows_in_the_servers_write_buffer(wire: Wire) -> None:
    with raw(wire, "/flood") as play:
        play.receive()
        wire.fault(stall=True)

        def waiting(trace: object) -> bool:
            last = trace[1].asgi[-1] if trace[1].asgi else None  # type: ignore[index]
            return (
                last is not None
                and last.done_s is None
                and last.direction == "send"
                and last.write_buffer_bytes > 0
            )

        wire.wait_for(waiting, timeout_s=PATIENCE_S)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "does nothing"),
        ({"latency_s": -1}, "latency_s is -1"),
        ({"latency_s": 61}, "0 to 60 seconds"),
        ({"drop": "hello"}, "no kind of frame called 'hello'"),
        ({"cut": True, "toward": "me"}, "toward is 'me'"),
        ({"bandwidth_bytes_per_s": -5}, "bandwidth_bytes_per_s is -5"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_words(ends: Ends, wrong: dict[str, object], said: str) -> None:
    with pytest.raises(LabError, match=said):
        ends.wire.fault(**wrong)  # type: ignore[arg-type]


def test_a_fault_says_what_it_does_and_a_trace_keeps_it(lab: Lab) -> None:
    fault = lab.wire.fault(latency_s=0.2, jitter_s=0.05, drop="pong", drop_count=2, toward="server")
    assert repr(fault) == "<fault: drops 2 pong frames, 200 ± 50 ms late, toward server>"
    lab.wire.clear_faults()
    (span,) = lab.wire.trace().faults
    assert span.text == "drops 2 pong frames, 200 ± 50 ms late"
    assert span.ended_s is not None
    assert not fault.active


def test_a_trace_tells_of_every_fault_and_of_what_is_still_at_work_when_it_is_cleared(lab: Lab) -> None:
    for number in range(1, 13):
        with lab.wire.fault(latency_s=number / 1_000):
            pass
    assert [span.text for span in lab.wire.trace().faults] == [f"{n} ms late" for n in range(1, 13)]
    with lab.wire.fault(latency_s=0.05):
        lab.wire.clear()
        (span,) = lab.wire.trace().faults
        assert (span.text, span.began_s, span.ended_s) == ("50 ms late", 0.0, None)
    (span,) = lab.wire.trace().faults
    assert span.ended_s is not None


def test_a_function_that_drops_is_given_frames(wire: Wire) -> None:
    seen: list[Frame] = []
    with wire.fault(drop=lambda frame: bool(seen.append(frame)), toward="server"), raw(wire) as play:
        play.send("text", "x")
        assert play.receive().text == "x"
    assert [frame.text for frame in seen] == ["x"]
