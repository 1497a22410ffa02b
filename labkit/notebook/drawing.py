"""`draw()`: a plot of one's own in a cell, as an SVG that light and dark themes show alike, told in words too."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from labkit.errors import LabError
from labkit.svg import Chart, drawing_settings, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN = 7.6
HEIGHT_IN = 2.4

_numbers = itertools.count(1)


def draw(
    plot: Callable[[Axes], object], alt: str, *, width_in: float = WIDTH_IN, height_in: float = HEIGHT_IN
) -> Chart:
    """Return a picture for the cell to display.

    Args:
        plot: called with matplotlib's axes, on which it plots.
        alt: what the picture shows, with its figures, for who cannot see it.
        width_in: width in inches.
        height_in: height in inches.

    Raises:
        LabError: there are no words.
    """
    if not alt.strip():
        raise LabError(
            "This picture is told in no words.",
            expected="what it shows, for who cannot see it.",
            hint='draw(plot, "Ben waits 1 ms for 90 messages and 1 s for the next.")',
        )
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(drawing_settings(f"drawing {next(_numbers)}")):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        plot(axes)
        return Chart(svg_of(figure, alt), alt)
