"""The report in a terminal and in a cell: the same facts, nothing executed, nothing hidden in colour."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import pytest
from rich.console import Console

from labkit.grader import CheckResult, Record, render_html, render_text, unattempted
from labkit.grader.record import OUTCOMES
from labkit.grader.report_words import SIGNS, describe_result

HOSTILE = '<img src=x onerror=alert(1)> [bold]x[/bold] & "quoted" \\u001b[2J'

PASSED = CheckResult("one", "A text `T` is answered.", 2, 2, "passed", seconds=0.1)
FAILED = CheckResult(
    "two", "Order is kept.", 0, 3, "failed", 'sends "a"', '"A"', HOSTILE, "labkit hint echo two - Why?", 0.2
)
SKIPPED = CheckResult(
    "three", "All is well.", 0, 1, "skipped", observed="not tried, because it needs two to pass first"
)


def record_of(*checks, **more):
    score = sum(check.points for check in checks)
    most = sum(check.max_points for check in checks)
    outcome = next((check.outcome for check in checks if not check.passed), "passed")
    options = {"sandbox": "process: apart", "seed": 7, "submission": "my <solution>.py", **more}
    return Record("echo", score, most, options.pop("outcome", outcome), checks, **options)


def text_of(record, width=100):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render_text(record))
    return console.file.getvalue()


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.attributes = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_every_outcome_has_an_icon_and_a_word_of_its_own():
    assert set(SIGNS) == set(OUTCOMES)
    assert len({sign.icon for sign in SIGNS.values()}) == len(OUTCOMES)
    assert len({sign.word for sign in SIGNS.values()}) == len(OUTCOMES)


@pytest.mark.parametrize(
    "render", [text_of, lambda record: Tags(render_html(record)).text], ids=["text", "html"]
)
def test_a_report_tells_what_was_sent_expected_and_observed(render):
    shown = render(record_of(PASSED, FAILED, SKIPPED))
    for part in ("1 of 3 checks passed, 2 of 6 points.", "Order is kept.", 'sends "a"', '"A"', HOSTILE):
        assert part in shown
    for part in (
        "labkit hint echo two - Why?",
        "my <solution>.py",
        "process: apart",
        "seed: 7",
        "skipped",
        "failed",
    ):
        assert part in shown


def test_all_passed_is_celebrated_in_one_line():
    line = "All 1 checks passed, 2 of 2 points. Well done! 🎉"
    assert line in text_of(record_of(PASSED))
    assert line in render_html(record_of(PASSED))


def test_what_is_unusable_is_told_without_a_list_of_checks():
    record = record_of(FAILED, usable=False, message="solution.py has a syntax error\nTry: mend it")
    for shown in (text_of(record), Tags(render_html(record)).text):
        assert "Nothing could be checked: 0 of 3 points." in shown
        assert "solution.py has a syntax error" in shown
        assert "Order is kept." not in shown


def test_what_is_unattempted_is_told_in_one_sentence():
    shown = text_of(unattempted("echo"))
    assert "Not attempted yet: 0 of 20 points." in shown
    assert "This is still the starter" in shown


def test_html_escapes_all_that_is_not_ours():
    tags = Tags(render_html(record_of(FAILED, message=HOSTILE)))
    assert set(tags.tags) <= {
        "div",
        "style",
        "b",
        "span",
        "i",
        "details",
        "summary",
        "dl",
        "dt",
        "dd",
        "code",
    }
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert tags.text.count(HOSTILE) == 2


def test_html_loads_nothing():
    shown = render_html(record_of(PASSED, FAILED))
    for part in ("http://", "https://", "url(", "@import", "<script", "src="):
        assert part not in shown.replace("&lt;img src=x", "")


def test_the_first_failure_is_open_and_the_rest_folded():
    other = CheckResult("four", "Another.", 0, 1, "timeout", observed="nothing came")
    shown = render_html(record_of(PASSED, FAILED, other))
    assert shown.count("<details open>") == 1
    assert shown.index("<details open>") < shown.index("Order is kept.") < shown.index("Another.")


def test_rich_takes_nothing_as_markup():
    assert "[bold]x[/bold]" in text_of(record_of(FAILED), width=200)


def test_plain_words_are_aligned():
    result = CheckResult("two", "Order is kept.", 0, 3, "failed", "one\ntwo", "a", "b")
    assert describe_result(result) == (
        "✗ Order is kept.  (failed, 0 of 3 points)\n"
        "    sent      one\n"
        "              two\n"
        "    expected  a\n"
        "    observed  b"
    )
