"""Text from the wire, made fit to be shown: in a terminal, in a page, in a picture.

What came over a wire may hold terminal codes, characters that turn the reading direction round, or halves of
characters. None of them may do anything here but be seen.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
_ZERO_WIDTH_JOINER = "\u200d"


def shown(text: str, max_columns: int | None = None) -> str:
    """Return a text on one line with everything unprintable as an escape such as `\\x1b`, clipped on request.

    Args:
        text: any text, hostile ones too.
        max_columns: how wide it may be, in columns of a fixed-width font; longer ones end in `…`.
    """
    if text.isascii() and text.isprintable():
        return text if max_columns is None else clip(text, max_columns)
    beginning = text if max_columns is None else text[: max_columns + 1]  # no text is narrower than that
    plain = "".join(_visible(character) for character in beginning)
    return plain if max_columns is None else clip(plain, max_columns)


def _visible(character: str) -> str:
    if character.isprintable() or character == _ZERO_WIDTH_JOINER:  # which holds emoji together
        return character
    return character.encode("unicode_escape").decode()


def clip(text: str, max_columns: int) -> str:
    """Return a text that is at most so many columns wide; a longer one ends in `…`."""
    if text.isascii():
        return text if len(text) <= max_columns else text[: max_columns - 1] + ELLIPSIS
    used = 0
    for place, character in enumerate(text):
        used += _columns(character)
        if used > max_columns:
            room = max_columns - 1
            while place and columns(text[:place]) > room:
                place -= 1
            return text[:place] + ELLIPSIS
    return text


def columns(text: str) -> int:
    """Return how many columns of a fixed-width font a text takes: two for wide characters, none for marks."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character == _ZERO_WIDTH_JOINER:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def seconds(value_s: float) -> str:
    """Return a time in the unit that suits it, such as `0.4 ms`, `12 ms` or `2.051 s`."""
    if abs(value_s) >= 0.9995:
        return f"{value_s:.3f} s"
    value_ms = value_s * 1000
    return f"{value_ms:.0f} ms" if abs(value_ms) >= 99.95 else f"{value_ms:.1f} ms"


def size(value_bytes: int) -> str:
    """Return a number of bytes in the unit that suits it, such as `5 bytes` or `1.2 MiB`."""
    if value_bytes < 10_000:
        return f"{counted(value_bytes, 'byte')}"
    if value_bytes < 1024 * 1024:
        return f"{value_bytes / 1024:.1f} KiB"
    return f"{value_bytes / 1024 / 1024:.1f} MiB"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 frame` or `10 000 frames`."""
    return f"{number:,}".replace(",", "\u202f") + f" {noun}{'' if number == 1 else 's'}"
