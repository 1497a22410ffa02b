"""Puts values that a stranger chose into words that are safe and short enough to show."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from typing import Any

MAX_SHOWN_CHARACTERS = 160
MAX_SHOWN_ITEMS = 10

_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Return a text in which nothing can move a terminal's cursor, colour it, or turn its direction."""
    return "".join(_escape(c) if c != "\n" and _is_treacherous(c) else c for c in text.expandtabs(4))


def quote_items(value: Any) -> str:
    """Show a JSON value as `quote` does, a list one item a line."""
    return in_lines(quote(item) for item in value) if isinstance(value, list) else quote(value)


def quote(value: Any, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """Show a text or JSON value on one line, cut in its middle if it is long."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes {shorten(repr(value[:limit]), limit)} (a binary frame)"
    if isinstance(value, str) and len(value) > limit:
        return f"{_literal(value[: limit // 2])} … {_literal(value[-limit // 4 :])} ({count(len(value))} characters)"
    return shorten(_literal(value), 4 * limit)


def in_lines(items: Iterable[str]) -> str:
    """Show a list, one item a line if it has several, cut in its middle if it has many."""
    shown = list(items)
    if len(shown) < 2:
        return f"[{''.join(shown)}]"
    if len(shown) > MAX_SHOWN_ITEMS:
        left_out = f"… {len(shown) - MAX_SHOWN_ITEMS} more …"
        shown = [*shown[: MAX_SHOWN_ITEMS // 2], left_out, *shown[-MAX_SHOWN_ITEMS // 2 :]]
    return "\n".join(["[", *(f"  {item}" for item in shown), "]"])


def shorten(text: str, limit: int) -> str:
    """Cut a long text and say so."""
    return text if len(text) <= limit else f"{text[:limit]} … ({count(len(text))} characters in all)"


def count(number: int) -> str:
    """Write a number with thin groups, such as 60 000."""
    return f"{number:,}".replace(",", " ")


def differing_parts(expected: str, observed: str, limit: int = MAX_SHOWN_CHARACTERS) -> tuple[str, str]:
    """Show two texts so that their first difference is in sight, however long they are."""
    if unicodedata.normalize("NFC", expected) == unicodedata.normalize("NFC", observed):
        # They look the same and are not, such as é as one character and as two.
        return json.dumps(expected)[:limit], f"{json.dumps(observed)[:limit]}, which only looks the same"
    if max(len(expected), len(observed)) <= limit:
        return quote(expected), quote(observed)
    at = _first_difference(expected, observed)
    return _around(expected, at, limit), _around(observed, at, limit)


def _first_difference(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _around(text: str, at: int, limit: int) -> str:
    start, end = max(0, at - limit // 4), at + limit // 4
    before = "… " if start else ""
    if at >= len(text):
        return f"{before}{_literal(text[start:end])} and here it ends ({count(len(text))} characters)"
    after = " …" if end < len(text) else ""
    return f"{before}{_literal(text[start:end])}{after} (from character {count(start + 1)} of {count(len(text))})"


def _literal(value: Any) -> str:
    try:
        literal = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        literal = repr(type(value))
    return "".join(_escape(c) if _is_treacherous(c) else c for c in literal)


def _is_treacherous(character: str) -> bool:
    return character in _DIRECTION_OVERRIDES or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}"
