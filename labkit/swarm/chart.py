"""Latencies over time, as one static SVG that takes its text colour from the page, light or dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labkit.svg import INK, Chart, drawing_settings, svg_of
from labkit.swarm.histogram import Percentiles
from labkit.swarm.report import SwarmReport
from labkit.swarm.report_words import milliseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE = "#3b82c4"
_ORANGE = "#d9822b"
WIDTH_IN = 7.6
PANEL_HEIGHT_IN = 2.5


def draw(report: SwarmReport) -> Chart:
    """Return the chart of a report: latencies over the measured time, round trips and deliveries."""
    panels = [
        ("Round trip", "round_trip", report.round_trip, _BLUE),
        ("Delivery to the others", "delivery", report.delivery, _ORANGE),
    ]
    panels = [panel for panel in panels if panel[2].count] or panels[:1]
    alt = _describe(report)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    salt = str(abs(hash((report.url, report.sent, report.round_trip, report.delivery))))
    with rc_context(drawing_settings(salt)):
        figure = Figure(figsize=(WIDTH_IN, PANEL_HEIGHT_IN * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for ax, (title, field, total, colour) in zip(axes, panels, strict=True):
            _panel(ax, report, title, field, total, colour)
        axes[-1].set_xlabel("seconds, by the time of sending")
        return Chart(svg_of(figure, alt), alt)


def _panel(ax: Axes, report: SwarmReport, title: str, field: str, total: Percentiles, colour: str) -> None:
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_ylabel("ms")
    ax.spines[["top", "right"]].set_visible(False)
    told: list[tuple[float, Percentiles]] = [
        (slot.start_s + report.slot_s / 2, getattr(slot, field)) for slot in report.slots
    ]
    shown = [(at_s, latency) for at_s, latency in told if latency.count]
    if not shown:
        ax.text(0.5, 0.5, "nothing came back", transform=ax.transAxes, ha="center")
        return
    at = [at_s for at_s, _ in shown]
    line: dict[str, Any] = {"color": colour, "marker": "" if len(at) > 1 else "o"}
    for name, width, opacity in (("p50", 2.0, 1.0), ("p90", 1.2, 0.8), ("p99", 1.0, 0.6)):
        values = [getattr(latency, f"{name}_ms") for _, latency in shown]
        overall = milliseconds(getattr(total, f"{name}_ms"))
        ax.plot(at, values, linewidth=width, alpha=opacity, label=f"{name}  {overall}", **line)
    low, high = ([getattr(latency, name) for _, latency in shown] for name in ("p50_ms", "p99_ms"))
    ax.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    worst = [latency.max_ms for _, latency in shown]
    ax.plot(at, worst, ".", color=INK, markersize=3, alpha=0.7, label=f"max  {milliseconds(total.max_ms)}")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_minor_formatter(lambda value, _: "")
    ax.set_ylim(min(low) / 2, max(worst) * 2)
    ax.set_xlim(0, max(report.measured_s, at[-1]))
    ax.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _describe(report: SwarmReport) -> str:
    parts = []
    for name, total in (("round trip", report.round_trip), ("delivery to the others", report.delivery)):
        if total.count:
            values = (f"{p} {milliseconds(getattr(total, f'{p}_ms'))}" for p in ("p50", "p90", "p99", "max"))
            parts.append(f"{name}: {', '.join(values)}")
    told = "; ".join(parts) or "nothing came back"
    return f"Latency over {report.measured_s:.1f} s with {report.opened} clients. {told}."
