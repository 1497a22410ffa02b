"""Plots in a cell: readable in light and dark, and told in words."""

from __future__ import annotations

import re

import pytest

from labkit.errors import LabError
from labkit.notebook import draw


def plot(axes):
    axes.plot([1, 2, 4], label="growing")
    axes.set(xlabel="seconds")
    axes.legend()
    axes.text(0, 1, "here")


def test_a_picture_has_its_words_and_the_pages_own_ink():
    picture = draw(plot, alt='It grows from 1 to 4 & is "steep".')
    assert repr(picture) == 'It grows from 1 to 4 & is "steep".'
    assert picture.svg.startswith(
        '<svg role="img" aria-label="It grows from 1 to 4 &amp; is &quot;steep&quot;."'
    )
    assert "currentColor" in picture.svg
    assert "#010203" not in picture.svg
    assert "<style" not in picture.svg
    for word in ("seconds", "growing", "here"):
        assert re.search(rf"<text[^>]*currentColor[^>]*>{word}</text>", picture.svg), word
    assert "var(--jp-ui-font-color1, currentColor)" in picture._repr_html_()


def test_two_pictures_on_a_page_share_no_ids():
    one, other = draw(plot, alt="one"), draw(plot, alt="other")
    clips = [set(re.findall(r'<clipPath id="([^"]+)"', picture.svg)) for picture in (one, other)]
    assert clips[0]
    assert not clips[0] & clips[1]


def test_a_picture_without_words_is_refused():
    with pytest.raises(LabError, match=r"This picture is told in no words\."):
        draw(plot, alt=" ")
