"""Compares a JSON value with a pattern, exactly in its types.

A pattern is
- `object`: anything;
- a type (`str`, `int`, `bool`, `float`): any value of just this type, so that `True` is no int;
- a dict: an object with at least these fields;
- a list of one pattern: a list in which every item matches it;
- a tuple of patterns: a list of just these items in this order;
- a set: one of these values;
- a `Where`: any value for which its test holds;
- anything else: this very value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labkit.grader.wording import in_lines, quote

_TYPE_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    type(None): "null",
}


@dataclass(frozen=True)
class Where:
    """A pattern for what no other pattern can say.

    Attributes:
        words: what the value is to be, such as ``a number from 0 to 100``.
        test: tells whether a value is that. It gets any JSON value.
    """

    words: str
    test: Callable[[Any], bool]


def matches(value: Any, pattern: Any) -> bool:
    """Tell whether a value matches a pattern."""
    return not difference(value, pattern)


def difference(value: Any, pattern: Any, where: str = "") -> str:
    """Say where a value first departs from a pattern; empty if it matches.

    Args:
        where: what the value is a part of, in words.
    """
    it = where or "it"
    if pattern is object:
        return ""
    if isinstance(pattern, Where):
        return "" if pattern.test(value) else f"{it} is {quote(value)}, not {pattern.words}"
    if isinstance(pattern, type):
        return "" if type(value) is pattern else f"{it} is {_kind(value)}, not {_TYPE_NAMES[pattern]}"
    if isinstance(pattern, dict):
        return _difference_of_objects(value, pattern, where)
    if isinstance(pattern, list | tuple):
        return _difference_of_lists(value, pattern, where)
    if isinstance(pattern, set):
        is_one_of = any(not difference(value, one) for one in pattern)
        return "" if is_one_of else f"{it} is {quote(value)}, not {describe(pattern)}"
    same = type(value) is type(pattern) and value == pattern
    return "" if same else f"{it} is {quote(value)}, not {quote(pattern)}"


def _difference_of_objects(value: Any, pattern: dict[str, Any], where: str) -> str:
    if type(value) is not dict:
        return f"{where or 'it'} is {_kind(value)}, not an object"
    for field, part in pattern.items():
        if field not in value:
            return f"{where or 'it'} has no field {field!r}"
        found = difference(value[field], part, f"field {field!r}{_of(where)}")
        if found:
            return found
    return ""


def _difference_of_lists(value: Any, pattern: list[Any] | tuple[Any, ...], where: str) -> str:
    if type(value) is not list:
        return f"{where or 'it'} is {_kind(value)}, not a list"
    parts = pattern * len(value) if isinstance(pattern, list) else pattern
    for number, (item, part) in enumerate(zip(value, parts, strict=False), start=1):
        found = difference(item, part, f"item {number}{_of(where)}")
        if found:
            return found
    if len(value) == len(parts):
        return ""
    count = "1 item" if len(value) == 1 else f"{len(value)} items"
    return f"{where or 'it'} has {count}, not {len(parts)}" if value else f"{where or 'it'} is empty"


def _of(where: str) -> str:
    return f" of {where}" if where else ""


def describe(pattern: Any) -> str:
    """Show a pattern in words and JSON, such as ``{"event": "received", "client_id": a text}``."""
    if pattern is object:
        return "anything"
    if isinstance(pattern, Where):
        return pattern.words
    if isinstance(pattern, type):
        return _TYPE_NAMES[pattern]
    if isinstance(pattern, dict):
        return "{" + ", ".join(f'"{field}": {describe(part)}' for field, part in pattern.items()) + "}"
    if isinstance(pattern, list):
        return f"a list of {describe(pattern[0])}"
    if isinstance(pattern, tuple):
        return in_lines(map(describe, pattern))
    if isinstance(pattern, set):
        return " or ".join(sorted(map(describe, pattern)))
    return quote(pattern)


def _kind(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)
