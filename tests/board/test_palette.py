"""Colours: each artist has one of their own, readable on white and on near-black."""

from __future__ import annotations

import pytest

from labkit.board.palette import PALETTE, free_color


def luminance(color: str) -> float:
    """Return the relative luminance (WCAG 2.2, section 1.4.3)."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("color", PALETTE)
@pytest.mark.parametrize("paper", ["#ffffff", "#14161a"])
def test_every_colour_is_seen_on_white_and_on_near_black(color, paper):
    assert contrast(color, paper) >= 3.0


def test_three_hundred_artists_have_three_hundred_colours():
    taken: list[str] = []
    for _ in range(300):
        taken.append(free_color(taken))
    assert len(set(taken)) == 300
    assert tuple(taken[: len(PALETTE)]) == PALETTE
    assert all(len(color) == 7 and color == color.lower() for color in taken)


def test_a_preferred_colour_is_given_if_it_is_free():
    assert free_color(["#d6336c"], "#123456") == "#123456"
    assert free_color(["#123456"], "#123456") == PALETTE[0]
