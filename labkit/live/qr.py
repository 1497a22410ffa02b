"""QR codes: for a page as SVG, for a terminal as text."""

from __future__ import annotations

import io

import segno

QUIET_ZONE = 2
"""Empty modules around the code. The standard says 4; scanners need less, and terminals are small."""

_BLACK_ON_WHITE = "\x1b[38;5;16;48;5;231m"
_RESET = "\x1b[0m"
_HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


def qr_svg(text: str) -> bytes:
    """Return a QR code as an SVG that fills whatever box it is put into, dark on white."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, omitsize=True, border=4, dark="#000", light="#fff"
    )
    return out.getvalue()


def qr_text(text: str, *, colours: bool, blocks: bool) -> str:
    """Return a QR code as lines of text.

    Args:
        colours: the terminal takes ANSI colours, so that the code is black on white whatever its theme is.
        blocks: the terminal can show ``▀▄█``, which halves the size; else each module is two characters.
    """
    code = segno.make(text, error="l", micro=False)
    rows = [[int(module > 0) for module in row] for row in code.matrix_iter(border=QUIET_ZONE)]
    if not colours:  # light characters on a dark ground are what most terminals show
        rows = [[1 - module for module in row] for row in rows]
    if not blocks:
        lines = ["".join("##" if module else "  " for module in row) for row in rows]
    else:
        if len(rows) % 2:
            rows.append([0 if colours else 1] * len(rows[0]))
        lines = [
            "".join(_HALVES[upper, lower] for upper, lower in zip(rows[i], rows[i + 1], strict=True))
            for i in range(0, len(rows), 2)
        ]
    return "\n".join(f"{_BLACK_ON_WHITE}{line}{_RESET}" if colours else line for line in lines)
