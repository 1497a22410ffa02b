"""The report for a notebook cell: one piece of HTML with its own style, no script and nothing to load."""

from __future__ import annotations

from html import escape

from labkit.grader.record import CheckResult, Record
from labkit.grader.report_words import SIGNS, details, footer, headline

_STYLE = """
.labkit-report { --good: #1a7f37; --bad: #c62828; --warn: #9a6700; --quiet: #6e7781;
  --line: rgba(127, 127, 127, .28); --soft: rgba(127, 127, 127, .09);
  color: var(--jp-ui-font-color1, currentColor); max-width: 60rem; margin: .25rem 0; line-height: 1.45;
  font: 14px/1.45 var(--jp-ui-font-family, system-ui, sans-serif); }
@media (prefers-color-scheme: dark) {
  .labkit-report { --good: #3fb950; --bad: #ff7b72; --warn: #d29922; --quiet: #8b949e; } }
[data-jp-theme-light="true"] .labkit-report { --good: #1a7f37; --bad: #c62828; --warn: #9a6700; --quiet: #6e7781; }
[data-jp-theme-light="false"] .labkit-report { --good: #3fb950; --bad: #ff7b72; --warn: #d29922; --quiet: #8b949e; }
.labkit-report * { box-sizing: border-box; }
.labkit-report .head { display: flex; flex-wrap: wrap; align-items: center; gap: .35rem .9rem; margin-bottom: .6rem; }
.labkit-report .head b { font-size: 1.15em; }
.labkit-report .bar { flex: 0 0 11rem; height: .6rem; border-radius: .3rem; background: var(--line); overflow: hidden; }
.labkit-report .bar i { display: block; height: 100%; background: var(--good); }
.labkit-report .message { margin: 0 0 .6rem; padding: .5rem .8rem; border-left: .25rem solid var(--warn);
  background: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.5 var(--jp-code-font-family, ui-monospace, monospace); }
.labkit-report details { border-top: 1px solid var(--line); }
.labkit-report details:last-of-type { border-bottom: 1px solid var(--line); }
.labkit-report .row { display: grid; grid-template-columns: 8.6rem 1fr auto; gap: .8rem; padding: .3rem .4rem;
  align-items: baseline; }
.labkit-report summary { cursor: pointer; list-style: none; }
.labkit-report summary::-webkit-details-marker { display: none; }
.labkit-report summary:hover { background: var(--soft); }
.labkit-report summary:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: -2px; }
.labkit-report summary .word::after { content: " ▸"; color: var(--quiet); }
.labkit-report details[open] > summary .word::after { content: " ▾"; }
.labkit-report .word { white-space: nowrap; font-weight: 600; }
.labkit-report .word i { display: inline-block; width: 1.3em; font-style: normal; text-align: center; }
.labkit-report .good { color: var(--good); } .labkit-report .bad { color: var(--bad); }
.labkit-report .warn { color: var(--warn); } .labkit-report .quiet { color: var(--quiet); }
.labkit-report .points { font-variant-numeric: tabular-nums; white-space: nowrap; color: var(--quiet); }
.labkit-report dl { display: grid; grid-template-columns: 5.5rem 1fr; gap: .35rem .8rem; margin: .1rem 0 .6rem;
  padding: .6rem .8rem; background: var(--soft); border-radius: .3rem; }
.labkit-report dt { margin: 0; padding: 0; float: none; width: auto; color: var(--quiet); font-weight: 400; }
.labkit-report dd { margin: 0; padding: 0; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.5 var(--jp-code-font-family, ui-monospace, monospace); }
.labkit-report dd.expected, .labkit-report dd.observed { margin-left: -.6rem; padding-left: .45rem;
  border-left: .15rem solid var(--good); }
.labkit-report dd.observed { border-left-color: var(--bad); }
.labkit-report dd.hint { font-family: inherit; }
.labkit-report code { font: 13px var(--jp-code-font-family, ui-monospace, monospace); background: none; padding: 0;
  color: inherit; }
.labkit-report .foot { margin: .6rem .4rem 0; font-size: 12px; color: var(--quiet); overflow-wrap: anywhere; }
@media (max-width: 34rem) { .labkit-report .row { grid-template-columns: 1fr auto; }
  .labkit-report .row .title { grid-row: 2; grid-column: 1 / -1; } .labkit-report dl { grid-template-columns: 1fr; } }
"""


