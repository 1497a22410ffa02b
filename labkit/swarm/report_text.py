"""The report for a terminal, as something that rich can print, and as plain text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from labkit.swarm.report import SwarmReport
from labkit.swarm.report_words import LATENCY_COLUMNS, figures, headline, latency_rows

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_WIDTH = 100
_BAD_ROWS = {"refused", "not connected", "repeated"}


def render_text(report: SwarmReport) -> RenderableType:
    """Return the report of a swarm. No text in it is taken as markup."""
    from rich import box
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(headline(report), style="bold" if report.clean else "bold yellow")]
    latencies = latency_rows(report)
    if latencies:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in LATENCY_COLUMNS:
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        for row in latencies:
            table.add_row(*row)
        parts.append(table)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in figures(report):
        is_bad = (
            name in _BAD_ROWS or (name == "lost" and report.lost) or (name == "closed" and "early" in value)
        )
        grid.add_row(name, Text(value, style="yellow" if is_bad else ""))
    parts.append(grid if latencies else Padding(grid, (1, 0, 0, 0)))
    parts += [Padding(Text(f"! {warning}", style="yellow"), (1, 0, 0, 0)) for warning in report.warnings]
    return Group(*parts)


def render_plain(report: SwarmReport) -> str:
    """Return the report as text without colours."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=PLAIN_WIDTH, color_system=None).print(render_text(report))
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())
