"""Matplotlib's figures as SVG elements: static, offline, in the page's own text colour, and told in words."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the page's own text colour, light or dark, while matplotlib draws."""

_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_STYLE = "max-width: 100%; height: auto; stroke-linejoin: round; stroke-linecap: butt"


@dataclass(frozen=True, repr=False)
class Chart:
    """A picture.

    Attributes:
        svg: the SVG element.
        alt: what it shows, in words.
    """

    svg: str
    alt: str

    def _repr_html_(self) -> str:
        return (
            '<div style="color: var(--jp-ui-font-color1, currentColor); max-width: 48rem; '
            f'overflow-x: auto">{self.svg}</div>'
        )

    def __repr__(self) -> str:
        return self.alt


def drawing_settings(salt: str) -> dict[Any, Any]:
    """Return matplotlib's settings while a figure for a page is made and saved.

    Args:
        salt: differs from picture to picture: two on a page must not share the ids of their clip paths.
    """
    return dict.fromkeys(_INKED, INK) | {"svg.hashsalt": salt, "svg.fonttype": "none", "font.size": 9}


def svg_of(figure: Figure, alt: str) -> str:
    """Return a figure, made under `drawing_settings`, as an SVG element with words for who cannot see it."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    element = svg[svg.index("<svg") :]
    # Its style sheet has one rule, for `*`, and in a page that would be everything.
    element = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", element, count=1, flags=re.S)
    label = escape(alt, quote=True)
    element = element.replace("<svg ", f'<svg role="img" aria-label="{label}" style="{_STYLE}" ', 1)
    element = element.replace(">", f"><title>{escape(alt)}</title>", 1)
    return element.replace(INK, "currentColor").strip()
