"""A trace as rows: one for each request, response and frame, to be filtered and counted with plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labkit.wire.conversation import Conversation
from labkit.wire.frame import Frame
from labkit.wire.handshake import Exchange
from labkit.wire.html_table import columns_of_text, table
from labkit.wire.shown_text import shown
from labkit.wire.trace import Trace

COLUMNS = (
    "connection", "at_s", "sender", "kind", "number", "name", "content", "size_bytes", "wire_bytes", "fin",
    "masked", "compressed", "fault", "problem",
)  # fmt: skip

SHOWN_ROWS = 100
CONTENT_COLUMNS = 60


class Table(list[dict[str, Any]]):
    """Rows as dictionaries, all with the same keys; a cell shows the first hundred.

    Keys: `connection` (id), `at_s` (seconds since the trace began), `sender`, `kind` (`request`, `response`, `frame`),
    `number` (of the frame), `name` (method, status or opcode), `content` (a preview), `size_bytes` (payload or head),
    `wire_bytes`, `fin`, `masked`, `compressed`, `fault`, `problem`. What does not apply is None.
    """

    def _shown(self) -> list[tuple[str, ...]]:
        return [tuple(_in_cell(row[name]) for name in COLUMNS) for row in self[:SHOWN_ROWS]]

    def _more(self) -> str:
        left = len(self) - SHOWN_ROWS
        return f"… and {left} more rows" if left > 0 else ""

    def __str__(self) -> str:
        lines = columns_of_text([COLUMNS, *self._shown()])
        return "\n".join([*lines, *filter(None, [self._more()])])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        more = f"<div>{self._more()}</div>" if self._more() else ""
        return table(self._shown(), head=COLUMNS, mono=True) + more


def rows_of(trace: Trace) -> Table:
    """Return a trace as rows, by connection and then by time."""
    return Table(row for talk in trace.conversations for row in _rows_of_talk(talk))


def _rows_of_talk(talk: Conversation) -> Iterator[dict[str, Any]]:
    for exchange in (*talk.exchanges, *([talk.handshake] if talk.handshake else [])):
        yield from (
            {**dict.fromkeys(COLUMNS), "connection": talk.id, **row} for row in _of_exchange(exchange)
        )
    for frame in talk.frames:
        yield {"connection": talk.id, **_of_frame(frame)}


def _of_exchange(exchange: Exchange) -> Iterator[dict[str, Any]]:
    problem = str(exchange.problem) if exchange.problem else None
    if (request := exchange.request) is not None:
        yield {
            "at_s": request.at_s, "sender": "client", "kind": "request", "name": request.method,
            "content": shown(request.target, CONTENT_COLUMNS), "wire_bytes": request.size_bytes, "problem": problem,
        }  # fmt: skip
    if (response := exchange.response) is not None:
        yield {
            "at_s": response.at_s, "sender": "server", "kind": "response", "name": str(response.status),
            "content": shown(response.reason, CONTENT_COLUMNS), "size_bytes": response.body_bytes,
            "wire_bytes": response.size_bytes + response.body_bytes, "problem": None if request else problem,
        }  # fmt: skip


def _of_frame(frame: Frame) -> dict[str, Any]:
    return {
        "at_s": frame.at_s, "sender": frame.sender, "kind": "frame", "number": frame.number, "name": frame.opcode_name,
        "content": shown(frame.preview(CONTENT_COLUMNS), CONTENT_COLUMNS), "size_bytes": len(frame.payload),
        "wire_bytes": frame.wire_bytes, "fin": frame.fin, "masked": frame.masked, "compressed": frame.compressed,
        "fault": frame.note or None, "problem": str(frame.problem) if frame.problem else None,
    }  # fmt: skip


def _in_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
