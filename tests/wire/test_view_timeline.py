"""The timeline says, in the picture and in words, what happened on a connection."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from labkit.wire import FaultSpan, Problem, Segment, Trace
from labkit.wire.folding import MAX_ROWS
from labkit.wire.log_text import log_lines
from labkit.wire.timeline import Timeline

SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = [
    "<script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b[0m\x07",
    "user\u202etxt.exe\u2066",
    "a\nb\r\tc\x00d",
    "]]>&amp;\"'",
    "\ufffe\uffff\u0085\u2028",
]


def words_in(svg: str) -> str:
    """Return the text of a picture, as an XML parser reads it: so it is well-formed, and nothing got through."""
    root = ElementTree.fromstring(svg)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        "svg", "title", "desc", "style", "rect", "path", "text", "tspan",
    }  # fmt: skip
    assert not [
        name for each in root.iter() for name in each.attrib if name.startswith("on") or "href" in name
    ]
    return "\n".join("".join(each.itertext()) for each in root.iter(f"{SVG}text"))


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_comes_over_the_wire_does_more_than_be_seen(script, text):
    talk = (
        script(f"/ws?{text}", 403, text, body=text.encode(), accept=text)
        .client(1, text.encode())
        .server(9, text.encode()[:125])
        .close("client", 4000, text)
        .app("receive", "websocket.receive", text)
        .app("handler", f"raised {text}")
        .end("proxy", f"fault: {text}")
        .talk()
    )
    timeline = talk.timeline(app=True)
    shown = [words_in(timeline.svg()), str(timeline), timeline.alt, str(Trace(0, (talk,)).table())]
    shown += log_lines(Trace(0, (talk,)))
    shown += [str(frame.bits()) for frame in talk.frames] + [str(talk.handshake.explain())]
    for words in shown:
        assert [c for c in words if not c.isprintable() and c != "\n"] == []
    pages = [timeline.html(), talk.handshake.explain()._repr_html_(), Trace(0, (talk,)).table()._repr_html_()]
    for page in pages + [frame.bits()._repr_html_() for frame in talk.frames]:
        seen = Elements()
        seen.feed(page)
        assert seen.names <= {
            "img", "details", "summary", "pre", "div", "small", "b", "code", "br", "span", "table", "caption", "thead",
            "tbody", "tr", "th", "td", "style",
        }  # fmt: skip
        assert seen.attributes <= {"src", "alt", "style", "scope", "colspan", "class"}


class Elements(HTMLParser):
    """The elements and attributes that a browser finds in a page."""

    def __init__(self):
        super().__init__()
        self.names = set()
        self.attributes = set()

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self.attributes.update(name for name, _ in attributes)


def test_a_ping_is_tied_to_its_pong_and_an_unanswered_one_is_loud(script):
    talk = (
        script().server(9, b"a").client(10, b"a").server(9, b"b").client(1, b"x").end("server", "rst").talk()
    )
    timeline = talk.timeline()
    assert "answers ping 1, round trip 4.0 ms" in str(timeline)
    assert "1 ping of the server (frame 3) was never answered." in timeline.alt
    picture = words_in(timeline.svg())
    assert "NEVER ANSWERED" in picture
    assert "\n4.0 ms" in picture  # the tie's own label, beside the lane
    ties = [
        (tie.kind, tie.side, [timeline.story.rows[row].number for row in tie.rows])
        for tie in timeline.story.ties
    ]
    assert ties == [("ping", "server", [1, 2])]


def test_while_a_connection_is_open_a_ping_is_only_not_answered_so_far(script):
    words = str(script().server(9, b"b").talk().timeline())
    assert "so far not answered" in words
    assert "NEVER" not in words


@pytest.mark.parametrize(
    ("first", "answer", "verdict"),
    [
        (("client", 4000, "lunch"), ("server", 4000, ""),
         "✓ Closed first by the client, with 4000 (private code), reason 'lunch'. The server answered with 4000."),
        (("server", 1011, ""), None,
         "! Closed first by the server, with 1011 (internal error). The client sent no close frame back."),
        (("server", None, ""), ("client", None, ""),
         "✓ Closed first by the server, without a code (reported as 1005). The client answered without a code."),
    ],
)  # fmt: skip
def test_the_close_is_a_sequence_with_who_began_and_who_answered(script, first, answer, verdict):
    begun = script().client(1, b"x").close(*first)
    talk = (begun.close(*answer) if answer else begun).end("server").talk()
    words = str(talk.timeline())
    assert verdict in words
    assert f"the {first[0]} closes first" in words
    assert ("answers the close" in words) == (answer is not None)
    assert f"Closed first by the {first[0]}" in words_in(talk.timeline().svg())


def test_no_close_frame_is_said_to_be_1006_with_what_the_app_saw(script):
    talk = (
        script()
        .client(1, b"x")
        .end("client", "rst")
        .app("receive", "websocket.disconnect", "code 1005")
        .talk()
    )
    for words in (str(talk.timeline()), words_in(talk.timeline().svg())):
        assert "no close frame: this is your 1006. The app saw 1005." in words
        assert "the client cut the TCP connection (RST)" in words


def test_a_refusal_has_its_status_and_what_a_browser_sees(script):
    words = str(
        script("/before", 401, "Unauthorized", body=b'{"detail":"no ticket"}').end("server").talk().timeline()
    )
    assert "✗ Refused: HTTP 401 Unauthorized." in words
    assert "a browser sees only 1006" in words
    assert '{"detail":"no ticket"}' in words


def test_an_accept_key_that_is_wrong_is_said_to_be_wrong(script):
    assert "the accept key is WRONG" in str(script(accept="bm90IGl0").talk().timeline())
    assert "the accept key is right" in str(script().talk().timeline())


def test_a_fragmented_message_is_bracketed_across_a_ping_in_between(script):
    talk = (
        script()
        .client(1, b"a", fin=False)
        .client(9, b"p")
        .server(10, b"p")
        .client(0, b"b")
        .server(1, b"ab")
        .talk()
    )
    ties = {(tie.kind, tie.label): tie.rows for tie in talk.timeline().story.ties}
    assert ties["message", "1 message, 2 frames"] == (2, 5)
    assert ties["ping", "4.0 ms"] == (3, 4)


def test_split_and_coalesced_frames_compression_faults_and_problems_are_told(script):
    talk = (
        script()
        .client(1, b"split", segments=(Segment(1, 0, 4), Segment(2, 0, 7)))
        .client(1, b"together", segments=(Segment(2, 0, 14),))
        .server(1, b"hello " * 20, raw=b"\xca\x48\xcd\xc9\xc9")
        .server(1, b"gone", note="dropped by a fault")
        .client(3, b"?", problem=Problem("The opcode is reserved.", "5.2"))
        .client(1, b"cut of", complete=False)
        .talk()
    )
    words = str(talk.timeline())
    for told in (
        "came in 2 pieces (TCP reads)",
        "in one piece with frame 1 (one TCP read)",
        "120 bytes, 5 deflated",
        "client  ✗── server  text 'gone'",
        "! dropped by a fault",
        "The opcode is reserved. (RFC 6455 section 5.2)",
        "client ──✗  server  text 'cut of'",
    ):
        assert told in words


def test_a_pong_that_a_fault_took_is_no_answer(script):
    talk = script().server(9, b"a").client(10, b"a", note="dropped by a fault").end("server").talk()
    words = str(talk.timeline())
    assert "1 ping of the server (frame 1) was answered, but the pong never arrived." in words
    assert "answers ping 1, but NEVER ARRIVES" in words
    assert "Every ping" not in words
    assert talk.timeline().story.ties == ()


def test_the_apps_side_is_a_third_lane_on_request(script):
    talk = (
        script()
        .client(1, b"x")
        .app("receive", "websocket.receive", "x", receive_queue=3, loop_lag_s=0.3)
        .talk()
    )
    assert "websocket.receive" not in str(talk.timeline())
    words = words_in(talk.timeline(app=True).svg())
    assert "receive() websocket.receive x" in words
    assert "waiting to be received: 3" in words
    assert "event loop late by 300 ms" in words


def test_ten_thousand_frames_are_folded_and_what_matters_stays(script):
    long = script()
    for number in range(5000):
        long.client(1, b"%d" % number).server(1, b"Echo")
        if number == 2500:
            long.server(9, b"nobody hears me")
    talk = long.close("client").close("server").end("server").talk()
    timeline = Timeline(talk)
    rows = timeline.story.rows
    assert len(rows) <= MAX_ROWS + 6
    assert [row.number for row in rows if row.label == "ping"] == [5003]
    assert [row.label for row in rows].count("close") == 2
    assert "rows not drawn, frames 13 to 5002" in str(timeline)
    assert len(timeline.html()) < 60_000
    part = talk.timeline(frames=(6000, 6010))
    assert [row.number for row in part.story.rows if row.number] == list(range(6000, 6011))


def test_a_trace_draws_its_last_websockets_and_names_the_rest(script):
    talks = tuple(script(f"/{number}").client(1, b"x").talk(number) for number in range(1, 13))
    words = str(Trace(0, talks, dropped_frames=3, dropped_bytes=99).timeline())
    assert "connection 12: /12" in words
    assert "connection 4: /4" not in words
    assert "Connections 1 to 4 are not drawn here" in words
    assert "3 frames" in words
    assert "No WebSocket has been recorded yet." in str(Trace(0).timeline())


def test_a_cell_gets_an_image_that_needs_neither_script_nor_style_sheet_and_the_same_in_words(script):
    shown = script().client(1, b"x").close("client").talk()._repr_mimebundle_()
    assert shown["text/plain"].startswith("connection 1: /ws")
    html = shown["text/html"]
    assert "<script" not in html
    assert "<svg" not in html
    assert html.count("<style") == 1
    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)[1]
    assert "Closed first by the client" in words_in(base64.b64decode(data).decode())
    assert 'alt="Timeline of connection 1: /ws, 2 frames. Closed first by the client' in html
    assert "client ──▶ server  text &#x27;x&#x27;" in html


def test_a_fault_is_told_where_it_was_at_work_and_only_there(script):
    talk = script().server(1, b"x").end("server").talk()
    spans = (
        FaultSpan(0.012, 0.013, "200 ms late", "client"),
        FaultSpan(0.001, None, "half open", "both", conversation=2),
        FaultSpan(9.0, None, "cut", "both"),
    )
    words = str(Trace(0, (talk,), faults=spans).timeline())
    assert "! A fault was at work: 200 ms late, toward the client." in words
    began, over, arrived = (words.index(t) for t in ("fault: 200 ms", "the fault is over", "text 'x'"))
    assert began < over < arrived
    assert "half open" not in words
    assert "cut" not in words


def test_who_sends_after_its_own_close_frame_is_told_so(script):
    talk = script().close("server").server(1, b"one more thing").client(1, b"still allowed").talk()
    rows = talk.timeline().story.rows
    assert ("bad", "sent after its own close frame") in rows[3].notes
    assert rows[4].notes == ()
