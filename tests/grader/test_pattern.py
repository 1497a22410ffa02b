"""Patterns of JSON: exact in types, open for further fields."""

from __future__ import annotations

import pytest

from labkit.grader.pattern import Where, describe, difference

EVEN = Where("an even number", lambda value: type(value) is int and value % 2 == 0)


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        (1, int),
        ("a", str),
        ({"a": 1, "more": 2}, {"a": int}),
        ([{"a": 1}, {"a": 2}], [{"a": int}]),
        ([], [int]),
        ([1, 2], (1, 2)),
        (1006, {1005, 1006}),
        (None, object),
        ({"a": {"b": [True]}}, {"a": {"b": [bool]}}),
    ],
)
def test_a_match_has_no_difference(value, pattern):
    assert difference(value, pattern) == ""


@pytest.mark.parametrize(
    ("value", "pattern", "said"),
    [
        (True, int, "it is true or false, not a whole number"),
        (1.0, int, "it is a number, not a whole number"),
        (1.0, 1, "it is 1.0, not 1"),
        ("1000", 1000, 'it is "1000", not 1000'),
        ([], {"a": 1}, "it is a list, not an object"),
        ({}, [int], "it is an object, not a list"),
        ({"a": 1}, {"b": int}, "it has no field 'b'"),
        ({"a": "x"}, {"a": int}, "field 'a' is a text, not a whole number"),
        ([1, "x"], [int], "item 2 is a text, not a whole number"),
        ([{"a": 1}, {}], [{"a": 1}], "item 2 has no field 'a'"),
        ([1, 3], (1, 2), "item 2 is 3, not 2"),
        ([], (1, 2), "it is empty"),
        ([1], (1, 2), "it has 1 item, not 2"),
        ([1, 2, 3], (1, 2), "it has 3 items, not 2"),
        (1000, {1005, 1006}, "it is 1000, not 1005 or 1006"),
        ({"a": 3}, {"a": EVEN}, "field 'a' is 3, not an even number"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "field 'b' of item 1 of field 'a' is 1, not 2"),
    ],
)
def test_the_first_difference_is_said(value, pattern, said):
    assert difference(value, pattern) == said


def test_a_value_where_the_test_holds_has_no_difference():
    assert difference({"a": [2, 4]}, {"a": [EVEN]}) == ""


def test_a_pattern_can_be_read():
    assert describe({"event": "received", "client_id": str}) == '{"event": "received", "client_id": a text}'
    assert describe([{"a": int}]) == 'a list of {"a": a whole number}'
    assert describe((1, 2)) == "[\n  1\n  2\n]"
    assert describe({1005, 1006}) == "1005 or 1006"
    assert describe({"a": EVEN}) == '{"a": an even number}'
