"""`labkit check`: one judgement, shown as text or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from labkit.cli.terminal import write_json
from labkit.errors import LabError, UnknownName
from labkit.grader import Record, find_submission, judge, remember


def check(exercise: str, file: Path | None, seed: int | None) -> int:
    """Judge a solution, show the report, and return the exit code.

    Raises:
        LabError: there is no such exercise, or no solution of it.
    """
    record = judge(exercise, find_submission(exercise, file), seed=seed)
    remember(record)
    show(record)
    return record.exit_code


def check_json(exercise: str, file: Path | None, seed: int | None) -> int:
    """Judge a solution, write its record as one JSON object to stdout, and return the exit code."""
    try:
        record = judge(exercise, find_submission(exercise, file), seed=seed)
        remember(record)
    except LabError as error:
        record = unusable_record(exercise, seed, error)
    if not record.usable:
        typer.echo(record.message, err=True)
    write_json(json.dumps(record.to_json(), indent=1))
    return record.exit_code


def show(record: Record) -> None:
    """Write a record's report to stdout; what is wrong with an unusable file goes to stderr."""
    if record.usable:
        from rich.console import Console

        from labkit.grader import render_text

        Console().print(render_text(record))
    else:
        typer.echo(record.message, err=True)


def unusable_record(exercise: str, seed: int | None, error: LabError) -> Record:
    """Return the record of something that is no submission at all."""
    return Record(
        exercise=exercise,
        score=0,
        max_score=0 if isinstance(error, UnknownName) else _max_score(exercise),
        outcome="unattempted",
        checks=(),
        sandbox="",
        seed=seed or 0,
        message=str(error),
        usable=False,
    )


def _max_score(exercise: str) -> int:
    from labkit.grader.catalogue import find_exercise

    return find_exercise(exercise).points