def render_html(record: Record) -> str:
    """Return the report of a record. Every text in it that is not ours is escaped."""
    parts = [f"<style>{_STYLE}</style>", _head(record)]
    if record.message:
        parts.append(f'<div class="message">{_text(record.message)}</div>')
    if record.usable and record.outcome != "unattempted":
        first_bad = next((check for check in record.checks if not check.passed), None)
        told = [check for check in record.checks if check.outcome not in ("passed", "skipped")]
        parts += [_explained(check, is_open=check is first_bad) for check in told]
        parts.append(_folded(record, "skipped", is_open=False))
        parts.append(_folded(record, "passed", is_open=record.passed))
    parts.append(
        f'<div class="foot">{" · ".join(f"{name}: {_text(value)}" for name, value in footer(record))}</div>'
    )
    name = escape(f"Report of the exercise {record.exercise}", quote=True)
    return f'<div class="labkit-report" role="group" aria-label="{name}">{"".join(parts)}</div>'


def _head(record: Record) -> str:
    percent = round(100 * record.score / record.max_score) if record.max_score else 0
    tone = "good" if record.passed else ""
    label = f"{percent} percent of the points"
    return (
        f'<div class="head"><b>{_text(record.exercise)}</b>'
        f'<span class="bar" role="img" aria-label="{label}"><i style="width: {percent}%"></i></span>'
        f'<span class="{tone}">{_text(headline(record))}</span></div>'
    )


def _explained(check: CheckResult, *, is_open: bool) -> str:
    rows = "".join(
        f'<dt>{name}</dt><dd class="{name}">{_value(name, value)}</dd>' for name, value in details(check)
    )
    opened = " open" if is_open else ""
    return f'<details{opened}><summary class="row">{_cells(check)}</summary><dl>{rows}</dl></details>'


def _folded(record: Record, outcome: str, *, is_open: bool) -> str:
    """Fold the checks that ended alike into one line."""
    checks = [check for check in record.checks if check.outcome == outcome]
    if not checks:
        return ""
    sign = SIGNS[outcome]
    rows = "".join(f'<div class="row">{_cells(check)}</div>' for check in checks)
    opened = " open" if is_open else ""
    count = "1 check" if len(checks) == 1 else f"{len(checks)} checks"
    why = ", waiting for the above to pass" if outcome == "skipped" else ""
    points = f"{sum(check.points for check in checks)} of {sum(check.max_points for check in checks)}"
    return (
        f'<details{opened}><summary class="row"><span class="word {sign.tone}"><i>{sign.icon}</i>{sign.word}</span>'
        f'<span class="title">{count}{why}</span><span class="points">{points}</span></summary>{rows}</details>'
    )


def _cells(check: CheckResult) -> str:
    sign = SIGNS[check.outcome]
    return (
        f'<span class="word {sign.tone}"><i>{sign.icon}</i>{_text(sign.word)}</span>'
        f'<span class="title">{_marked_up(check.title)}</span>'
        f'<span class="points">{check.points} of {check.max_points}</span>'
    )


def _value(name: str, value: str) -> str:
    if name == "hint":
        command, dash, question = value.partition(" - ")
        return f"<code>{_text(command)}</code>{dash}{_text(question)}"
    return _text(value)


def _marked_up(title: str) -> str:
    """Escape one of our own titles and show what stands between backticks as code."""
    parts = _text(title).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _text(text: str) -> str:
    return escape(text, quote=True)
