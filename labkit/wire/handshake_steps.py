"""The opening handshake explained: the headers that matter, and the accept key worked out (RFC 6455 section 4)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape

from labkit.wire.handshake import GUID, Handshake, Headers
from labkit.wire.html_table import GREEN, RED, cell, columns_of_text, table
from labkit.wire.shown_text import shown

VALUE_COLUMNS = 70
LINE, WHY = "overflow-wrap: anywhere; min-width: 7em", "min-width: 9em"
"""Of two columns that share a phone's width: a long key breaks, so that its reason is not set one word a line."""

_WHY_ASKED = {
    "host": "which site is meant: one server may have several",
    "upgrade": "asks to leave HTTP for another protocol",
    "connection": "says that Upgrade is for this hop, not for the next proxy",
    "sec-websocket-key": "16 random bytes, new for each connection: no secret, no password",
    "sec-websocket-version": "13 is the only version that is in use",
    "sec-websocket-protocol": "the subprotocols that the client can speak, best first",
    "sec-websocket-extensions": "what the client would like, such as compression",
    "origin": "which page opened it; browsers always say so, so a server can refuse strangers",
    "cookie": "browsers send it along, as with any request to that host",
    "authorization": "a browser's script cannot set this one on a WebSocket",
}
_WHY_ANSWERED = {
    "upgrade": "agrees to the other protocol",
    "connection": "agrees for this hop",
    "sec-websocket-accept": "proves that the server has understood the key: see below",
    "sec-websocket-protocol": "the one subprotocol that the server chose",
    "sec-websocket-extensions": "what the server agreed to",
    "content-type": "what the body of the refusal is",
    "location": "where else to ask; a browser's WebSocket does not go there",
}
_WHY_STATUS = {
    101: "from the next byte on, this TCP connection carries frames",
    400: "the request is no valid handshake",
    401: "the server wants to know who asks",
    403: "not allowed; a wrong path is told so, too",
    404: "a web server answered, but there is no WebSocket here",
    426: "speak WebSocket version 13 to me",
    500: "the handler failed before it accepted",
}


@dataclass(frozen=True, slots=True)
class HeaderTold:
    """One line of a handshake with the reason why it is there."""

    sender: str
    line: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A handshake, explained; a cell shows tables, `print()` says the same in words.

    Attributes:
        headers: the lines that matter, in order, the first lines included.
        steps: how the accept key comes about, each step with what comes out.
        right: whether the server's accept is the one for the key; None if there is none to compare.
        verdict: the outcome in a sentence.
        left_out: names of headers that do not matter here.
    """

    headers: tuple[HeaderTold, ...]
    steps: tuple[tuple[str, str], ...]
    right: bool | None
    verdict: str
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        lines = columns_of_text([(each.sender, each.line, each.why) for each in self.headers])
        if self.steps:
            lines += ["", "The accept key, step by step:", *columns_of_text(self.steps)]
        lines.append(f"{'✓' if self.right else '✗'} {self.verdict}")
        if self.left_out:
            lines.append(f"Not needed for it: {', '.join(self.left_out)}.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [cell(h.sender) + cell(h.line, style=LINE) + cell(h.why, style=WHY) for h in self.headers]
        parts = [table(rows, head=("who", "what", "why"))]
        if self.steps:
            parts.append(table(self.steps, caption="The accept key, step by step", mono=True))
        tint, sign = (GREEN, "✓") if self.right else (RED, "✗")
        parts.append(f'<div style="{tint}; padding: 4px 8px">{sign} {escape(self.verdict)}</div>')
        if self.left_out:
            parts.append(f"<div><small>Not needed for it: {escape(', '.join(self.left_out))}.</small></div>")
        return "".join(parts)


def explain(shake: Handshake) -> Explanation:
    """Return a handshake with each line's reason and the accept key recomputed."""
    told: list[HeaderTold] = []
    left_out: list[str] = []
    if shake.request is not None:
        first = f"{shake.request.method} {shake.request.target} HTTP/{shake.request.http_version}"
        told.append(
            HeaderTold("client", shown(first, VALUE_COLUMNS), "an ordinary GET: the path chooses the handler")
        )
        _tell_headers("client", shake.request.headers, _WHY_ASKED, told, left_out)
    if shake.response is not None:
        status = shake.response.status
        first = f"HTTP/{shake.response.http_version} {status} {shake.response.reason}"
        why = _WHY_STATUS.get(status, "the handshake has failed: only 101 opens a WebSocket")
        told.append(HeaderTold("server", shown(first, VALUE_COLUMNS), why))
        _tell_headers("server", shake.response.headers, _WHY_ANSWERED, told, left_out)
    right = shake.accept_is_right if shake.accepted and shake.key is not None else None
    return Explanation(
        tuple(told), tuple(_steps(shake)), right, _verdict(shake), tuple(dict.fromkeys(left_out))
    )


def _tell_headers(
    sender: str, headers: Headers, why: dict[str, str], told: list[HeaderTold], left_out: list[str]
) -> None:
    for name, value in headers:
        reason = why.get(name.lower())
        if reason is None:
            left_out.append(shown(name, VALUE_COLUMNS))
        else:
            told.append(HeaderTold(sender, shown(f"{name}: {value}", VALUE_COLUMNS), reason))


def _steps(shake: Handshake) -> list[tuple[str, str]]:
    if shake.key is None:
        return []
    joined = shake.key + GUID
    digest = hashlib.sha1(joined.encode(), usedforsecurity=False).digest()
    steps = [
        ("the client's key", shown(shake.key, VALUE_COLUMNS)),
        ("+ the RFC's GUID", shown(joined, 2 * VALUE_COLUMNS)),
        ("SHA-1 of that", digest.hex(" ")),
        ("in base64", base64.b64encode(digest).decode()),
    ]
    if shake.accepted:
        steps.append(("the server sent", shown(shake.accept or "no Sec-WebSocket-Accept", VALUE_COLUMNS)))
    return steps


def _verdict(shake: Handshake) -> str:
    if shake.response is None:
        return "The server has not answered."
    if not shake.accepted:
        return f"Refused with {shake.response.status}: there is no WebSocket, and a browser's script sees only 1006."
    if shake.key is None:
        return "The client sent no Sec-WebSocket-Key: this is no handshake."
    if shake.accept_is_right:
        return "They are the same: whoever answered speaks WebSocket, and means this request."
    return "They differ: the client must give up (section 4.1). A cache or a server that knows no WebSocket answered."
