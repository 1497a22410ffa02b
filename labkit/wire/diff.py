"""Two recordings side by side: what the mended handler does that the broken one did not.

Only what is said is compared. Times, ports, masking keys, the payloads of pings and the cutting into TCP segments
differ from run to run and mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from typing import Any, Literal

from labkit.errors import LabError
from labkit.wire.conversation import Conversation
from labkit.wire.html_table import AMBER, CELL, GREEN, MONO, RED, cell, columns_of_text
from labkit.wire.shown_text import clip, counted
from labkit.wire.story import Row, tell
from labkit.wire.trace import Trace

MAX_COMPARED_ROWS = 1500
"""Rows of one connection that are compared: aligning takes time that grows with their square."""

CONTEXT_ROWS = 2
"""Equal rows that are shown before and after a difference."""

SIDE_COLUMNS = 56
SIGN_PERCENT = 4

_ARROWS = {"client": "→", "server": "←", None: " "}
_SIGNS = {"same": " ", "changed": "~", "only left": "-", "only right": "+"}


@dataclass(frozen=True, slots=True)
class Pair:
    """What stands side by side; an empty text where one side has nothing."""

    kind: Literal["same", "changed", "only left", "only right", "head", "gap"]
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Two recordings, aligned. A cell shows them side by side, `print()` says the same in words.

    Attributes:
        names: what the two are called.
        pairs: the rows, side by side.
    """

    names: tuple[str, str]
    pairs: tuple[Pair, ...]

    @property
    def count(self) -> int:
        """How many rows differ."""
        return sum(pair.kind in ("changed", "only left", "only right") for pair in self.pairs)

    def _headline(self) -> str:
        if not self.count:
            return "No difference in what was said."
        return f"{counted(self.count, 'row')} differ{'s' if self.count == 1 else ''}."

    def __str__(self) -> str:
        rows = [(" ", *self.names)]
        for pair in self.pairs:
            rows.append(
                (_SIGNS.get(pair.kind, " "), clip(pair.left, SIDE_COLUMNS), clip(pair.right, SIDE_COLUMNS))
            )
        return "\n".join([self._headline(), *columns_of_text(rows, gap=" │ ")])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = cell("", head=True, width=f"{SIGN_PERCENT}%")
        head += "".join(cell(name, head=True, width=f"{(100 - SIGN_PERCENT) // 2}%") for name in self.names)
        body = "".join(f'<tr style="background: none">{_html_of(pair)}</tr>' for pair in self.pairs)
        return (
            f"<div><b>{escape(self._headline())}</b></div>"
            f'<table style="border-collapse: collapse; font-size: 13px; width: 100%"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )


def diff(
    left: Any, right: Any, *, names: tuple[str, str] = ("left", "right"), app: bool = False
) -> Difference:
    """Compare two recordings and return them aligned for a cell to display.

    Args:
        left: a trace, one of its conversations, or a `lab.wire`; mostly the broken handler's.
        right: likewise; mostly the mended handler's. The n-th WebSocket is compared with the n-th.
        names: what to call them, such as `("broken", "mended")`.
        app: compare also what the app received and sent, and how its handler ended, where that was recorded.

    Raises:
        LabError: one of them is no recording.
    """
    talks = _talks_of(left), _talks_of(right)
    pairs: list[Pair] = []
    for place in range(max(map(len, talks))):
        pairs += _compared(*(side[place] if place < len(side) else None for side in talks), app=app)
    return Difference(names, tuple(pairs))


def _talks_of(recording: Any) -> Sequence[Conversation]:
    if isinstance(recording, Conversation):
        return [recording]
    trace = recording if isinstance(recording, Trace) else getattr(recording, "trace", None)
    trace = trace() if callable(trace) else trace
    if not isinstance(trace, Trace):
        raise LabError(
            f"diff() got a {type(recording).__name__}.",
            expected="a trace, one of its conversations, or a lab.wire.",
            hint="diff(broken.wire, mended.wire).",
        )
    return trace.websockets


def _compared(left: Conversation | None, right: Conversation | None, *, app: bool) -> Iterator[Pair]:
    stories = [tell(talk, app=app) if talk is not None else None for talk in (left, right)]
    yield Pair("head", *(story.title if story else "no such connection" for story in stories))
    verdicts = [" ".join(text for _, text in story.verdict) if story else "" for story in stories]
    yield Pair("same" if verdicts[0] == verdicts[1] else "changed", *verdicts)
    told = [list(story.rows[:MAX_COMPARED_ROWS]) if story else [] for story in stories]
    # The app and the wire take their turns by chance of timing: each is compared with its own kind.
    yield from _with_gaps(list(_aligned(*map(_of_the_wire, told))))
    if app:
        yield Pair("head", "what the app did", "what the app did")
        yield from _with_gaps(list(_aligned(*([row for row in rows if row.kind == "app"] for rows in told))))
    if any(story is not None and len(story.rows) > MAX_COMPARED_ROWS for story in stories):
        yield Pair("gap", f"only the first {MAX_COMPARED_ROWS} rows are compared", "")


def _of_the_wire(rows: list[Row]) -> list[Row]:
    """Return what went over the wire, the ends of TCP last: which side's was seen first is chance, too."""
    ends = sorted((row for row in rows if row.kind == "ending"), key=lambda row: row.label)
    return [row for row in rows if row.kind not in ("app", "ending")] + ends


def _aligned(left: list[Row], right: list[Row]) -> Iterator[Pair]:
    """Align by what is said; of what differs, pair the rows that are at least of one kind."""
    for same, ours, theirs in _blocks(left, right, _said):
        if same:
            yield from (Pair("same", in_words(a), in_words(b)) for a, b in zip(ours, theirs, strict=True))
            continue
        for alike, mine, yours in _blocks(ours, theirs, _kind):
            if alike:
                yield from (
                    Pair("changed", in_words(a), in_words(b)) for a, b in zip(mine, yours, strict=True)
                )
            else:
                yield from (Pair("only left", in_words(row), "") for row in mine)
                yield from (Pair("only right", "", in_words(row)) for row in yours)


def _blocks(
    left: list[Row], right: list[Row], key: Callable[[Row], tuple[object, ...]]
) -> Iterator[tuple[bool, list[Row], list[Row]]]:
    matcher = SequenceMatcher(None, [key(row) for row in left], [key(row) for row in right], autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        yield tag == "equal", left[start:end], right[other_start:other_end]


def _said(row: Row) -> tuple[object, ...]:
    """Return what is compared of a row."""
    beats = row.kind == "frame" and row.label in ("ping", "pong")
    return row.kind, row.sender, row.label, "" if beats else row.detail, row.tone, row.arrives


def _kind(row: Row) -> tuple[object, ...]:
    return row.kind, row.sender, row.label if row.kind == "frame" else ""


def in_words(row: Row) -> str:
    """Return a row in one line: direction, name, content, and what is wrong with it."""
    remarks = "; ".join(text for tone, text in row.notes if tone in ("bad", "warn"))
    text = f"{_ARROWS[row.sender]} {row.label} {row.detail}".rstrip()
    return f"{text} ({remarks})" if remarks else text


def _with_gaps(pairs: list[Pair]) -> Iterator[Pair]:
    """Leave out equal rows that are far from any difference."""
    near = {
        place + step
        for place, pair in enumerate(pairs)
        if pair.kind != "same"
        for step in range(-CONTEXT_ROWS, CONTEXT_ROWS + 1)
    }
    left_out = 0
    for place, pair in enumerate(pairs):
        if pair.kind == "same" and place not in near and len(pairs) > 4 * CONTEXT_ROWS:
            left_out += 1
            continue
        if left_out:
            yield Pair("gap", *(2 * [f"⋮ {counted(left_out, 'equal row')}"]))
            left_out = 0
        yield pair
    if left_out:
        yield Pair("gap", *(2 * [f"⋮ {counted(left_out, 'equal row')}"]))


def _html_of(pair: Pair) -> str:
    if pair.kind == "head":
        return cell("", head=True) + cell(pair.left, head=True) + cell(pair.right, head=True)
    tints = {"changed": (AMBER, AMBER), "only left": (RED, ""), "only right": ("", GREEN)}
    left, right = tints.get(pair.kind, ("", ""))
    sign = _SIGNS.get(pair.kind, " ")
    style = f"{CELL}; {MONO}; overflow-wrap: anywhere"
    return (
        f'<td style="{CELL}; {MONO}">{escape(sign)}</td>'
        f'<td style="{style}; {left}">{escape(pair.left)}</td><td style="{style}; {right}">{escape(pair.right)}</td>'
    )
