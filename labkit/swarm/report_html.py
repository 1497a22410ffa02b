"""The report for a notebook cell: one piece of HTML with its chart, no script and nothing to load."""

from __future__ import annotations

from html import escape

from labkit.swarm.report import SwarmReport
from labkit.swarm.report_words import LATENCY_COLUMNS, figures, headline, latency_rows

_STYLE = """
.labkit-swarm { --warn: #9a6700; --quiet: #6e7781; --line: rgba(127, 127, 127, .28); max-width: 48rem;
  margin: .25rem 0; color: var(--jp-ui-font-color1, currentColor);
  font: 14px/1.45 var(--jp-ui-font-family, system-ui, sans-serif); }
@media (prefers-color-scheme: dark) { .labkit-swarm { --warn: #d29922; --quiet: #8b949e; } }
[data-jp-theme-light="true"] .labkit-swarm { --warn: #9a6700; --quiet: #6e7781; }
[data-jp-theme-light="false"] .labkit-swarm { --warn: #d29922; --quiet: #8b949e; }
.labkit-swarm table { border-collapse: collapse; margin: .5rem 0; font-size: 13px; color: inherit; }
.labkit-swarm tr { background: none !important; }
.labkit-swarm th, .labkit-swarm td { padding: .15rem .8rem .15rem 0; text-align: left; font-weight: 400;
  vertical-align: top; white-space: normal; overflow-wrap: anywhere; }
.labkit-swarm .latency th, .labkit-swarm .latency td { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; border-bottom: 1px solid var(--line); }
.labkit-swarm .latency th:first-child { text-align: left; }
.labkit-swarm thead th, .labkit-swarm .figures th { color: var(--quiet); white-space: nowrap; }
.labkit-swarm .warning { margin: .4rem 0; padding: .3rem .8rem; border-left: .25rem solid var(--warn); }
.labkit-swarm .chart { overflow-x: auto; }
"""


def render_html(report: SwarmReport) -> str:
    """Return the report of a swarm. Every text in it that is not ours is escaped."""
    parts = [f"<style>{_STYLE}</style><b>{escape(headline(report))}</b>"]
    parts += [f'<div class="warning">{escape(warning)}</div>' for warning in report.warnings]
    latencies = latency_rows(report)
    if latencies:
        head = "".join(f'<th scope="col">{name}</th>' for name in LATENCY_COLUMNS)
        rows = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
            for row in latencies
        )
        parts.append(f'<table class="latency"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>')
        parts.append(f'<div class="chart">{report.plot().svg}</div>')
    told = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in figures(report)
    )
    parts.append(f'<table class="figures"><tbody>{told}</tbody></table>')
    return f'<div class="labkit-swarm" role="group" aria-label="Report of a swarm">{"".join(parts)}</div>'
