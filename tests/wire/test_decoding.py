"""What is read from the bytes: the same as two libraries read, whatever the traffic and the pieces it comes in."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame as LibraryFrame
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wsproto import ConnectionType
from wsproto.connection import Connection as WsprotoConnection
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from labkit.wire import Conversation, Frame, Trace
from labkit.wire.building import build, close_payload
from labkit.wire.conversation_reader import ConversationReader
from labkit.wire.frame_reader import KEPT_BEGINNING_BYTES
from labkit.wire.recorder import Recorder

REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

MESSAGES = st.one_of(
    st.tuples(st.just("text"), st.text(max_size=300)),
    st.tuples(st.just("binary"), st.binary(max_size=300)),
    st.tuples(st.just("binary"), st.integers(0, 70_000).map(lambda size: b"\x07" * size)),
    st.tuples(st.sampled_from(["ping", "pong"]), st.binary(max_size=125)),
    st.tuples(st.just("fragments"), st.lists(st.text(max_size=40), min_size=2, max_size=5)),
)
TRAFFIC = st.lists(st.tuples(st.sampled_from(["client", "server"]), MESSAGES), max_size=12)
CALM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


class Talk:
    """A handshake and traffic between two ends of the `websockets` library, as bytes by sender."""

    def __init__(self, *, deflate: bool) -> None:
        offered = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if deflate else None
        agreed = [ServerPerMessageDeflateFactory()] if deflate else None
        self.client = ClientProtocol(parse_uri("ws://localhost/ws"), extensions=offered, max_size=None)
        self.server = ServerProtocol(extensions=agreed, max_size=None)
        self.bytes: list[tuple[str, bytes]] = []
        self.heard: dict[str, list[LibraryFrame]] = {"client": [], "server": []}
        self.client.send_request(self.client.connect())
        self._carry()
        self.server.send_response(self.server.accept(self.server.events_received()[0]))  # type: ignore[arg-type]
        self._carry()
        self.client.events_received()

    def say(self, sender: str, kind: str, value: Any) -> None:
        end: Any = self.client if sender == "client" else self.server
        if kind == "text":
            end.send_text(value.encode())
        elif kind == "fragments":
            end.send_text(value[0].encode(), fin=False)
            for part in value[1:-1]:
                end.send_continuation(part.encode(), fin=False)
            end.send_continuation(value[-1].encode(), fin=True)
        else:
            getattr(end, f"send_{kind}")(value)
        self._carry()

    def _carry(self) -> None:
        """Carry the bytes to the other end, and keep them; answers to pings too."""
        moved = True
        while moved:
            moved = False
            for sender, end, other in (
                ("client", self.client, self.server),
                ("server", self.server, self.client),
            ):
                data = b"".join(end.data_to_send())
                if data:
                    moved = True
                    self.bytes.append((sender, data))
                    other.receive_data(data)
                    if other.state.name == "OPEN" and sender in self.heard:
                        events = other.events_received() if other.handshake_exc is None else []
                        self.heard[sender] += [event for event in events if isinstance(event, LibraryFrame)]


def pieces(data: bytes, chance: random.Random) -> Iterable[bytes]:
    while data:
        size = chance.choice([1, 2, 3, 7, 100, 5000, len(data)])
        yield data[:size]
        data = data[size:]


def read_talk(chunks: Iterable[tuple[str, bytes]]) -> list[Frame]:
    reader = ConversationReader()
    return [frame for sender, data in chunks for frame in reader.feed(sender, data, 0.0)]  # type: ignore[arg-type]


@pytest.mark.parametrize("deflate", [False, True])
@given(traffic=TRAFFIC, seed=st.integers(0, 1000))
@CALM
def test_frames_are_what_the_websockets_library_reads(
    deflate: bool, traffic: list[tuple[str, tuple[str, Any]]], seed: int
) -> None:
    talk = Talk(deflate=deflate)
    for sender, (kind, value) in traffic:
        talk.say(sender, kind, value)
    chance = random.Random(seed)
    frames = read_talk((sender, piece) for sender, data in talk.bytes for piece in pieces(data, chance))
    assert [frame.problem for frame in frames] == [None] * len(frames)
    for sender in ("client", "server"):
        ours = [(int(f.opcode), f.fin, f.payload) for f in frames if f.sender == sender]
        theirs = [(int(f.opcode), f.fin, bytes(f.data)) for f in talk.heard[sender]]
        assert ours == theirs
    for frame in frames:
        assert sum(segment.size_bytes for segment in frame.segments) == frame.wire_bytes
        assert frame.masked == (frame.sender == "client")
        assert len(frame.header) + len(frame.payload_on_wire) == frame.wire_bytes
    if deflate:
        assert all(frame.rsv1 for frame in frames if frame.opcode_name in ("text", "binary"))


@pytest.mark.parametrize("deflate", [False, True])
@given(traffic=TRAFFIC)
@CALM
def test_messages_are_what_wsproto_reads(deflate: bool, traffic: list[tuple[str, tuple[str, Any]]]) -> None:
    talk = Talk(deflate=deflate)
    for sender, (kind, value) in traffic:
        talk.say(sender, kind, value)
    chunks = talk.bytes
    frames = tuple(read_talk(chunks))
    told = Conversation(1, 1, 2, 0.0, frames=frames)
    for sender, role in (("client", ConnectionType.SERVER), ("server", ConnectionType.CLIENT)):
        extension = PerMessageDeflate()
        extension._enabled = True
        peer = WsprotoConnection(role, extensions=[extension] if deflate else [])
        messages: list[str | bytes] = []
        controls: list[bytes] = []
        parts: list[Any] = []
        for data in [data for whose, data in chunks if whose == sender][1:]:
            peer.receive_data(data)
            for event in peer.events():
                if isinstance(event, TextMessage | BytesMessage):
                    parts.append(event.data)
                    if event.message_finished:
                        empty: Any = "" if isinstance(event, TextMessage) else b""
                        messages.append(empty.join(parts))
                        parts.clear()
                elif isinstance(event, Ping | Pong):
                    controls.append(bytes(event.payload))
                else:
                    assert not isinstance(event, CloseConnection)
        assert [each.data for each in told.messages if each.sender == sender] == messages
        assert [each.payload for each in frames if each.sender == sender and each.is_control] == controls


@given(st.binary(max_size=400), st.sampled_from(["client", "server"]), st.integers(1, 7))
@CALM
def test_any_bytes_at_all_are_read_without_an_error_and_none_is_lost(
    data: bytes, sender: str, size: int
) -> None:
    for head in ([], [("client", REQUEST), ("server", RESPONSE)]):
        recorder = Recorder()
        record = recorder.opened(1, 2)
        for each, piece in [*head, *((sender, data[i : i + size]) for i in range(0, len(data), size))]:
            record.feed(each, piece)  # type: ignore[arg-type]
        record.end("client", "rst")
        trace = recorder.trace()
        talk = trace[1]
        if head:
            known = sum(len(frame.header) + len(frame.payload_on_wire) for frame in talk.frames)
            assert known + sum(len(rest) for _, rest in talk.unread) == len(data)
        assert Trace.from_json(trace.to_json()).to_json() == trace.to_json()


# -- what is malformed is shown as what it is ------------------------------------------------------------


def one(data: bytes, sender: str = "client") -> Frame:
    return read_talk([("client", REQUEST), ("server", RESPONSE), (sender, data)])[-1]


@pytest.mark.parametrize(
    ("data", "sender", "section", "said"),
    [
        (build("text", "x", masked=False), "client", "5.1", "must be masked"),
        (build("text", "x"), "server", "5.1", "must not be masked"),
        (build("text", "x", rsv1=True), "client", "5.2", "reserved bit"),
        (build("text", "x", rsv3=True), "client", "5.2", "reserved bit"),
        (build(3, "x"), "client", "5.2", "opcode is reserved"),
        (build("text", "x", length_coding="64 bits"), "client", "5.2", "fewest bytes"),
        (build("ping", "x" * 126), "client", "5.5", "at most 125"),
        (build("ping", "x", fin=False), "client", "5.5", "must not be fragmented"),
        (build("continuation", "x"), "client", "5.4", "there is none"),
        (build("text", "x", fin=False) + build("text", "y"), "client", "5.4", "before the fragmented one"),
        (build("text", b"\xff"), "client", "8.1", "must be UTF-8"),
        (build("text", b"\xce", fin=False) + build("continuation", b"x"), "client", "8.1", "must be UTF-8"),
        (build("close", b"\x03"), "client", "5.5.1", "1 byte is neither"),
        (build("close", close_payload(1005)), "client", "7.4", "may not be on the wire"),
        (build("close", close_payload(1000, b"\xff")), "client", "5.5.1", "must be UTF-8"),
        (build("close") + build("text", "x"), "client", "5.5.1", "after its sender's close frame"),
    ],
)
def test_a_malformed_frame_is_told_with_its_section(
    data: bytes, sender: str, section: str, said: str
) -> None:
    problem = one(data, sender).problem
    assert problem is not None
    assert problem.section == section
    assert said in problem.text


def test_a_bad_length_is_known_before_the_payload_comes() -> None:
    reader = ConversationReader()
    reader.feed("client", REQUEST, 0.0)
    reader.feed("server", RESPONSE, 0.0)
    reader.feed("client", build("text", "x", length_bytes=1 << 63), 0.0)
    (partial,) = reader.partial_frames()
    assert not partial.complete
    assert partial.problem is not None
    assert "topmost bit" in partial.problem.text


def test_a_frame_too_long_to_be_kept_keeps_its_beginning_and_the_next_one_is_whole() -> None:
    size = 17 * 1024 * 1024
    reader = ConversationReader()
    reader.feed("client", REQUEST, 0.0)
    reader.feed("server", RESPONSE, 0.0)
    reader.feed("server", build("binary", b"", masked=False, length_bytes=size), 0.0)
    piece = bytes(1024 * 1024)
    frames = [frame for _ in range(16) for frame in reader.feed("server", piece, 0.0)]
    frames += reader.feed("server", piece + build("text", "next", masked=False), 0.0)
    long, after = frames
    assert long.length_bytes == size
    assert long.cut
    assert long.complete
    assert len(long.payload_on_wire) <= KEPT_BEGINNING_BYTES
    assert after.text == "next"


def test_frames_right_behind_the_handshake_are_not_lost() -> None:
    frames = read_talk(
        [("client", REQUEST + build("text", "early")), ("server", RESPONSE + build("ping", masked=False))]
    )
    assert [(frame.sender, frame.opcode_name) for frame in frames] == [("client", "text"), ("server", "ping")]


def test_coalesced_frames_share_a_segment_and_split_ones_have_several() -> None:
    data = build("text", "a") + build("text", "bb")
    frames = read_talk(
        [("client", REQUEST), ("server", RESPONSE), ("client", data[:9]), ("client", data[9:])]
    )
    assert [[segment.number for segment in frame.segments] for frame in frames] == [[2], [2, 3]]


def test_plain_http_on_a_kept_connection_is_read_exchange_by_exchange() -> None:
    reader = ConversationReader()
    for path in (b"/a", b"/b"):
        reader.feed("client", b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 0.0)
        reader.feed("server", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0.0)
    reader.feed("client", REQUEST, 0.0)
    reader.feed("server", RESPONSE, 0.0)
    assert [each.request.target for each in reader.exchanges if each.request] == ["/a", "/b"]
    assert [each.response.body for each in reader.exchanges if each.response] == [b"hello"] * 2
    assert reader.handshake is not None
    assert reader.handshake.accept_is_right


def test_what_is_no_http_is_told_and_kept() -> None:
    reader = ConversationReader()
    reader.feed("client", b"\x16\x03\x01 this is TLS", 0.0)
    (exchange,) = reader.exchanges
    assert "no HTTP" in str(exchange.problem)
    assert reader.unread() == (("client", b"\x16\x03\x01 this is TLS"),)
