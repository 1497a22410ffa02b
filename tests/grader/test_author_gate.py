"""The author's gate finds what an author has forgotten, and tells it; the reference solution stays out of reach."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.course import course_root
from labkit.errors import LabError
from labkit.grader import author_gate, judge, remember, unattempted
from labkit.grader.author_gate import (
    Banked,
    bank_of,
    complaint_about,
    complaint_about_starter,
    complaints_about_hints,
    complaints_about_texts,
    disagreement,
    matrix_row,
    only_killers,
    verdicts_of_pytest,
)
from labkit.grader.catalogue import find_exercise
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox
from labkit.grader.record import CheckResult, Record
from labkit.grader.reference_solution import NotYet, reference_path, reference_solution

BANK = Path(__file__).parent.parent / "submissions"


def record_of(**outcomes):
    checks = tuple(
        CheckResult(check, "", int(outcome == "passed"), 1, outcome, expected="Echo: x", observed="nothing")
        for check, outcome in outcomes.items()
    )
    first = next((outcome for outcome in outcomes.values() if outcome != "passed"), "passed")
    return Record("echo", sum(check.points for check in checks), len(checks), first, checks, "", 1)


WRONG = Banked("echo", Path("echo/wrong/slow.py"), "two", "nothing")
RIGHT = Banked("echo", Path("echo/right/quick.py"))


@pytest.mark.parametrize(
    ("submission", "record", "said"),
    [
        (RIGHT, record_of(one="passed"), ""),
        (RIGHT, record_of(one="failed"), "echo/right/quick is right and got 0 of 1: one failed"),
        (WRONG, record_of(one="passed", two="timeout"), ""),
        (WRONG, record_of(one="passed", two="passed"), "echo/wrong/slow is wrong and got full marks"),
        (WRONG, record_of(one="failed", two="skipped"), "echo/wrong/slow fails first at one and not at two"),
        (
            replace(WRONG, alone=True),
            record_of(one="passed", two="failed", three="skipped", four="timeout"),
            "echo/wrong/slow fails not at two alone: four caught it too",
        ),
        (replace(WRONG, alone=True), record_of(one="passed", two="failed", three="skipped"), ""),
        (replace(WRONG, says="Ekho"), record_of(one="passed", two="failed"), "is not told 'Ekho'"),
    ],
)
def test_what_became_of_a_submission_is_compared_with_what_was_meant(submission, record, said):
    told = complaint_about(submission, record)
    assert bool(told) == bool(said)
    assert said in told


def test_a_starter_that_counts_as_tried_is_told():
    exercise = find_exercise("echo")
    assert complaint_about_starter(exercise, unattempted("echo")) == ""
    assert "the starter is failed" in complaint_about_starter(exercise, record_of(one="failed"))


def test_a_gap_in_a_bank_is_told(tmp_path):
    shutil.copytree(BANK / "echo", tmp_path / "echo", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "echo" / "wrong" / "strips.py").unlink()
    for path in (tmp_path / "echo" / "wrong").glob("*.py"):
        path.write_text(
            path.read_text(encoding="utf-8")
            .replace("# fails: text_untouched", "# fails: tex")
            .replace("# fails: page alone", "# fails: page"),
            "utf-8",
        )
    for path in sorted((tmp_path / "echo" / "right").glob("*.py"))[3:]:
        path.unlink()
    shutil.copy(find_exercise("echo").starter, tmp_path / "echo" / "right" / "zz.py")
    told = complaints_about_texts(replace(find_exercise("echo"), points=21), tmp_path)
    assert "no wrong submission fails first at text_untouched" in told
    assert "no wrong submission fails at page alone" in told
    assert "no wrong submission fails at own_replies_only alone" not in told
    assert "its checks are worth 20 points, the catalogue says 21" in told
    assert "echo/right/zz is the starter" in told


def test_a_wrong_submission_without_a_declaration_is_refused(tmp_path):
    (tmp_path / "echo" / "wrong").mkdir(parents=True)
    (tmp_path / "echo" / "wrong" / "x.py").write_text("app = 1\n", encoding="utf-8")
    with pytest.raises(LabError, match="lacks a line that starts with # fails:"):
        bank_of("echo", tmp_path)
    (tmp_path / "echo" / "wrong" / "x.py").write_text("# fails: page only\n# says: x\n", encoding="utf-8")
    with pytest.raises(LabError, match="says 'only' after its check"):
        bank_of("echo", tmp_path)


def test_a_hint_that_gives_the_answer_away_is_told(tmp_path):
    check = find_exercise("echo").checks[0]
    path = tmp_path / "right.py"
    path.write_text(f"    {check.hints[1]}\n", encoding="utf-8")
    told = complaints_about_hints(find_exercise("echo"), [path])
    assert told == [f"a hint for {check.id} gives the answer away: {check.hints[1]}"]


def test_the_matrix_counts_who_is_caught_by_one_check_alone():
    rows = [
        matrix_row(WRONG, record_of(one="passed", two="failed", three="skipped")),
        matrix_row(WRONG, record_of(one="passed", two="failed", three="timeout")),
    ]
    assert [row.first for row in rows] == ["two", "two"]
    assert only_killers(rows) == {"echo/one": 0, "echo/two": 1, "echo/three": 0}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["chat/right/raw_asgi", "rooms/wrong/no_goodbye"])
def test_plain_pytest_agrees_with_the_judge(name):
    exercise, _, _ = name.partition("/")
    submission = next(each for each in bank_of(exercise, BANK) if each.name == name)
    record = judge(exercise, submission.path, sandbox=strongest_sandbox(), limits=Limits())
    seen = verdicts_of_pytest(exercise, submission.path, record.seed)
    assert disagreement(submission, record, seen) == ""
    spoilt = replace(record, checks=(replace(record.checks[0], outcome="skipped"), *record.checks[1:]))
    assert "labkit check and pytest differ on" in disagreement(submission, spoilt, seen)


def test_a_pytest_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr(author_gate, "_PYTEST_TIMEOUT_S", 0.01)
    with pytest.raises(LabError, match=r"pytest did not end within 0\.01 s for .*raw_asgi\.py"):
        verdicts_of_pytest("echo", BANK / "echo" / "right" / "raw_asgi.py", 1)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    shutil.copytree(
        course_root() / "exercises",
        tmp_path / "exercises",
        ignore=shutil.ignore_patterns("solution*", "__pycache__"),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_reference_solution_is_shown_after_full_marks_or_on_giving_up(workspace):
    source = reference_path("echo").read_text(encoding="utf-8")
    with pytest.raises(NotYet) as caught:
        reference_solution("echo")
    assert str(caught.value) == (
        "The reference solution of 'echo' is shown after full marks; so far there is: no check yet.\n"
        "Try: labkit hint echo goes one step further; labkit solution echo --give-up shows it anyway."
    )
    assert reference_solution("echo", give_up=True) == source
    remember(unattempted("echo"))
    with pytest.raises(NotYet, match="0 of 20 points"):
        reference_solution("echo")
    remember(replace(unattempted("echo"), score=20, outcome="passed"))
    assert reference_solution("echo") == source


def test_no_reference_solution_lies_in_a_learners_folder(workspace):
    taken = {path.read_bytes() for path in reference_path("echo").parent.glob("*.py")}
    assert taken
    assert not [path for path in workspace.rglob("*.py") if path.read_bytes() in taken]


@pytest.mark.slow
def test_the_gate_tells_all_complaints_and_the_matrix_who_catches_what(tmp_path, monkeypatch, capsys):
    from labkit.cli import authoring

    for name in ("right/raw_asgi", "wrong/strips", "wrong/no_page"):
        (tmp_path / "echo" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BANK / "echo" / f"{name}.py", tmp_path / "echo" / f"{name}.py")
    source = (BANK / "echo" / "wrong" / "strips.py").read_text(encoding="utf-8")
    mislabelled = tmp_path / "echo" / "wrong" / "mislabelled.py"
    mislabelled.write_text(source.replace("# fails: text_untouched", "# fails: page"), encoding="utf-8")
    monkeypatch.setattr(authoring, "bank_root", lambda: tmp_path)

    assert authoring.check_exercises(["echo"]) == 1
    told = capsys.readouterr()
    assert "echo: 5 submissions, 12 checks, " in told.out
    assert "echo/wrong/mislabelled fails first at text_untouched and not at page" in told.err
    assert "echo: no wrong submission fails first at own_replies_only" in told.err
    assert "echo/wrong/strips" not in told.err

    assert authoring.write_matrix(["echo"], as_csv=True) == 1
    told = capsys.readouterr()
    assert "echo,no_page,page,page,,page" in told.out.splitlines()
    assert "echo/mislabelled fails first at text_untouched, not at page" in told.err
    assert "echo/empty_text is the only killer of no wrong submission" in told.err
