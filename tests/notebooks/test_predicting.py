"""The reason beside a prediction, as HTML."""

from __future__ import annotations

import pytest

from labkit.notebook.predicting import Reveal


@pytest.mark.parametrize(
    ("why", "shown"),
    [
        ("a `send()` waits", "a <code>send()</code> waits"),
        ("says *wrong path*, not *no*", "says <em>wrong path</em>, not <em>no</em>"),
        ("2 * 3 * 4 and a*b*c", "2 * 3 * 4 and a*b*c"),
        ("<b> & `<i>`", "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"),
    ],
)
def test_a_reason_shows_its_code_and_its_emphasis_and_nothing_else(why, shown):
    assert shown + "</div>" in Reveal(None, "A", why)._repr_html_()
