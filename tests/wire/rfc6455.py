"""What RFC 6455 asks of a server, case by case: the section, the bytes sent, and what must happen.

The well-known Autobahn test suite's list of cases is the model. `DEPARTURES` says honestly where a server does
otherwise: such a case passes only while the server still departs in just that way.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.wire.building import build, close_payload

MAX_BYTES = 64 * 1024
"""The servers' limit on messages in these tests."""

TEXT, BINARY = "text", "binary"


@dataclass(frozen=True)
class Open:
    """The server goes on: it echoes these messages and answers these pings, in order."""

    echoes: tuple[str | bytes, ...] = ()
    pongs: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Closed:
    """The server closes, with one of these codes; 1005: a close frame without one, 1006: no close frame."""

    codes: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One case: `sent` goes out in one piece, or byte by byte if `chopped`."""

    section: str
    name: str
    sent: bytes
    must: Open | Closed
    chopped: bool = False


def text(payload: str | bytes, **details: object) -> bytes:
    return build(TEXT, payload, **details)  # type: ignore[arg-type]


def more(payload: str | bytes, *, fin: bool = True) -> bytes:
    return build("continuation", payload, fin=fin)


def close(code: int | None = None, reason: str | bytes = "") -> bytes:
    return build("close", close_payload(code, reason))


FAILED = Closed((1002,))
NOT_UTF8 = Closed((1007,))
TOO_BIG = Closed((1009,))


def _lengths() -> list[Case]:
    sizes = (0, 1, 125, 126, 127, 128, 65535, 65536)
    cases = [Case("5.2", f"text of {n} bytes", text("*" * n), Open(("*" * n,))) for n in sizes]
    cases += [
        Case("5.2", f"binary of {n} bytes", build(BINARY, b"\xfe" * n), Open((b"\xfe" * n,))) for n in sizes
    ]
    cases += [
        Case(
            "5.2",
            f"a length of {n} written in {coding}",
            text("*" * n, length_coding=coding),
            FAILED,
        )
        for n, coding in (
            (5, "16 bits"),
            (5, "64 bits"),
            (125, "16 bits"),
            (200, "64 bits"),
            (65535, "64 bits"),
        )
    ]
    cases += [
        Case(
            "5.2",
            "a 64-bit length with the topmost bit",
            text("*", length_bytes=1 << 63),
            Closed((1002, 1009)),
        ),
        Case("10.4", "a message above the limit", text("*" * (MAX_BYTES + 1)), TOO_BIG),
        Case("10.4", "a length above the limit, announced only", text("*", length_bytes=1 << 40), TOO_BIG),
        Case(
            "10.4",
            "fragments above the limit together",
            text("*" * MAX_BYTES, fin=False) + more("*"),
            TOO_BIG,
        ),
    ]
    return cases


def _pings() -> list[Case]:
    longest = bytes(range(125))
    return [
        Case("5.5.2", "an empty ping", build("ping"), Open(pongs=(b"",))),
        Case("5.5.2", "a ping with text", build("ping", "hello"), Open(pongs=(b"hello",))),
        Case("5.5.2", "a ping with bytes", build("ping", b"\x00\xff\xfe"), Open(pongs=(b"\x00\xff\xfe",))),
        Case("5.5", "a ping of 125 bytes", build("ping", longest), Open(pongs=(longest,))),
        Case(
            "5.5",
            "a ping of 125 bytes, byte by byte",
            build("ping", longest),
            Open(pongs=(longest,)),
            chopped=True,
        ),
        Case("5.5", "a ping of 126 bytes", build("ping", b"*" * 126), FAILED),
        Case("5.5", "a pong of 126 bytes", build("pong", b"*" * 126), FAILED),
        Case("5.5", "a fragmented ping", build("ping", b"a", fin=False) + more("b"), FAILED),
        Case("5.5", "a fragmented pong", build("pong", b"a", fin=False), FAILED),
        Case("5.5.3", "a pong that nobody asked for", build("pong", b"hello"), Open()),
        Case("5.5.3", "an empty pong that nobody asked for", build("pong"), Open()),
        Case(
            "5.5.3",
            "a pong that nobody asked for, then a ping",
            build("pong", b"a") + build("ping", b"b"),
            Open(pongs=(b"b",)),
        ),
        Case(
            "5.5.2",
            "ten pings in one piece",
            b"".join(build("ping", str(n)) for n in range(10)),
            Open(pongs=tuple(str(n).encode() for n in range(10))),
        ),
    ]


def _bits() -> list[Case]:
    cases = [
        Case("5.2", f"{name} on a text frame", text("hello", **{name: True}), FAILED)
        for name in ("rsv1", "rsv2", "rsv3")
    ]
    cases += [
        Case(
            "5.2",
            "all reserved bits on a binary frame",
            build(BINARY, b"*", rsv1=True, rsv2=True, rsv3=True),
            FAILED,
        ),
        Case("5.2", "rsv1 on a ping", build("ping", b"*", rsv1=True), FAILED),
        Case("5.2", "rsv3 on a close frame", build("close", close_payload(1000), rsv3=True), FAILED),
        Case(
            "5.2",
            "rsv2 on a continuation",
            text("a", fin=False) + build("continuation", "b", rsv2=True),
            FAILED,
        ),
    ]
    cases += [
        Case("5.2", f"reserved opcode {opcode}", build(opcode, b"*"), FAILED)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ]
    cases += [
        Case(
            "5.2",
            "a reserved opcode inside a fragmented message",
            text("a", fin=False) + build(3) + more("b"),
            FAILED,
        ),
        Case("5.1", "an unmasked text frame", text("hello", masked=False), FAILED),
        Case("5.1", "an unmasked ping", build("ping", b"hello", masked=False), FAILED),
        Case("5.1", "an unmasked close frame", build("close", close_payload(1000), masked=False), FAILED),
        Case("5.3", "a masking key of zeros", text("hello", key=bytes(4)), Open(("hello",))),
        Case(
            "5.3",
            "another key for each frame",
            text("a", key=b"1234") + text("b", key=b"5678"),
            Open(("a", "b")),
        ),
    ]
    return cases


def _fragments() -> list[Case]:
    return [
        Case("5.4", "a text in two frames", text("hel", fin=False) + more("lo"), Open(("hello",))),
        Case(
            "5.4",
            "a text in four frames",
            text("h", fin=False) + more("e", fin=False) + more("l", fin=False) + more("lo"),
            Open(("hello",)),
        ),
        Case(
            "5.4",
            "a binary message in two frames",
            build(BINARY, b"\xff", fin=False) + more(b"\xfe"),
            Open((b"\xff\xfe",)),
        ),
        Case("5.4", "empty fragments", text("", fin=False) + more("", fin=False) + more(""), Open(("",))),
        Case(
            "5.4",
            "an empty fragment between",
            text("a", fin=False) + more("", fin=False) + more("b"),
            Open(("ab",)),
        ),
        Case(
            "5.4",
            "a ping between fragments",
            text("hel", fin=False) + build("ping", b"now") + more("lo"),
            Open(("hello",), (b"now",)),
        ),
        Case(
            "5.4",
            "a ping between fragments, byte by byte",
            text("hel", fin=False) + build("ping", b"now") + more("lo"),
            Open(("hello",), (b"now",)),
            chopped=True,
        ),
        Case("5.4", "two messages in one piece", text("one") + text("two"), Open(("one", "two"))),
        Case("5.4", "a text frame byte by byte", text("hello"), Open(("hello",)), chopped=True),
        Case("5.4", "a continuation of nothing", more("hello"), FAILED),
        Case("5.4", "a continuation of nothing, not final", more("hello", fin=False), FAILED),
        Case("5.4", "a continuation after a whole message", text("a") + more("b"), FAILED),
        Case("5.4", "a new text inside a fragmented one", text("a", fin=False) + text("b"), FAILED),
        Case(
            "5.4", "a new binary inside a fragmented text", text("a", fin=False) + build(BINARY, b"b"), FAILED
        ),
        Case("5.4", "a close between fragments", text("a", fin=False) + close(1000), Closed((1000,))),
    ]


def _utf8() -> list[Case]:
    valid = {
        "two, three and four bytes a character": "κόσμε €漢 🔊",
        "the last character of all": "\U0010ffff",
        "a noncharacter": "\uffff",
        "a NUL": "\x00",
        "a byte order mark": "\ufeffx",
    }
    wrong = {
        "a byte that is never used": b"\xff",
        "a continuation byte alone": b"a\x80",
        "an overlong slash": b"\xc0\xaf",
        "an overlong NUL": b"\xe0\x80\x80",
        "half a surrogate pair": b"\xed\xa0\x80",
        "beyond the last character": b"\xf4\x90\x80\x80",
        "a character cut short": "κ".encode()[:1],
        "Latin-1": "é".encode("latin-1"),
    }
    cases = [Case("8.1", f"UTF-8: {name}", text(value), Open((value,))) for name, value in valid.items()]
    cases += [Case("8.1", f"not UTF-8: {name}", text(value), NOT_UTF8) for name, value in wrong.items()]
    whole = "κόσμε".encode()
    cases += [
        Case(
            "8.1",
            "a character split between fragments",
            text(whole[:1], fin=False) + more(whole[1:]),
            Open(("κόσμε",)),
        ),
        Case("8.1", "not UTF-8 in the second fragment", text("ok", fin=False) + more(b"\xff"), NOT_UTF8),
        Case(
            "8.1",
            "a character cut short at the end of the last fragment",
            text("a", fin=False) + more(whole[:1]),
            NOT_UTF8,
        ),
        Case("5.6", "anything at all in a binary message", build(BINARY, b"\xff\xc0"), Open((b"\xff\xc0",))),
    ]
    return cases


def _closes() -> list[Case]:
    good = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    bad = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    cases = [Case("7.4", f"a close with {code}", close(code, "bye"), Closed((code, 1000))) for code in good]
    cases += [
        Case("7.4", f"a close with {code}, which may not be sent", close(code, "bye"), FAILED) for code in bad
    ]
    cases += [
        Case("5.5.1", "a close without a code", close(), Closed((1005, 1000))),
        Case("5.5.1", "a close with a code alone", close(1000), Closed((1000,))),
        Case("5.5.1", "a close with a reason of 123 bytes", close(1000, "*" * 123), Closed((1000,))),
        Case("5.5", "a close with a reason of 124 bytes", close(1000, "*" * 124), FAILED),
        Case("5.5.1", "a close with half a code", build("close", b"\x03"), FAILED),
        Case("5.5.1", "a close with a reason that is not UTF-8", close(1000, b"\xff"), Closed((1002, 1007))),
        Case("5.5", "a fragmented close", build("close", close_payload(1000), fin=False), FAILED),
        Case("5.5.1", "a text behind a close", close(1000) + text("too late"), Closed((1000,))),
        Case("5.5.1", "a ping behind a close", close(1000) + build("ping", b"too late"), Closed((1000,))),
        Case("5.5.1", "a second close", close(1000) + close(1001), Closed((1000,))),
        Case("7.1.6", "nothing but the end of TCP", b"", Closed((1006, 1000))),
    ]
    return cases


CASES = [*_lengths(), *_pings(), *_bits(), *_fragments(), *_utf8(), *_closes()]

DEPARTURES: dict[tuple[str, str], Open | Closed] = {}
"""By server and case: what that server does instead of what it must."""

for case in CASES:
    for server in ("sansio", "websockets"):  # uvicorn's sans-I/O implementation is that of `websockets`
        if case.name.startswith("a length of "):
            size = int(case.name.split()[3])
            DEPARTURES[server, case.name] = Open(("*" * size,))  # any coding of a length is taken
        if case.name == "a close between fragments":
            DEPARTURES[server, case.name] = FAILED  # the unfinished message is held against the client
    if (
        isinstance(case.must, Closed)
        and {1002, 1007} & set(case.must.codes)
        and not case.name.endswith(("1002", "1007"))
    ):
        DEPARTURES["wsproto", case.name] = Closed((1006,))  # uvicorn ends TCP without telling why
DEPARTURES["wsproto", "a length above the limit, announced only"] = Closed((1006,))
