"""`labkit grade` and `labkit merge`: a class judged, with a progress bar, and what came of it in a few lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import typer

from labkit.errors import LabError, UnknownName
from labkit.gradebook.class_results import ClassResults, Manual, merge, with_manual_points
from labkit.gradebook.grade_run import Progress, Shard, faulty, grade
from labkit.gradebook.lms_fill import Filled, fill_canvas, fill_moodle
from labkit.gradebook.manual_points import read_manual_points
from labkit.gradebook.reports import require_own_folders, write_reports
from labkit.gradebook.store import write_whole
from labkit.grader.levels import Level, parse_level
from labkit.grader.probe import require_sandbox

TEMPLATES = {"slurm": "slurm.sh", "k8s": "k8s.yaml"}
MAX_SHOWN_NAMES = 10
_LINE_EVERY_SHARE = 0.1


def grade_class(
    folder: Path,
    out: Path,
    *,
    exercise: str | None,
    workers: int | None,
    resume: bool,
    require: str | None,
    manual: Path | None,
    shard: str | None,
    canvas: Path | None,
    moodle: Path | None,
) -> int:
    """Judge a class, write the reports, and return the exit code: 0, or 2 if something could not be judged.

    Raises:
        LabError: nothing could be judged at all, or the sandbox is weaker than required.
    """
    require_own_folders(out)
    part = Shard.parse(shard) if shard else None
    points = read_manual_points(manual, exercise) if manual is not None else {}
    sandbox = require_sandbox(parse_level(require) if require else Level.PROCESS)
    typer.echo(f"sandbox: {sandbox.words}")
    if sandbox.level < Level.LANDLOCK:
        typer.echo(
            "This stops accidents and casual cheating, not an attacker: submissions can read this machine's files.",
            err=True,
        )
    with _progress_bar() as show:
        results = grade(
            folder,
            out,
            sandbox=sandbox,
            exercise=exercise,
            workers=workers or os.cpu_count() or 1,
            resume=resume,
            shard=part,
            on_progress=show,
        )
    return _finish(results, out, points=points, canvas=canvas, moodle=moodle, exercise=exercise)


def merge_class(
    parts: list[Path], out: Path, *, manual: Path | None, canvas: Path | None, moodle: Path | None
) -> int:
    """Put the shards of a class together, write the reports, and return the exit code.

    Raises:
        LabError: the shards are not all of one class.
    """
    points = read_manual_points(manual) if manual is not None else {}
    return _finish(merge(parts), out, points=points, canvas=canvas, moodle=moodle, exercise=None)


def template(name: str) -> str:
    """Return the text of a template for a cluster.

    Raises:
        UnknownName: there is none of that name.
    """
    if name not in TEMPLATES:
        raise UnknownName("template", name, TEMPLATES)
    return (files("labkit.gradebook") / "templates" / TEMPLATES[name]).read_text(encoding="utf-8")


def _finish(
    results: ClassResults,
    out: Path,
    *,
    points: dict[tuple[str, str], Manual],
    canvas: Path | None,
    moodle: Path | None,
    exercise: str | None,
) -> int:
    results = with_manual_points(results, points)
    write_reports(results, out)
    if canvas is not None:
        _write_filled(fill_canvas(canvas, results), canvas, out / "canvas.csv")
    if moodle is not None:
        _write_filled(fill_moodle(moodle, results, exercise), moodle, out / "moodle.csv")
    return _sum_up(results, out)


def _sum_up(results: ClassResults, out: Path) -> int:
    usable = sum(result.record.usable for result in results.results)
    full = sum(result.record.passed for result in results.results)
    typer.echo(
        f"{len(results.results)} results, {full} with full marks, {len(results.results) - usable} that could not "
        f"be judged: {out / 'class.html'}"
    )
    for result in results.results:
        if not result.record.usable:
            typer.echo(f"{result.student}, {result.record.exercise}: {result.record.message}", err=True)
    for problem in results.problems:
        typer.echo(f"{problem.student}: {problem.message}", err=True)
    broken = faulty(results)
    if broken:
        who = ", ".join(f"{result.student} ({result.record.exercise})" for result in broken[:MAX_SHOWN_NAMES])
        raise LabError(
            f"The grader itself failed on {len(broken)} of them, several times: {who}.",
            expected="a verdict. Their points are not their fault, and are not kept.",
            hint="run the same command again; what is judged is not judged twice.",
        )
    return 0


def _write_filled(filled: Filled, source: Path, target: Path) -> None:
    write_whole(target, filled.text)
    typer.echo(f"filled: {target}")
    for names, what in (
        (filled.unmatched, f"have results and are not in {source.name}"),
        (filled.without, f"are in {source.name} and have no results"),
    ):
        if names:
            more = f" and {len(names) - MAX_SHOWN_NAMES} more" if len(names) > MAX_SHOWN_NAMES else ""
            typer.echo(f"{', '.join(names[:MAX_SHOWN_NAMES])}{more} {what}", err=True)


@contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Show how far a run is: as a bar with the time left, or as a line now and then where there is no terminal."""
    if not sys.stderr.isatty():
        yield _tell_now_and_then()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("judging"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[kept]}", style="dim"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("judging", total=None, kept="")

        def show(progress: Progress) -> None:
            kept = f"{progress.kept} judged before" if progress.kept else ""
            bar.update(task, total=progress.jobs, completed=progress.done, kept=kept)

        yield show


def _tell_now_and_then() -> Callable[[Progress], None]:
    told = -1.0

    def tell(progress: Progress) -> None:
        nonlocal told
        share = progress.done / progress.jobs if progress.jobs else 1.0
        if share - told >= _LINE_EVERY_SHARE or (share == 1.0 and told < 1.0):
            told = share
            before = f", {progress.kept} of them before" if progress.kept else ""
            typer.echo(f"judged {progress.done} of {progress.jobs}{before}", err=True)

    return tell
