"""Bits, handshake, rows and differences: each shown as HTML without style sheet, and said in words."""

from __future__ import annotations

import pytest

from labkit.errors import LabError
from labkit.wire import Trace, diff

HELLO = """\
opcode       0001                                          0x1             text, part of a message
MASK         1                                             1               masked, as every client must
length       0000101                                       5               bytes of payload
masking key  00110111 11111010 00100001 00111101           37 fa 21 3d     chosen at random for this frame"""


def test_the_bits_are_those_of_the_rfcs_own_masked_hello(script):
    """RFC 6455 section 5.7: 0x81 0x85 0x37 0xfa 0x21 0x3d 0x7f 0x9f 0x4d 0x51 0x58."""
    bits = script().client(1, b"Hello").talk().frames[0].bits()
    assert "".join(field.bits for field in bits.fields) == "".join(
        f"{byte:08b}" for byte in bytes.fromhex("818537fa213d7f9f4d5158")
    )
    words = str(bits)
    assert [" ".join(line.split()) for line in HELLO.splitlines()] == [
        " ".join(line.split()) for line in words.splitlines()[5:9]
    ]
    assert "byte 0: 7f ^ 37 = 48 'H'" in words
    assert "byte 4: 58 ^ 37 = 6f 'o'" in words
    html = bits._repr_html_()
    assert "<style" not in html
    for seen in ("7f", "^ masking key", "00110111 11111010", "masking key"):
        assert seen in html


@pytest.mark.parametrize(
    ("size_bytes", "told"),
    [
        (0, "the 7 bits hold it themselves: 0"),
        (125, "the 7 bits hold it themselves: 125"),
        (126, "the next 16 bits hold it: 126"),
        (65535, "the next 16 bits hold it: 65535"),
        (65536, "the next 64 bits hold it: 65536"),
    ],
)
@pytest.mark.parametrize("sender", ["client", "server"])
def test_the_length_is_explained_as_it_is_coded(script, sender, size_bytes, told):
    frame = script().frame(sender, 2, b"x" * size_bytes).talk().frames[0]
    bits = frame.bits()
    assert told in bits.length
    header = "".join(field.bits for field in bits.fields if field.name != "payload")
    assert header == "".join(f"{byte:08b}" for byte in frame.header)
    assert [step.plain for step in bits.mask] == list(b"x" * 12)[: size_bytes if sender == "client" else 0]
    assert ("never masked" in bits.mask_text) == (sender == "server")


def test_every_row_of_the_box_is_32_bits_but_the_last(script):
    html = script().client(1, b"x" * 70_000).talk().frames[0].bits()._repr_html_()
    box = html[html.index("<tbody>") : html.index("</tbody>")]
    widths = [
        sum(int(cell.split('"')[0]) for cell in row.split('colspan="')[1:]) for row in box.split("</tr>")[:-1]
    ]
    assert widths[:-1] == [32] * (len(widths) - 1)
    assert sum(widths) == (14 + 12) * 8


def test_the_accept_key_is_worked_out_as_in_the_rfc(script):
    explained = script().talk().handshake.explain()
    words = str(explained)
    assert "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11" in words
    assert "b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea" in words
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in words
    assert explained.right is True
    assert "✓ They are the same" in words
    assert "✓ They are the same" in explained._repr_html_()


def test_a_wrong_accept_key_gets_a_cross_and_a_refusal_its_status(script):
    wrong = script(accept="AAAA").talk().handshake.explain()
    assert wrong.right is False
    assert "✗ They differ" in str(wrong)
    refused = script("/", 403, "Forbidden").talk().handshake.explain()
    assert "✗ Refused with 403" in str(refused)
    assert "a wrong path is told so, too" in str(refused)


