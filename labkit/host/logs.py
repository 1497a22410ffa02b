"""A server's log lines, kept in memory: printed from a thread they would land in the wrong cell."""

from __future__ import annotations

import collections
import contextvars
import copy
import html
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from labkit.errors import ReceiveTimeout, own_traceback_lines

MAX_LINES = 1000
MAX_LINE_CHARS = 20_000
HIDDEN = "[hidden]"

_SECRET = re.compile(
    r"""(?ix)
    (?P<parameter> (?<![\w-]) (?:(?:access_|refresh_|id_)?token|jwt|ticket|secret|password)= )
        (?!\[hidden\]) [^\s&"'\]\),;]+                   # of a query string, not hidden yet
    | (?P<field> ["'](?:(?:access_|refresh_|id_)?token|jwt|ticket|secret|password)["']\s*:\s* )
        (?P<mark>["']) (?:\\.|(?!(?P=mark)).)*           # of a JSON object or a dict
    | (?P<header> (?<![\w-]) (?:(?:proxy-)?authorization|(?:set-)?cookie)
                  (?:["']?\s*[:=]|["']\s*,)\s*b? )
        (?: (?P<quote>["']) (?:\\.|(?!(?P=quote)).)+      # a header in a repr: up to the quote
          | [^\s"'] [^\r\n]* )                            # as it is sent: up to the end of the line
    | \b eyJ[\w-]{5,} \. [\w-]+ \. [\w-]*               # a JSON Web Token, wherever it stands
    """
)

_SECRET_WORDS = ("token", "jwt", "ticket", "secret", "password", "authorization", "cookie", "eyj")
"""Each secret that the pattern finds has one of these in it: they are quicker to look for."""

SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets", "asyncio")


def redact(text: str, hide: Callable[[str], str] = lambda secret: HIDDEN) -> str:
    """Return the text without the values of tokens, tickets, cookies and Authorization headers.

    Args:
        text: any text.
        hide: returns what is to stand in a secret's place.
    """

    lowered = text.lower()
    if not any(word in lowered for word in _SECRET_WORDS):
        return text

    def replace(match: re.Match[str]) -> str:
        before = match["parameter"] or match["field"] or match["header"] or ""
        before += match["mark"] or match["quote"] or ""
        return before + hide(match[0][len(before) :])

    return _SECRET.sub(replace, text)


class Redaction(logging.Filter):
    """Takes secrets out of log records: out of the message, its arguments and its traceback.

    For a logger or a handler. It changes the record, so every handler after it sees the redacted one.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact one record; let it pass."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a wrong format: the handler reports it
            return True
        shown = redact(text)
        if shown != text:
            if isinstance(record.args, tuple):  # uvicorn's access formatter takes the arguments apart
                record.args = tuple(redact(each) if isinstance(each, str) else each for each in record.args)
            if record.getMessage() != shown:
                record.msg, record.args = shown, ()
                record.__dict__.pop("color_message", None)  # uvicorn's, which would want the arguments
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


_REDACTION = Redaction()


def hide_secrets() -> None:
    """Redact what uvicorn and asyncio log in this process, for every handler. Calling it again changes nothing."""
    for name in SERVER_LOGGERS:
        logging.getLogger(name).addFilter(_REDACTION)


@dataclass(frozen=True)
class LogLine:
    """One record: seconds since the epoch, level name, logger name, and text with its traceback, if any."""

    time: float
    level: str
    logger: str
    text: str

    def __str__(self) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(self.time))
        return f"{clock} {self.level:<7} {self.text}"


class LogBook:
    """The last 1000 log lines of one server; iterate it, or look at it in a cell."""

    def __init__(self) -> None:
        self._lines: collections.deque[LogLine] = collections.deque(maxlen=MAX_LINES)
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[LogLine]:
        with self._changed:
            return iter(list(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    def __str__(self) -> str:
        return "\n".join(str(line) for line in self)

    def __repr__(self) -> str:
        return str(self) or "(no log lines yet)"

    def _repr_html_(self) -> str:
        if not self._lines:
            return "<em>no log lines yet</em>"
        return f'<pre style="max-height:24em;overflow:auto">{html.escape(str(self))}</pre>'

    @property
    def errors(self) -> list[LogLine]:
        """The lines of level ERROR and above: a handler's traceback is one of them."""
        return [line for line in self if line.level in ("ERROR", "CRITICAL")]

    def wait_for(self, text: str, *, timeout_s: float = 5.0) -> LogLine:
        """Return the first line that contains the text, waiting for it if need be.

        Raises:
            ReceiveTimeout: no line contained it within `timeout_s` seconds.
        """
        with self._changed:
            found = self._changed.wait_for(lambda: self._first(text), timeout_s)
        if found is None:
            raise ReceiveTimeout(
                f"No log line contained {text!r} within {timeout_s:g} s.",
                expected="one that does.",
                hint="print(lab.logs) shows what there is.",
            )
        return found

    def _first(self, text: str) -> LogLine | None:
        return next((line for line in self._lines if text in line.text), None)

    def add(self, record: logging.LogRecord) -> None:
        """Keep one record, without secrets."""
        text = _FORMATTER.format(record)[:MAX_LINE_CHARS]
        with self._changed:
            self._lines.append(LogLine(record.created, record.levelname, record.name, redact(text)))
            self._changed.notify_all()


class _OwnFrames(logging.Formatter):
    """Formats a traceback without the 20 to 30 frames of uvicorn and FastAPI around a handler's own."""

    def format(self, record: logging.LogRecord) -> str:
        fresh = copy.copy(record)  # a record carries along what another handler's formatter made of it
        fresh.exc_text = None
        return super().format(fresh)

    def formatException(self, ei: Any) -> str:
        return super().formatException(ei) if ei[1] is None else "\n".join(own_traceback_lines(ei[1]))


_FORMATTER = _OwnFrames("%(message)s")

CURRENT_LOGS: contextvars.ContextVar[LogBook | None] = contextvars.ContextVar("labkit_logs", default=None)
"""Whose log the running code belongs to: set in a server's thread, copied into its tasks and workers."""


class _ToTheRightLab(logging.Handler):
    """One handler on the root logger: sends each record to the log of the server that it came from."""

    def emit(self, record: logging.LogRecord) -> None:
        book = CURRENT_LOGS.get()
        if book is not None:
            try:
                book.add(record)
            except Exception:  # noqa: BLE001  a wrong format: whoever logs must not fail by it
                self.handleError(record)
        elif (
            record.levelno >= logging.WARNING
            and len(logging.getLogger().handlers) == 1
            and logging.lastResort
        ):
            logging.lastResort.handle(record)  # being here must not silence everybody else's warnings


_HANDLER = _ToTheRightLab()


def capture_logs() -> None:
    """See to it that records of server threads reach their log book. Calling it again changes nothing."""
    hide_secrets()
    own = [logger for logger in map(logging.getLogger, SERVER_LOGGERS) if not logger.propagate]
    # uvicorn.Config() in a cell takes uvicorn's loggers off the root, unless told log_config=None.
    for logger in [logging.getLogger(), *own]:
        if _HANDLER not in logger.handlers:
            logger.addHandler(_HANDLER)
