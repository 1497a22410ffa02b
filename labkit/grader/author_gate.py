"""What the author of an exercise has to get right, checked: its texts, and its bank of right and wrong submissions.

A bank is `<exercise>/right/*.py` and `<exercise>/wrong/*.py`. A wrong submission has one plausible fault, and says
in its first lines which check must be the first to fail, and what the report must then say:

    # fails: one_reply
    # says: Echo:

`# fails: one_reply alone` says that no other check catches it. Each check needs such a submission: without one it
would find nothing that the others don't.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.course import course_root
from labkit.course.locate import PACKAGE
from labkit.errors import LabError
from labkit.grader.catalogue import Exercise, find_exercise
from labkit.grader.limits import Limits
from labkit.grader.record import CheckResult, Record
from labkit.grader.reference_solution import reference_path
from labkit.grader.submission import read_submission

IMPATIENT = Limits(start_s=60, step_s=2.5, settle_s=1)
"""For submissions that are wrong: what never comes need not be waited for as long."""

MIN_CHECKS = 8
MIN_RIGHT = 4
MIN_WRONG = 12
ANSWER_CHARACTERS = 30
"""A line of a solution that is longer than this, found in a hint, gives the answer away."""

_PYTEST_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Banked:
    """A submission of a bank.

    Attributes:
        fails: id of the check that must be the first to fail; empty for a right one.
        alone: whether it must be the only one to fail, those aside that are skipped because of it.
        says: what the report must then say.
    """

    exercise: str
    path: Path
    fails: str = ""
    says: str = ""
    alone: bool = False

    @property
    def name(self) -> str:
        """Return a name for people, such as `echo/wrong/no_page`."""
        return f"{self.exercise}/{self.path.parent.name}/{self.path.stem}"


def bank_root() -> Path:
    """Return the folder of all banks.

    Raises:
        LabError: this is no checkout.
    """
    folder = PACKAGE.parent / "tests" / "submissions"
    if not folder.is_dir():
        raise LabError(
            "The banks of submissions are not here.",
            expected=f"{folder}, as in a checkout of the project.",
            hint="this is a command for authors of exercises.",
        )
    return folder


def bank_of(exercise: str, root: Path) -> list[Banked]:
    """Return the right, then the wrong submissions of an exercise.

    Raises:
        LabError: a wrong one lacks one of its two lines, or says something else there.
    """
    right = [Banked(exercise, path) for path in sorted((root / exercise / "right").glob("*.py"))]
    wrong = [_wrong(exercise, path) for path in sorted((root / exercise / "wrong").glob("*.py"))]
    return right + wrong


def _wrong(exercise: str, path: Path) -> Banked:
    fails, _, alone = header(path, "fails").partition(" ")
    if alone not in ("", "alone"):
        raise LabError(f"{path} says {alone!r} after its check.", expected="nothing, or the word alone.")
    return Banked(exercise, path, fails, header(path, "says"), alone == "alone")


def header(path: Path, name: str) -> str:
    """Return what a wrong submission says of itself.

    Raises:
        LabError: it does not.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"# {name}: "):
            return line.partition(": ")[2]
    raise LabError(f"{path} lacks a line that starts with # {name}:")


def complaints_about_texts(exercise: Exercise, root: Path) -> list[str]:
    """Say what is wrong with an exercise and its bank, as far as it shows without running anything."""
    bank = bank_of(exercise.name, root)
    right = [each for each in bank if not each.fails]
    wrong = [each for each in bank if each.fails]
    ids = {check.id for check in exercise.checks}
    found = []
    total = sum(check.points for check in exercise.checks)
    if total != exercise.points:
        found.append(f"its checks are worth {total} points, the catalogue says {exercise.points}")
    if len(exercise.checks) < MIN_CHECKS:
        found.append(f"it has {len(exercise.checks)} checks, and should have at least {MIN_CHECKS}")
    if len(right) < MIN_RIGHT or len(wrong) < MIN_WRONG:
        found.append(
            f"its bank has {len(right)} right and {len(wrong)} wrong submissions, and should have at least "
            f"{MIN_RIGHT} and {MIN_WRONG}"
        )
    killers = {each.fails for each in wrong}
    only_killers_declared = {each.fails for each in wrong if each.alone}
    found += [f"no wrong submission fails first at {check}" for check in sorted(ids - killers)]
    found += [
        f"no wrong submission fails at {check} alone"
        for check in sorted((ids & killers) - only_killers_declared)
    ]
    found += [
        f"{each.name} names a check that there is not: {each.fails}"
        for each in wrong
        if each.fails not in ids
    ]
    found += [
        f"{each.name} is the starter" for each in right if read_submission(exercise, each.path).is_starter
    ]
    if not (exercise.folder / "task.md").is_file():
        found.append("it has no task.md")
    if not reference_path(exercise.name).is_file():
        found.append("it has no reference solution")
    return found + complaints_about_hints(exercise, [each.path for each in right])


