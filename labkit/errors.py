"""Every error that labkit raises on purpose, as one small tree.

LabError
├── UnknownName (LookupError)        no app, exercise or check of that name
├── ServeError                       a server could not be started
├── ConnectError                     no WebSocket connection came about
│   └── HandshakeRefused             the server answered the handshake with an HTTP status other than 101
├── ConnectionClosed                 the connection is over: code, reason, and who closed it
├── ReceiveTimeout (TimeoutError)    nothing arrived before the deadline
└── SubmissionError                  a learner's file cannot be judged at all

Each message says what happened, what was expected and what to try. A notebook cell shows
the message alone, without labkit's own frames.
"""

from __future__ import annotations

import difflib
import os
import traceback
from collections.abc import Iterable


class LabError(Exception):
    """Something labkit cannot do, told as: what happened, what was expected, what to try."""

    def __init__(self, happened: str, *, expected: str = "", hint: str = "") -> None:
        self.happened = happened
        self.expected = expected
        self.hint = hint
        lines = [happened]
        if expected:
            lines.append(f"Expected: {expected}")
        if hint:
            lines.append(f"Try: {hint}")
        super().__init__("\n".join(lines))

    def _render_traceback_(self) -> list[str]:
        """Tell IPython what to show in the cell: the message, none of our frames, and the cause's own lines."""
        lines = [f"{type(self).__name__}: {self}"]
        if self.__cause__ is not None:
            lines += ["", *own_traceback_lines(self.__cause__)]
        return lines


def own_traceback_lines(error: BaseException) -> list[str]:
    """Return an exception's traceback, as lines, without the frames of Python's and installed libraries."""
    told = traceback.TracebackException.from_exception(error)
    keep_own_frames(told)
    return "".join(told.format()).rstrip("\n").split("\n")


def keep_own_frames(told: traceback.TracebackException) -> None:
    """Drop library frames from a traceback, in place, and from those that it is chained to."""
    own = [frame for frame in told.stack if not is_library_file(frame.filename)]
    told.stack = traceback.StackSummary.from_list(own or told.stack[-2:])
    for chained in (told.__cause__, told.__context__):
        if chained is not None:
            keep_own_frames(chained)


def is_library_file(filename: str) -> bool:
    """Whether a frame's file is Python's, an installed package's or this kit's inside, not the learner's."""
    path = os.path.realpath(filename)
    if path.startswith(_KIT) and not path.startswith(os.path.join(_KIT, "apps")):
        return True
    return "site-packages" in path or path.startswith(_STDLIB) or filename.startswith("<frozen")


_KIT = os.path.realpath(os.path.dirname(__file__))
_STDLIB = os.path.realpath(os.path.dirname(os.__file__)) + os.sep


class UnknownName(LabError, LookupError):
    """A name that labkit does not know; the message suggests the nearest known one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = list(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        super().__init__(
            f"There is no {kind} called {name!r}.",
            expected=f"one of {', '.join(names)}.",
            hint=f"{near[0]!r} - is that what you meant?" if near else "",
        )


class ServeError(LabError):
    """A server could not be started."""


class ConnectError(LabError):
    """No WebSocket connection came about."""


class HandshakeRefused(ConnectError):
    """The server answered the opening handshake with something else than 101.

    Attributes:
        status: the HTTP status code, such as 403.
        headers: the response's headers, names in lower case.
        body: the response's body as text.
    """

    def __init__(self, url: str, status: int, phrase: str, headers: dict[str, str], body: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        said = f" and said: {body.strip()[:500]}" if body.strip() else " with an empty body"
        super().__init__(
            f"The server refused the WebSocket handshake for {url}: HTTP {status} {phrase}{said}.",
            expected="HTTP 101 Switching Protocols.",
            hint=_REFUSAL_HINTS.get(status, "look at lab.logs for the server's side of it."),
        )


_REFUSAL_HINTS = {
    400: "the request was no valid WebSocket handshake, or the Host is not allowed.",
    401: "the server wants to know who you are: pass a token or a cookie.",
    403: "check the path letter by letter (a wrong path is 403, never 404), then who may connect.",
    404: "an HTTP server answered: is there a WebSocket route, and is this the right port?",
    426: "the server speaks plain HTTP here: is this the right path?",
    500: "the handler failed before it called accept(): look at lab.logs.",
}


class ConnectionClosed(LabError):
    """The connection is over.

    Attributes:
        code: the close code of RFC 6455 section 7.4. 1005 means a close frame without a code and 1006
            no close frame at all; neither is ever on the wire.
        reason: the reason sent with it, maybe empty.
        closed_by: ``"client"``, ``"server"``, or ``"nobody"`` when the connection was lost.
    """

    def __init__(self, code: int, reason: str, closed_by: str, hint: str = "") -> None:
        self.code = code
        self.reason = reason
        self.closed_by = closed_by
        super().__init__(f"The connection is closed: {describe_close(code, reason, closed_by)}.", hint=hint)


class ReceiveTimeout(LabError, TimeoutError):
    """Nothing arrived before the deadline. The connection is still open."""


class SubmissionError(LabError):
    """A learner's file cannot be judged at all."""


CLOSE_CODE_NAMES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code in the close frame",
    1006: "no close frame",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "missing extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
}
"""Names of the close codes, RFC 6455 section 7.4.1 and the IANA registry."""


def describe_close(code: int, reason: str, closed_by: str) -> str:
    """Say a close in one phrase, such as ``1000 (normal closure), closed by the server``."""
    name = CLOSE_CODE_NAMES.get(code, "private code" if 3000 <= code <= 4999 else "unknown code")
    said = f", reason {reason!r}" if reason else ""
    who = {
        "client": "closed by the client (you)",
        "server": "closed by the server",
    }.get(closed_by, "the connection was lost, nobody sent a close frame")
    return f"{code} ({name}){said}, {who}"
