"""Which names can be shown in a line of text."""

from __future__ import annotations

import unicodedata

# Line breaks and other controls, surrogates, and what turns the direction of the text around it.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def is_showable(name: str) -> bool:
    """Tell whether a name has nothing that breaks or turns the line that it is in.

    More is showable than `str.isprintable` says: joiners hold emoji and Persian words together.
    """
    return not any(c in _BIDI_CONTROLS or unicodedata.category(c) in _FORBIDDEN_CATEGORIES for c in name)