def complaints_about_hints(exercise: Exercise, right: Iterable[Path]) -> list[str]:
    """Say which hints are no step from a question to a pointer, or hold a line that could be pasted."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in right)
    lines = {line.strip() for line in text.splitlines() if len(line.strip()) > ANSWER_CHARACTERS}
    found = []
    for check in exercise.checks:
        if len(set(check.hints)) != len(check.hints):
            found.append(f"{check.id} says a hint twice")
        if not check.hints[0].endswith("?"):
            found.append(f"the first hint for {check.id} is no question")
        found += [
            f"a hint for {check.id} gives the answer away: {line}"
            for line in sorted(lines)
            if any(line in hint for hint in check.hints)
        ]
    return found


def complaint_about(submission: Banked, record: Record) -> str:
    """Say what is wrong with how a submission of a bank was judged; empty if all is as it should be."""
    first = next((check for check in record.checks if not check.passed), None)
    if not submission.fails:
        if record.passed:
            return ""
        return (
            f"{submission.name} is right and got {record.score} of {record.max_score}: {_told(first, record)}"
        )
    if first is None:
        return f"{submission.name} is wrong and got full marks"
    if first.id != submission.fails:
        return f"{submission.name} fails first at {first.id} and not at {submission.fails}: {_told(first, record)}"
    if submission.says not in f"{first.expected}\n{first.observed}":
        return f"{submission.name} is not told {submission.says!r}: {_told(first, record)}"
    others = [check for check in matrix_row(submission, record).killers if check != submission.fails]
    if submission.alone and others:
        return f"{submission.name} fails not at {submission.fails} alone: {', '.join(others)} caught it too"
    return ""


def complaint_about_starter(exercise: Exercise, record: Record) -> str:
    """Say whether the starter counts as something else than not attempted."""
    if record.outcome == "unattempted" and record.score == 0:
        return ""
    return f"{exercise.name}: the starter is {record.outcome} with {record.score} points, not unattempted"


def disagreement(submission: Banked, record: Record, seen: dict[str, str]) -> str:
    """Say how plain pytest judged a submission differently from a record; empty if they agree.

    Args:
        seen: what `verdicts_of_pytest` returned.
    """
    words = {"passed": "PASSED", "skipped": "SKIPPED"}
    expected = {check.id: words.get(check.outcome, "FAILED") for check in record.checks}
    differing = [
        f"{check}: {word} and {seen.get(check)}"
        for check, word in expected.items()
        if seen.get(check) != word
    ]
    return f"{submission.name}: labkit check and pytest differ on {', '.join(differing)}" if differing else ""


def verdicts_of_pytest(exercise: str, path: Path, seed: int) -> dict[str, str]:
    """Return what `pytest exercises/NAME --solution FILE` says of each check: PASSED, FAILED or SKIPPED.

    Raises:
        LabError: it does not end.
    """
    command = [sys.executable, "-m", "pytest", "-v", "--color=no", "-p", "no:cacheprovider"]
    command += [str(find_exercise(exercise).folder), "--solution", str(path.absolute()), "--seed", str(seed)]
    with tempfile.TemporaryFile() as output:
        try:
            subprocess.run(
                command,
                cwd=course_root(),
                env={**os.environ, "PYTEST_ADDOPTS": ""},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_PYTEST_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(
                f"pytest did not end within {_PYTEST_TIMEOUT_S:g} s for {path}.",
                expected="verdicts of every check.",
                hint=f"run it by hand: python -m pytest exercises/{exercise} --solution {path}",
            ) from None
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    return dict(re.findall(r"::test_(\w+) (PASSED|FAILED|SKIPPED)", text))


def _told(check: CheckResult | None, record: Record) -> str:
    if check is None or record.message:
        return record.message
    return f"{check.id} {check.outcome}; expected {check.expected}; observed {check.observed}"


@dataclass(frozen=True)
class MatrixRow:
    """A wrong submission and what each check said of it.

    Attributes:
        outcomes: by id of the check, in their order.
    """

    exercise: str
    name: str
    declared: str
    first: str
    outcomes: dict[str, str]

    @property
    def killers(self) -> list[str]:
        """Return the checks that did not pass by themselves, not because of another one."""
        return [check for check, outcome in self.outcomes.items() if outcome not in ("passed", "skipped")]


def matrix_row(submission: Banked, record: Record) -> MatrixRow:
    """Return a row of the kill matrix."""
    outcomes = {check.id: check.outcome for check in record.checks}
    first = next((check for check, outcome in outcomes.items() if outcome != "passed"), "")
    return MatrixRow(submission.exercise, submission.path.stem, submission.fails, first, outcomes)


def only_killers(rows: Iterable[MatrixRow]) -> dict[str, int]:
    """Return how many wrong submissions each check catches that no other check catches."""
    counts: dict[str, int] = {}
    for row in rows:
        for check in row.outcomes:
            counts.setdefault(f"{row.exercise}/{check}", 0)
        if len(row.killers) == 1:
            counts[f"{row.exercise}/{row.killers[0]}"] += 1
    return counts