def test_rows_are_plain_dictionaries(script):
    talk = script().client(1, b"hi").server(1, b"hello").close("server", 1000).talk()
    table = Trace(0, (talk,)).table()
    assert [row["name"] for row in table] == ["GET", "101", "text", "text", "close"]
    assert (
        sum(row["size_bytes"] for row in table if row["kind"] == "frame" and row["sender"] == "server") == 7
    )
    assert (
        table[2] | {"masked": True, "wire_bytes": 8, "connection": 1, "content": "'hi'", "problem": None}
        == table[2]
    )
    assert "hello" in table._repr_html_()
    assert len({tuple(row) for row in table}) == 1


def test_a_long_table_shows_its_beginning_and_how_much_more_there_is(script):
    long = script()
    for _ in range(200):
        long.client(1, b"x")
    table = Trace(0, (long.talk(),)).table()
    assert len(table) == 202
    assert "… and 102 more rows" in str(table)
    assert table._repr_html_().count("<tr") == 101


def test_a_broken_and_a_mended_handler_differ_where_they_do(script):
    broken = script().client(1, b"hi").server(1, b"yes").end("server").talk()
    mended = (
        script()
        .client(1, b"hi")
        .server(1, b"yes")
        .close("server", 1000)
        .close("client", 1000)
        .end("server")
        .talk()
    )
    told = diff(broken, mended, names=("broken", "mended"))
    said = [(pair.kind, pair.left, pair.right) for pair in told.pairs]
    assert ("only right", "", "← close 1000 (normal closure)") in said
    assert ("only right", "", "→ close 1000 (normal closure)") in said
    assert ("only left", "  no close frame: this is your 1006.", "") in said
    assert [left for kind, left, _ in said if kind == "changed"] == [
        "No close frame: this is your 1006; the server ended the TCP connection (FIN)."
    ]
    assert str(told).startswith("4 rows differ.")
    assert "broken" in str(told)
    assert "← close 1000" in told._repr_html_()


def test_times_ports_keys_and_the_payloads_of_pings_are_no_difference(script):
    one, other = script().server(9, b"abcd"), script()
    other.now_s = 5.0
    other.server(9, b"wxyz")
    one.client(10, b"abcd")
    other.client(10, b"wxyz")
    assert diff(one.talk(), other.talk(id=7)).count <= 1  # the numbers of the connections are in the headline
    assert diff(Trace(0, (one.talk(),)), Trace(9, (other.talk(),))).count == 0
    assert "No difference" in str(diff(one.talk(), one.talk()))


def test_an_answer_that_differs_is_one_changed_row(script):
    told = diff(script().server(1, b"Echo: a").talk(), script().server(1, b"ECHO: A").talk())
    assert [(pair.left, pair.right) for pair in told.pairs if pair.kind == "changed"] == [
        ("← text 'Echo: a'", "← text 'ECHO: A'")
    ]


def test_a_connection_that_only_one_side_has_is_shown_as_such(script):
    told = diff(Trace(0, ()), Trace(0, (script().client(1, b"x").talk(),)))
    assert told.count == 4
    assert "no such connection" in str(told)


def test_diff_of_what_is_no_recording_says_what_it_wants():
    with pytest.raises(LabError, match=r"(?s)diff\(\) got a int.*a lab\.wire"):
        diff(3, 4)


def test_how_the_handler_ended_is_compared_on_request(script):
    one, other = (
        script().client(1, b"x").app("handler", "raised ValueError"),
        script().app("handler", "returned"),
    )
    other.client(1, b"x")
    left, right = one.end("server").talk(), other.end("server").talk()
    assert diff(left, right).count == 0
    told = diff(left, right, app=True)
    assert [(pair.left, pair.right) for pair in told.pairs if pair.kind == "changed"] == [
        ("  handler raised ValueError", "  handler returned")
    ]


def test_which_side_let_go_of_tcp_first_is_no_difference(script):
    one = script().close("client").close("server").end("client").end("server").talk()
    other = script().close("client").close("server").end("server").end("client").talk()
    assert diff(one, other).count == 0
    assert (
        diff(one, script().close("client").close("server").end("server").end("client", "rst").talk()).count
        > 0
    )
