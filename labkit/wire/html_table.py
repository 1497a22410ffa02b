"""Tables for cells that are not trusted: a notebook's sanitizer leaves them nothing but inline styles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MONO = "font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
CELL = "padding: 3px 12px 3px 0; text-align: left; vertical-align: top; white-space: normal"
RED, GREEN, AMBER, BLUE, PURPLE, GREY = (
    "background-color: rgba(229, 72, 77, 0.22)",
    "background-color: rgba(48, 164, 108, 0.22)",
    "background-color: rgba(255, 178, 36, 0.24)",
    "background-color: rgba(62, 130, 247, 0.22)",
    "background-color: rgba(142, 78, 198, 0.22)",
    "background-color: rgba(127, 127, 127, 0.18)",
)
"""Tints that leave the page's own text readable on light and on dark."""


def cell(text: str, *, style: str = "", head: bool = False, width: str = "") -> str:
    """Return one cell; the text is escaped, the width is such as `48%`."""
    tag = "th" if head else "td"
    scope = ' scope="col"' if head else ""
    wide = f' width="{width}"' if width else ""
    return f'<{tag}{scope}{wide} style="{CELL}; {style}">{escape(text)}</{tag}>'


def table(
    rows: Iterable[Sequence[str] | str], *, head: Sequence[str] = (), caption: str = "", mono: bool = False
) -> str:
    """Return a table. A row is its texts, which are escaped, or its HTML from `cell()`."""
    font = f"; {MONO}; font-size: 13px" if mono else ""
    parts = [f'<table style="border-collapse: collapse; margin: 6px 0{font}">']
    if caption:
        parts.append(
            f'<caption style="text-align: left; font-weight: 600; padding: 4px 0">{escape(caption)}</caption>'
        )
    if head:
        parts.append(f"<thead><tr>{''.join(cell(each, head=True) for each in head)}</tr></thead>")
    parts.append("<tbody>")
    for row in rows:
        inside = row if isinstance(row, str) else "".join(cell(each) for each in row)
        parts.append(f'<tr style="background: none">{inside}</tr>')
    return f"{''.join(parts)}</tbody></table>"


def columns_of_text(rows: Sequence[Sequence[str]], *, gap: str = "  ") -> list[str]:
    """Return rows as lines of text with their columns below each other."""
    from labkit.wire.shown_text import columns

    widths = [max(columns(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    return [
        gap.join(
            text + " " * (width - columns(text)) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
