"""`labkit dev`: for authors of exercises. The gate, the kill matrix, and whether plain pytest agrees."""

from __future__ import annotations

import os
from collections.abc import Iterable

import typer

from labkit.gradebook.pool import Job, judge_all
from labkit.gradebook.tables import table_text
from labkit.grader import exercise_names
from labkit.grader.author_gate import (
    IMPATIENT,
    Banked,
    MatrixRow,
    bank_of,
    bank_root,
    complaint_about,
    complaint_about_starter,
    complaints_about_texts,
    disagreement,
    matrix_row,
    only_killers,
    verdicts_of_pytest,
)
from labkit.grader.catalogue import find_exercise
from labkit.grader.judging import judge
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox
from labkit.grader.record import Record
from labkit.grader.reference_solution import reference_path


def check_exercises(names: list[str]) -> int:
    """Check exercises with their banks, print what is wrong, and return the exit code."""
    complaints: list[str] = []
    for name in names or exercise_names():
        exercise = find_exercise(name)
        found = [f"{name}: {what}" for what in complaints_about_texts(exercise, bank_root())]
        found.append(complaint_about_starter(exercise, judge(name, exercise.starter)))
        bank = bank_of(name, bank_root())
        if reference_path(name).is_file():
            bank.append(Banked(name, reference_path(name)))
        records = judge_bank(bank)
        found += [complaint_about(each, records[each]) for each in bank]
        found = [what for what in found if what]
        typer.echo(f"{name}: {len(bank)} submissions, {len(exercise.checks)} checks, {len(found)} complaints")
        complaints += found
    for what in complaints:
        typer.echo(what, err=True)
    return 1 if complaints else 0


def write_matrix(names: list[str], *, as_csv: bool) -> int:
    """Print which check catches which wrong submission, and return the exit code: 1 if a check catches none alone."""
    rows: list[MatrixRow] = []
    for name in names or exercise_names():
        wrong = [each for each in bank_of(name, bank_root()) if each.fails]
        records = judge_bank(wrong)
        rows += [matrix_row(each, records[each]) for each in wrong]
    typer.echo(_as_csv(rows) if as_csv else _as_markdown(rows), nl=False)
    needless = [check for check, count in only_killers(rows).items() if not count]
    for check in needless:
        typer.echo(f"{check} is the only killer of no wrong submission", err=True)
    amiss = [row for row in rows if row.first != row.declared]
    for row in amiss:
        typer.echo(f"{row.exercise}/{row.name} fails first at {row.first}, not at {row.declared}", err=True)
    return 1 if needless or amiss else 0


def compare_with_pytest(names: list[str]) -> int:
    """Judge each submission of the banks by plain pytest too, print where they differ, and return the exit code."""
    differing = 0
    for name in names or exercise_names():
        bank = bank_of(name, bank_root())
        records = judge_bank(bank, wrong_limits=Limits())
        for each in bank:
            record = records[each]
            told = disagreement(each, record, verdicts_of_pytest(name, each.path, record.seed))
            if told:
                differing += 1
                typer.echo(told, err=True)
        typer.echo(f"{name}: {len(bank)} submissions compared")
    return 1 if differing else 0


def judge_bank(bank: Iterable[Banked], *, wrong_limits: Limits = IMPATIENT) -> dict[Banked, Record]:
    """Judge submissions in parallel, wrong ones without waiting long for what never comes."""
    records: dict[Banked, Record] = {}
    of_key = {each.name if each.path.parent.name != "reference" else str(each.path): each for each in bank}

    def keep(job: Job, record: Record) -> None:
        records[of_key[job.key]] = record

    for limits, wanted in ((Limits(), False), (wrong_limits, True)):
        judge_all(
            [
                Job(key, each.exercise, each.path.read_bytes())
                for key, each in of_key.items()
                if bool(each.fails) is wanted
            ],
            workers=os.cpu_count() or 1,
            limits=limits,
            sandbox=strongest_sandbox(),
            on_record=keep,
        )
    return records


def _as_csv(rows: list[MatrixRow]) -> str:
    header = ("exercise", "wrong submission", "declared", "fails first at", "and at", "only killer")
    return table_text([header, *map(_cells, rows)])


def _as_markdown(rows: list[MatrixRow]) -> str:
    lines = ["| exercise | wrong submission | fails first at | and at |", "|---|---|---|---|"]
    for row in rows:
        exercise, name, _, first, others, _ = _cells(row)
        lines.append(f"| {exercise} | {name} | {first} | {others} |")
    lines += ["", "| check | only killer of |", "|---|---|"]
    lines += [f"| {check} | {count} |" for check, count in only_killers(rows).items()]
    return "\n".join(lines) + "\n"


def _cells(row: MatrixRow) -> tuple[str, ...]:
    others = " ".join(check for check in row.killers if check != row.first)
    return row.exercise, row.name, row.declared, row.first, others, row.first if len(row.killers) == 1 else ""
