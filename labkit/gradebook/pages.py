"""HTML reports, a page for each student and one for the class: no script, nothing to load, all texts escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from labkit.gradebook.class_results import ClassResults, StudentResult
from labkit.gradebook.class_tables import CheckFigures, figures_of_checks
from labkit.gradebook.tables import number_cell
from labkit.grader.record import OUTCOMES
from labkit.grader.report_html import render_html
from labkit.grader.report_words import SIGNS

_STYLE = """
:root { color-scheme: light dark; --line: rgba(127, 127, 127, .35); --bar: #1a7f37; --soft: rgba(127, 127, 127, .1); }
@media (prefers-color-scheme: dark) { :root { --bar: #3fb950; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 1.6rem 0 .4rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.share { min-width: 7rem; } .bar { display: block; height: .6rem; background: var(--soft); border-radius: .3rem; }
.bar i { display: block; height: 100%; background: var(--bar); border-radius: .3rem; }
tr.bad td:first-child { font-weight: 600; } .note { border-left: .25rem solid var(--line); padding: .2rem .8rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .5rem .8rem; }
footer { margin-top: 2rem; font-size: .85rem; opacity: .8; }
"""


def student_page(student: str, results: Sequence[StudentResult]) -> str:
    """Return the page of one student, with all their exercises."""
    parts = [f"<h1>{escape(student)}</h1>"]
    for result in results:
        parts.append(render_html(result.record))
        if result.note:
            parts.append(f'<p class="note">{escape(result.note)}</p>')
        if result.manual is not None:
            manual = result.manual
            given = f"{number_cell(manual.points)} of {number_cell(manual.max_points)}"
            comment = f": {escape(manual.comment)}" if manual.comment else ""
            whole = f"{number_cell(result.total)} of {number_cell(result.max_total)}"
            parts.append(
                f'<p class="note">Points given by hand: {given}{comment}. Together: <b>{whole}</b>.</p>'
            )
    return _page(student, parts)


def class_page(results: ClassResults, pages: Mapping[str, str]) -> str:
    """Return the page of the class.

    Args:
        pages: relative address of each student's page.
    """
    count = sum(1 for _ in results.students)
    parts = [f"<h1>Results of {count} {'student' if count == 1 else 'students'}</h1>"]
    for exercise in dict.fromkeys(result.record.exercise for result in results.results):
        of_this = [result for result in results.results if result.record.exercise == exercise]
        parts += _exercise(exercise, of_this, pages)
        parts += _checks([each for each in figures_of_checks(results) if each.exercise == exercise])
    if results.problems:
        parts.append("<h2>Not submissions of any exercise</h2>")
        for problem in results.problems:
            parts.append(f"<p><b>{escape(problem.student)}</b></p><pre>{escape(problem.message)}</pre>")
    sandbox = f"<footer>sandbox: {escape(results.sandbox)}</footer>"
    return _page("Results of the class", [*parts, sandbox])


def _exercise(exercise: str, results: Sequence[StudentResult], pages: Mapping[str, str]) -> list[str]:
    rows = []
    for result in results:
        record = result.record
        tone = "" if record.passed else ' class="bad"'
        sign = SIGNS[record.outcome]
        first = next((check for check in record.checks if not check.passed), None)
        why = record.message.partition("\n")[0] or (first.title if first else "")
        rows.append(
            f'<tr{tone}><td><a href="{escape(pages[result.student], quote=True)}">{escape(result.student)}</a></td>'
            f'<td class="number">{number_cell(result.total)} / {number_cell(result.max_total)}</td>'
            f"<td>{sign.icon} {sign.word}</td><td>{escape(why)}</td></tr>"
        )
    full = sum(result.record.passed for result in results)
    return [
        f"<h2>{escape(exercise)}: {full} of {len(results)} with full marks</h2>",
        '<div class="scroll"><table><thead><tr><th>student</th><th class="number">points</th><th>outcome</th>'
        f"<th>first that did not pass</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>",
    ]


def _checks(figures: Sequence[CheckFigures]) -> list[str]:
    rows = []
    for each in figures:
        others = [
            f"{each.outcomes[outcome]} {SIGNS[outcome].word}"
            for outcome in OUTCOMES
            if outcome != "passed" and each.outcomes[outcome]
        ]
        percent = round(100 * each.passed_share)
        rows.append(
            f'<tr><td>{escape(each.title)}</td><td class="share"><span class="bar" role="img" '
            f'aria-label="{percent} percent passed"><i style="width: {percent}%"></i></span></td>'
            f'<td class="number">{each.outcomes["passed"]} / {each.tried}</td><td>{escape(", ".join(others))}</td>'
            f'<td class="number">{each.median_s:.2f} s</td></tr>'
        )
    return [
        '<div class="scroll"><table><thead><tr><th>check</th><th>passed</th><th class="number"></th>'
        f'<th>the others</th><th class="number">median</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    ]


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
