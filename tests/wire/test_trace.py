"""The plain values of a trace, and their JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode

from labkit.errors import LabError
from labkit.wire import (
    AsgiEvent,
    Conversation,
    Ending,
    Frame,
    Handshake,
    HttpRequest,
    HttpResponse,
    Problem,
    Secret,
    Segment,
    Trace,
)
from labkit.wire.handshake import accept_for
from labkit.wire.masking import NORMAL_KEY, mask

KEY = bytes.fromhex("01020304")
RFC_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def frame(
    number: int,
    sender: str,
    first_byte: int,
    payload: bytes,
    *,
    key: bytes = KEY,
    on_wire: bytes | None = None,
    **more: object,
) -> Frame:
    """A short frame, masked if the client sends it."""
    raw = payload if on_wire is None else on_wire
    key = key if sender == "client" else b""
    header = bytes([first_byte, len(raw) | (0x80 if key else 0)]) + key
    at = number / 10
    return Frame(number, at, at, sender, header, mask(raw, key), payload, **more)  # type: ignore[arg-type]


def shake(target: str = "/ws", headers: tuple[tuple[str, str], ...] = (), status: int = 101) -> Handshake:
    return Handshake(
        HttpRequest(0.001, "GET", target, (("Sec-WebSocket-Key", RFC_KEY), *headers)),
        HttpResponse(0.002, status, "…", (("Sec-WebSocket-Accept", accept_for(RFC_KEY)),)),
    )


def talk(*frames: Frame, ended: bool = True, **more: object) -> Conversation:
    return Conversation(
        **{  # type: ignore[arg-type]
            "id": 1,
            "client_port": 50000,
            "server_port": 50001,
            "opened_at_s": 0.0,
            "handshake": shake(),
            "frames": frames,
            "endings": (Ending(9.0, "client", "fin"),) if ended else (),
            **more,
        }
    )


def test_the_accept_key_of_the_rfcs_example_is_the_rfcs() -> None:
    assert shake().expected_accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert shake().accept_is_right


def test_a_header_says_what_its_bits_say() -> None:
    one = frame(1, "client", 0b1111_1001, b"hi")
    assert (one.fin, one.rsv1, one.rsv2, one.rsv3, one.opcode_name) == (True, True, True, True, "ping")
    assert (one.masked, one.mask_key, one.length_code, one.length_bytes, one.wire_bytes) == (
        True,
        KEY,
        2,
        2,
        8,
    )
    assert one.payload_on_wire == bytes([ord("h") ^ 1, ord("i") ^ 2])
    assert one.unmasked == b"hi"
    assert not one.compressed


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ("héllo".encode(), "'héllo'"),
        ("é".encode()[1:] + b"a", "'a'"),
        (b"a" + "é".encode()[:1], "'a'"),
        (b"\xff\xfe\xfd\xfc\xfb", "ff fe fd fc fb"),
    ],
)
def test_a_preview_is_text_where_it_can_be(payload: bytes, shown: str) -> None:
    assert frame(1, "server", 0x81, payload).preview() == shown


def test_who_sent_the_first_close_frame_closed_it() -> None:
    closing = [frame(1, "server", 0x88, b"\x0f\xa1bye"), frame(2, "client", 0x88, b"\x03\xe8")]
    one = talk(*closing)
    assert (one.closed_by, one.close_code, one.close_reason) == ("server", 4001, "bye")
    assert one.closed_cleanly
    assert not talk(closing[0]).closed_cleanly


@pytest.mark.parametrize(
    ("conversation", "closed_by", "code"),
    [
        (talk(), "nobody", 1006),
        (talk(ended=False), None, None),
        (talk(frame(1, "client", 0x88, b"")), "client", 1005),
        (talk(handshake=shake(status=403)), None, None),
        (talk(handshake=None), None, None),
    ],
)
def test_an_end_without_a_close_frame_is_1006(
    conversation: Conversation, closed_by: str | None, code: int | None
) -> None:
    assert (conversation.closed_by, conversation.close_code) == (closed_by, code)


def test_a_pong_answers_its_ping_and_the_earlier_ones() -> None:
    one = talk(
        frame(1, "server", 0x89, b"a"),
        frame(2, "server", 0x89, b"b"),
        frame(3, "client", 0x8A, b"b"),
        frame(4, "server", 0x89, b"c"),
        frame(5, "server", 0x8A, b"c"),  # the wrong side
        frame(6, "client", 0x8A, b"unasked"),
    )
    assert [ping.pong and ping.pong.number for ping in one.pings] == [3, 3, None]
    assert one.pings[0].rtt_s == pytest.approx(0.2)
    assert [ping.frame.number for ping in one.unanswered_pings] == [4]


def test_messages_are_put_together_from_fragments_with_control_frames_between() -> None:
    one = talk(
        frame(1, "client", 0x01, b"h"),
        frame(2, "client", 0x89, b"ping"),
        frame(3, "server", 0x82, b"\x00"),
        frame(4, "client", 0x80, "é".encode()),
        frame(5, "client", 0x80, b"nothing to continue"),
        frame(6, "server", 0x81, b"\xff"),
    )
    assert [(each.sender, each.data) for each in one.messages] == [
        ("server", b"\x00"),
        ("client", "hé"),
        ("server", b"\xff"),
    ]


def a_full_trace() -> Trace:
    packed = PerMessageDeflate(False, False, 15, 15).encode(LibraryFrame(Opcode.TEXT, b"same same same same"))
    frames = (
        frame(1, "client", 0x81, "héllo".encode(), segments=(Segment(1, 0.1, 6), Segment(2, 0.1, 5))),
        frame(2, "server", 0xC1, b"same same same same", on_wire=bytes(packed.data)),
        frame(3, "server", 0x82, b"\xff\x00", problem=Problem("It is wrong.", "5.1", 1002), note="dropped"),
        frame(4, "client", 0x88, b"\x03\xe8", complete=False),
    )
    events = (
        AsgiEvent(0.1, 0.2, "receive", "websocket.receive", "text 'héllo'", 0, 17, 0.001),
        AsgiEvent(0.3, None, "receive", ""),
    )
    one = talk(*frames, asgi=events, unread=(("server", b"\x00\x01"),), dropped_frames=3)
    page = talk(id=2, handshake=None, exchanges=(shake(status=200),))
    return Trace(1.5, (one, page), (Secret(1, "frame 9"),), 4, 5, 6, "échos")


def test_a_trace_comes_back_from_its_json_with_normal_keys_and_nothing_else_changed(tmp_path: Path) -> None:
    trace = a_full_trace()
    trace.save(tmp_path / "trace.json")
    back = Trace.load(tmp_path / "trace.json")
    assert back.to_json() == trace.to_json()
    before, after = trace[1], back[1]
    assert after.asgi == before.asgi
    assert after.endings == before.endings
    assert after.unread == before.unread
    assert back[2].exchanges[0].response == trace[2].exchanges[0].response
    assert [each.payload for each in after.frames] == [each.payload for each in before.frames]
    assert [each.unmasked for each in after.frames] == [each.unmasked for each in before.frames]
    assert {each.mask_key for each in after.frames if each.masked} == {NORMAL_KEY}
    assert [each.problem for each in after.frames] == [each.problem for each in before.frames]
    assert after.frames[0].segments == before.frames[0].segments
    assert after.frames[1].compressed
    assert not after.frames[3].complete
    assert (back.dropped_conversations, back.dropped_frames, back.dropped_bytes) == (4, 5, 6)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"format": "labkit.wire/1"},
        {**a_full_trace().to_json(), "conversations": [{}]},
        {**a_full_trace().to_json(), "started_at": "yesterday"},
    ],
)
def test_what_is_no_trace_is_refused_in_words(value: object) -> None:
    with pytest.raises(LabError, match="trace of the wire"):
        Trace.from_json(value)


@pytest.mark.parametrize("head", ["", "81", "81 fe 00", "zz"])
def test_a_damaged_header_is_refused(head: str) -> None:
    value = a_full_trace().to_json()
    value["conversations"][0]["frames"][0]["head"] = head
    with pytest.raises(LabError, match="damaged"):
        Trace.from_json(value)


SECRET = "s3cret-v4lue"


def test_secrets_are_hidden_wherever_they_went_and_the_places_are_told() -> None:
    text = f'{{"token": "{SECRET}", "n": 1}}'.encode()
    packed = PerMessageDeflate(False, False, 15, 15).encode(LibraryFrame(Opcode.TEXT, text))
    one = talk(
        frame(1, "client", 0x81, text),
        frame(2, "client", 0x01, b"see ?tok"),
        frame(3, "client", 0x80, f"en={SECRET}&b=1".encode()),
        frame(4, "server", 0xC1, text, on_wire=bytes(packed.data)),
        frame(5, "server", 0x88, b"\x03\xf0" + f"token={SECRET}".encode()),
        handshake=shake(
            f"/ws?token={SECRET}&b=1", (("Cookie", SECRET), ("authorization", f"Bearer {SECRET}"))
        ),
        asgi=(AsgiEvent(0.1, 0.2, "receive", "websocket.receive", f"'token={SECRET}'"),),
        unread=(("client", f"token={SECRET}".encode()),),
    )
    value = Trace(0.0, (one,)).to_json()
    told = json.dumps(value)
    assert SECRET not in told
    assert SECRET.encode().hex() not in told
    assert value["secrets"] == [
        {"conversation": 1, "where": where}
        for where in [
            "the request's target",
            "the request's Cookie header",
            "the request's authorization header",
            *(f"frame {number}" for number in (1, 3, 4, 5)),
        ]
    ]
    back = Trace.from_json(value)
    frames = back[1].frames
    assert frames[0].text == f'{{"token": "{"*" * len(SECRET)}", "n": 1}}'
    assert frames[0].length_bytes == len(frames[0].payload_on_wire) == len(text)
    assert frames[2].text == f"en={'*' * len(SECRET)}&b=1"
    assert SECRET.encode() not in frames[0].unmasked + frames[3].payload + frames[3].payload_on_wire
    assert Trace.from_json(back.to_json()).to_json() == value
