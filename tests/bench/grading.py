"""How quick the grader is, and whether it ever fails what is right. Run by hand; compare ratios within one run.

python tests/bench/grading.py                     check, class and cost; some minutes
python tests/bench/grading.py --small 10 --large 200        a cheaper ratio
python tests/bench/grading.py --flakes 300        right submissions again and again, idle and with every core busy
python tests/bench/grading.py --nbgrader VENV     also `nbgrader autograde`, from an environment that has it
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from labkit.gradebook.grade_run import grade
from labkit.gradebook.pool import Job, judge_all
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox

BANK = Path(__file__).parent.parent / "submissions"
EXERCISE = "chat"
RUNS = 5


def right_sources(exercise: str = EXERCISE) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((BANK / exercise / "right").glob("*.py"))]


def make_class(folder: Path, count: int, mark: str) -> Path:
    """Make a class of right submissions, each of which differs from every other."""
    sources = right_sources()
    for number in range(count):
        (folder / f"student-{number:04}").mkdir(parents=True)
        source = f"{sources[number % len(sources)]}\n\nMARK = '{mark} {number}'\n"
        (folder / f"student-{number:04}" / f"{EXERCISE}.py").write_text(source, encoding="utf-8")
    return folder


def check_once() -> None:
    """Seconds of `labkit check chat` on each right solution, from the shell."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((BANK / EXERCISE / "right").glob("*.py"))[:RUNS]:
            started = time.perf_counter()
            command = [sys.executable, "-m", "labkit", "check", EXERCISE, str(path)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            seconds.append(time.perf_counter() - started)
            if done.returncode != 0:
                raise SystemExit(f"{path} did not pass:\n{done.stdout}{done.stderr}")
    print(
        f"labkit check {EXERCISE}: median {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s (wanted: 3)"
    )


def grade_class(count: int, workers: int) -> float:
    """Judge a class of distinct right submissions and return seconds for each."""
    with tempfile.TemporaryDirectory() as folder:
        classroom = make_class(Path(folder, "class"), count, str(time.time_ns()))
        started = time.perf_counter()
        results = grade(classroom, Path(folder, "out"), sandbox=strongest_sandbox(), workers=workers)
        seconds = time.perf_counter() - started
    failed = [result.student for result in results.results if not result.record.passed]
    if failed:
        raise SystemExit(f"right submissions failed: {failed}")
    print(
        f"labkit grade of {count} x {EXERCISE}, -j {workers}, {strongest_sandbox().words.partition(':')[0]}: "
        f"{seconds:.1f} s, {60 * count / seconds:.0f} a minute (wanted: 60)"
    )
    return seconds / count


def flakes(count: int, workers: int) -> None:
    """Judge right submissions of all exercises again and again, first idle, then with every core busy."""
    exercises = sorted(path.name for path in BANK.iterdir() if (path / "right").is_dir())
    sources = [(exercise, source) for exercise in exercises for source in right_sources(exercise)]
    for busy in (False, True):
        load = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
        for process in load if busy else ():
            process.start()
        failed: list[str] = []

        def note(job: Job, record: object, failed: list[str] = failed) -> None:
            if not record.passed:  # type: ignore[attr-defined]
                failed.append(f"{job.key}: {record.outcome}")  # type: ignore[attr-defined]

        jobs = []
        for number in range(count):
            exercise, source = sources[number % len(sources)]
            jobs.append(Job(f"{exercise} {number}", exercise, f"{source}\n# {number} {busy}\n".encode()))
        judge_all(jobs, workers=workers, limits=Limits(), sandbox=strongest_sandbox(), on_record=note)
        for process in load if busy else ():
            process.kill()
        how = "every core busy" if busy else "idle"
        print(f"{count} right submissions, {how}: {len(failed)} failed (wanted: 0) {failed}")


def spin() -> None:
    while True:
        pass


def nbgrader(venv: Path, ours_s: float) -> None:
    """Seconds of `nbgrader autograde` for each notebook of one line, beside ours."""
    programs = venv / ("Scripts" if os.name == "nt" else "bin")
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}  # it calls alembic
    count = 5
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        source = course / "source" / "ps1"
        source.mkdir(parents=True)
        marks = {"grade": True, "grade_id": "one", "locked": True, "points": 1}
        marks |= {"schema_version": 3, "solution": False, "task": False}
        cell = {
            "cell_type": "code",
            "id": "one",
            "source": "assert 1 + 1 == 2",
            "metadata": {"nbgrader": marks},
        }
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        notebook = {
            "cells": [{**cell, "execution_count": None, "outputs": []}],
            "metadata": {"kernelspec": kernel},
        }
        text = json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5})
        (source / "one.ipynb").write_text(text, encoding="utf-8")

        def run(*arguments: str) -> None:
            command = [programs / "nbgrader", *arguments]
            subprocess.run(command, cwd=course, env=environment, check=True, capture_output=True)

        run("generate_assignment", "ps1")
        for number in range(count):
            handed_in = course / "submitted" / f"student{number}" / "ps1"
            handed_in.mkdir(parents=True)
            (handed_in / "one.ipynb").write_text((course / "release" / "ps1" / "one.ipynb").read_text())
        started = time.perf_counter()
        run("autograde", "ps1")
        theirs_s = (time.perf_counter() - started) / count
    ratio = theirs_s / ours_s
    print(
        f"nbgrader autograde, one line: {theirs_s:.2f} s each; ours {ours_s:.2f} s: {ratio:.1f} x (wanted: 2)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", type=int, default=10)
    parser.add_argument("--large", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--flakes", type=int, default=0)
    parser.add_argument("--nbgrader", type=Path)
    options = parser.parse_args()
    if options.flakes:
        flakes(options.flakes, options.jobs)
        return
    check_once()
    grade_class(2, options.jobs)  # warms the file cache
    few_s = grade_class(options.small, options.jobs)
    hundred_s = grade_class(100, options.jobs)
    many_s = grade_class(options.large, options.jobs) if options.large != 100 else hundred_s
    print(
        f"cost of one of {options.large} / of one of {options.small}: {many_s / few_s:.2f} (wanted: at most 1.2)"
    )
    if options.nbgrader:
        nbgrader(options.nbgrader, hundred_s)


if __name__ == "__main__":
    main()
