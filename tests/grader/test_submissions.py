"""The grader is itself graded: right submissions of different styles, and wrong ones with one plausible fault each.

A wrong submission says in its first line which check must be the first to fail, or the only one, and in its second
one what the report must then say. `labkit dev matrix` prints which check catches which of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.grader import exercise_names, judge
from labkit.grader.author_gate import IMPATIENT, bank_of, complaints_about_texts
from labkit.grader.catalogue import find_exercise
from labkit.grader.judge_process import JudgeProcess
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox
from labkit.grader.reference_solution import reference_path

PATIENT = Limits(start_s=60, step_s=15, check_s=60, run_s=300)
"""What is right must pass, however busy this machine is with other tests."""

BANK = Path(__file__).parent.parent / "submissions"
APPS = Path(__file__).parent.parent.parent / "labkit" / "apps"

QUICK = {
    "echo/fastapi_try_except",
    "echo/crashes_on_disconnect",
    "lifecycle/code_always_1000",
    "chat/queues_and_writers",
    "chat/speaker_hears_nothing",
    "auth/raw_asgi",
    "auth/none_is_welcome",
    "rooms/raw_asgi",
}
"""A representative part that is not slow."""


def submissions(kind):
    for path in sorted(BANK.glob(f"*/{kind}/*.py")):
        name = f"{path.parts[-3]}/{path.stem}"
        yield pytest.param(path, id=name, marks=[] if name in QUICK else [pytest.mark.slow])


def exercise_of(path):
    return path.parts[-3]


class FirstFailure(Exception):
    pass


def judge_until_it_fails(path, seed=None):
    """Judge until the first check that does not pass, and return its result."""

    def stop(result):
        if not result.passed:
            raise FirstFailure(result)

    with pytest.raises(FirstFailure) as caught:
        judge(
            exercise_of(path),
            path,
            limits=IMPATIENT,
            sandbox=strongest_sandbox(),
            on_check=stop,
            seed=seed,
        )
    return caught.value.args[0]


@pytest.fixture(scope="session")
def judges():
    """Keep the judge that runs, for the next submission to be judged by the same one, as in a class."""
    judges = []
    yield judges
    for each in judges:
        each.close()


@pytest.fixture
def judge_process(judges):
    if not judges or not judges[-1].running:
        judges.append(JudgeProcess())
    return judges[-1]


@pytest.mark.parametrize("path", list(submissions("right")))
def test_a_right_submission_gets_full_marks(path, judge_process):
    record = judge(
        exercise_of(path), path, limits=PATIENT, sandbox=strongest_sandbox(), process=judge_process
    )
    assert [check for check in record.checks if not check.passed] == []
    assert (record.outcome, record.score, record.message) == ("passed", record.max_score, "")
    assert record.exit_code == 0


@pytest.mark.parametrize("path", list(submissions("wrong")))
def test_a_wrong_submission_fails_first_at_the_check_meant_for_it(path, judge_process):
    """One that is meant for a check alone is judged to the end: no other check may fail."""
    submission = next(each for each in bank_of(exercise_of(path), BANK) if each.path == path)
    if submission.alone:
        record = judge(
            submission.exercise, path, limits=IMPATIENT, sandbox=strongest_sandbox(), process=judge_process
        )
        failed = [check for check in record.checks if check.outcome not in ("passed", "skipped")]
    else:
        failed = [judge_until_it_fails(path)]
    assert [check.id for check in failed] == [submission.fails], failed
    (result,) = failed
    assert submission.says in f"{result.expected}\n{result.observed}"
    assert result.sent
    assert result.points == 0
    assert result.hint.startswith(f"labkit hint {submission.exercise} {result.id} - ")


def apps():
    """The kit's own apps: one starts only with its page."""
    return [name for name in exercise_names() if (APPS / "pages" / f"{name}.html").is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("exercise", apps())
def test_the_kits_own_app_gets_full_marks(exercise):
    record = judge(exercise, APPS / f"{exercise}.py")
    assert [check for check in record.checks if not check.passed] == []
    assert record.score == record.max_score


@pytest.mark.parametrize("exercise", exercise_names())
def test_the_starter_gets_nothing_and_counts_as_unattempted(exercise):
    record = judge(exercise, find_exercise(exercise).starter)
    assert record.score == 0
    assert record.outcome == "unattempted"
    assert {check.outcome for check in record.checks} == {"unattempted"}
    assert record.exit_code == 1
    assert record.usable
    assert record.message == "This is still the starter: there is nothing to judge yet."


def test_each_planted_fault_is_left_alone_in_one_wrong_submission():
    planted = {"joined_once", "left_told", "newer_stays", "nobody_missed"}
    planted |= {"work_answers", "worker_leaves", "work_waits_alone"}
    left = [each.fails for each in bank_of("pitfalls", BANK) if each.path.stem.startswith("only_")]
    assert sorted(left) == sorted(planted)


@pytest.mark.slow
@pytest.mark.parametrize("exercise", exercise_names())
def test_a_starter_with_one_useless_line_serves_and_yet_gets_nothing(exercise, tmp_path):
    """So the starter can be worked on from its first minute, and does none of the task by itself."""
    changed = tmp_path / "solution.py"
    changed.write_text(
        find_exercise(exercise).starter.read_text(encoding="utf-8") + "\nbegun = True\n", encoding="utf-8"
    )
    record = judge(exercise, changed)
    assert record.usable
    assert record.score == 0


@pytest.mark.parametrize("exercise", exercise_names())
def test_the_author_has_nothing_left_to_do(exercise):
    """Points add up, hints lead on and give nothing away, each check is the first killer of a wrong submission."""
    assert complaints_about_texts(find_exercise(exercise), BANK) == []


@pytest.mark.slow
@pytest.mark.parametrize("exercise", exercise_names())
def test_the_reference_solution_gets_full_marks(exercise):
    record = judge(exercise, reference_path(exercise), sandbox=strongest_sandbox())
    assert [check for check in record.checks if not check.passed] == []
    assert record.score == record.max_score


@pytest.mark.slow
def test_the_same_seed_makes_the_same_data():
    path = BANK / "echo" / "wrong" / "wrong_text.py"
    one, two, other = (judge_until_it_fails(path, seed).sent for seed in (7, 7, 8))
    assert one == two != other
