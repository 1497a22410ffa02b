"""What a stranger chose is shown safely, and so that the difference is in sight."""

from __future__ import annotations

import pytest

from labkit.grader.traceback_tail import has_traceback, own_traceback
from labkit.grader.wording import differing_parts, printable, quote, quote_items


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("hi", '"hi"'),
        ("Grüße 🦊", '"Grüße 🦊"'),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("abc\u202edef", '"abc\\u202edef"'),
        ("\ud800", '"\\ud800"'),
        (b"\x00\x01", "2 bytes b'\\x00\\x01' (a binary frame)"),
        ({"a": [1, None]}, '{"a": [1, null]}'),
    ],
)
def test_a_value_is_shown_as_what_it_is(value, shown):
    assert quote(value) == shown


def test_a_long_text_is_cut_in_its_middle():
    shown = quote("a" * 1000 + "z" * 1000)
    assert shown == f'"{"a" * 80}" … "{"z" * 40}" (2 000 characters)'


def test_a_deep_value_is_shown_without_harm():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert quote(deep) == "<class 'list'>"


def test_a_list_is_shown_an_item_a_line():
    assert quote_items([]) == "[]"
    assert quote_items(["a"]) == '["a"]'
    assert quote_items(["a", "b"]) == '[\n  "a"\n  "b"\n]'
    assert quote_items(list(range(100))).splitlines()[6] == "  … 90 more …"


def test_the_first_difference_of_long_texts_is_shown():
    expected, observed = differing_parts("x" * 5000 + "RIGHT" + "x" * 5000, "x" * 5000 + "WRONG" + "x" * 5000)
    assert expected == f'… "{"x" * 40}RIGHT{"x" * 35}" … (from character 4 961 of 10 005)'
    assert observed == f'… "{"x" * 40}WRONG{"x" * 35}" … (from character 4 961 of 10 005)'


def test_a_text_that_ends_too_early_says_so():
    _, observed = differing_parts("x" * 500, "x" * 300)
    assert observed == f'… "{"x" * 40}" and here it ends (300 characters)'


def test_texts_that_only_look_the_same_are_told_apart():
    assert differing_parts("e\u0301", "\u00e9") == ('"e\\u0301"', '"\\u00e9", which only looks the same')


def test_a_terminal_cannot_be_steered():
    assert printable("a\x1b[31mb\rc\nd\te") == "a\\u001b[31mb\\u000dc\nd   e"


LOG = """INFO: something
Traceback (most recent call last):
  File "/venv/uvicorn/impl.py", line 3, in run
    await app()
  File "/tmp/labkit-x/solution.py", line 7, in echo
    1 / 0
    ~~^~~
  File "/venv/starlette/ws.py", line 9, in send
    raise X
ZeroDivisionError: division by zero
bye
"""


def test_only_the_learners_own_frames_are_shown():
    assert has_traceback(LOG)
    assert own_traceback(LOG, "/tmp/labkit-x/solution.py") == (
        '  File "solution.py", line 7, in echo\n    1 / 0\n    ~~^~~\nZeroDivisionError: division by zero'
    )


def test_a_traceback_of_an_exception_group_is_read_too():
    log = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/venv/asyncio.py", line 1, in run\n'
        "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/tmp/labkit-x/solution.py", line 7, in echo\n'
        "    |     1 / 0\n"
        "    | ZeroDivisionError: division by zero\n"
        "    +------------------------------------\n"
    )
    tail = own_traceback(log, "/tmp/labkit-x/solution.py")
    assert "solution.py" in tail
    assert tail.endswith("ZeroDivisionError: division by zero")


def test_a_log_without_a_traceback_has_none():
    assert own_traceback("all is well", "solution.py") == ""
    assert not has_traceback("all is well")
