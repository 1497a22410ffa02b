"""QR codes as text: what a terminal shows is the very code, module by module."""

from __future__ import annotations

import re

import pytest
import segno

from labkit.live.qr import QUIET_ZONE, qr_svg, qr_text

URL = "http://192.168.178.23:8000/"


def modules_of(text: str, *, colours: bool, blocks: bool) -> list[list[int]]:
    """Read a code back from its text."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text).split("\n")
    if blocks:
        halves = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
        pairs = [[halves[character] for character in line] for line in plain]
        rows = [[pair[half] for pair in line] for line in pairs for half in (0, 1)]
    else:
        assert {line[i : i + 2] for line in plain for i in range(0, len(line), 2)} == {"##", "  "}
        rows = [[int(line[i : i + 2] == "##") for i in range(0, len(line), 2)] for line in plain]
    return rows if colours else [[1 - module for module in row] for row in rows]


@pytest.mark.parametrize("colours", [True, False], ids=["colours", "plain"])
@pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "ascii"])
def test_the_text_is_the_code(colours, blocks):
    text = qr_text(URL, colours=colours, blocks=blocks)
    code = segno.make(URL, error="l", micro=False).matrix_iter(border=QUIET_ZONE)
    expected = [[int(module > 0) for module in row] for row in code]
    assert modules_of(text, colours=colours, blocks=blocks)[: len(expected)] == expected
    assert ("\x1b[" in text) is colours
    assert text.isascii() or blocks


def test_it_fits_an_ordinary_terminal():
    lines = qr_text(URL, colours=False, blocks=True).split("\n")
    assert len(lines) <= 20
    assert len(lines[0]) <= 40


def test_the_svg_is_dark_on_white_and_fills_its_box():
    svg = qr_svg(URL).decode()
    assert svg.startswith("<svg ")
    assert 'viewBox="0 0 37 37"' in svg
    assert not re.search(r"<svg[^>]*\s(width|height)=", svg)
    assert ("#fff" in svg, "#000" in svg) == (True, True)
    assert "<script" not in svg
