"""The report for a terminal, as something that rich can print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.grader.record import CheckResult, Record
from labkit.grader.report_words import SIGNS, details, footer, headline

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_STYLES = {"good": "green", "bad": "bold red", "warn": "yellow", "quiet": "dim"}
_BAR_CELLS = 20


def render_text(record: Record) -> RenderableType:
    """Return the report of a record. No text in it is taken as markup."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [_head(record)]
    if record.message:
        parts.append(Padding(Text(record.message), (1, 0, 0, 2)))
    if record.usable and record.outcome != "unattempted":
        parts.append(Padding(_list_of_checks(record), (1, 0, 0, 0)))
        parts += [Padding(_explain(check), (1, 0, 0, 2)) for check in _to_explain(record)]
    parts.append(Padding(_foot(record), (1, 0, 0, 0)))
    return Group(*parts)


def _head(record: Record) -> Text:
    from rich.text import Text

    filled = round(_BAR_CELLS * record.score / record.max_score) if record.max_score else 0
    head = Text()
    head.append(f"{record.exercise}  ", style="bold")
    head.append("█" * filled, style="green")
    head.append("░" * (_BAR_CELLS - filled), style="dim")
    head.append(f"  {headline(record)}", style="bold green" if record.passed else "bold")
    return head


def _list_of_checks(record: Record) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    for check in record.checks:
        sign = SIGNS[check.outcome]
        style = _STYLES[sign.tone]
        table.add_row(
            Text(f"{sign.icon} {sign.word}", style=style),
            Text(check.title),
            Text(f"{check.points}/{check.max_points}", style=style),
        )
    return table


def _to_explain(record: Record) -> list[CheckResult]:
    """Return the checks that say more than their line: not those skipped because of another one."""
    return [check for check in record.checks if not check.passed and check.outcome != "skipped"]


def _explain(check: CheckResult) -> Table:
    from rich.table import Table
    from rich.text import Text

    sign = SIGNS[check.outcome]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim", width=9)
    table.add_column(overflow="fold")
    table.add_row(
        Text(sign.icon, style=_STYLES[sign.tone]), Text(f"{check.title} ({sign.word})", style="bold")
    )
    for name, value in details(check):
        table.add_row(name, Text(value))
    return table


def _foot(record: Record) -> Text:
    from rich.text import Text

    return Text(" · ".join(f"{name}: {value}" for name, value in footer(record)), style="dim")
