"""Where a learner's solution is found and kept, what is remembered of it, and the hints for it."""

from __future__ import annotations

import os
import shutil

import pytest

from labkit.course import course_root
from labkit.errors import LabError, SubmissionError, UnknownName
from labkit.grader import find_submission, hints_for, last_summary, remember, save_cell, unattempted
from labkit.grader.catalogue import exercise_names, find_exercise
from labkit.grader.check_list import read_checks


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace around the current folder."""
    shutil.copytree(
        course_root() / "exercises",
        tmp_path / "exercises",
        ignore=shutil.ignore_patterns("solution*", "__pycache__"),
    )
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path.resolve()


def test_a_named_file_is_taken_as_it_is(workspace):
    assert find_submission("echo", workspace / "mine.py") == workspace / "mine.py"


def test_the_newer_of_file_and_cell_is_taken(workspace):
    folder = workspace / "exercises" / "echo"
    for name, time_s in (("solution.py", 1000), ("solution_cell.py", 2000)):
        (folder / name).write_text("app = 1\n", encoding="utf-8")
        os.utime(folder / name, (time_s, time_s))
    assert find_submission("echo") == folder / "solution_cell.py"
    os.utime(folder / "solution.py", (3000, 3000))
    assert find_submission("echo") == folder / "solution.py"


def test_without_a_solution_it_says_where_one_belongs(workspace):
    folder = workspace / "exercises" / "echo"
    with pytest.raises(SubmissionError) as caught:
        find_submission("echo")
    assert str(caught.value) == (
        "There is no solution of 'echo' yet.\n"
        f"Expected: a notebook cell that starts with %%solution echo, or {folder / 'solution.py'}.\n"
        "Try: write into that cell and run it; or copy starter.py, beside that file, to solution.py "
        "and work on the copy."
    )


def test_outside_of_a_workspace_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for use in (lambda: find_submission("echo"), lambda: save_cell("echo", "app = 1\n")):
        with pytest.raises(SubmissionError) as caught:
            use()
        assert str(caught.value).splitlines()[0] == (
            f"{tmp_path} is not in a workspace of labkit, so there is no place for solutions."
        )


def test_a_name_with_a_slip_is_corrected(workspace):
    with pytest.raises(UnknownName, match="'echo' - is that what you meant"):
        find_submission("ecco")


def test_a_cell_is_kept_until_it_is_the_starter_again(workspace):
    starter = find_exercise("echo").starter.read_text(encoding="utf-8")
    path = save_cell("echo", starter + "\nx = 1\n")
    assert path == workspace / "exercises" / "echo" / "solution_cell.py"
    assert path.read_text(encoding="utf-8").endswith("x = 1\n")
    assert save_cell("echo", starter.replace("# TODO", "# to do")) is None
    assert not path.exists()


def test_a_cell_with_a_syntax_error_is_kept_too(workspace):
    assert save_cell("echo", "app = (\n").read_text(encoding="utf-8") == "app = (\n"


def test_progress_is_remembered_and_may_be_lost(workspace):
    assert last_summary("echo") == {}
    remember(unattempted("echo", "solution.py"))
    kept = last_summary("echo")
    assert {
        name: kept[name] for name in ("score", "max_score", "outcome", "first_not_passed", "submission")
    } == {
        "score": 0,
        "max_score": 20,
        "outcome": "unattempted",
        "first_not_passed": "one_reply",
        "submission": "solution.py",
    }
    remember(unattempted("lifecycle"))
    assert last_summary("echo") == kept
    progress = workspace / ".labkit" / "progress.json"
    for damage in ("", "[1]", '{"echo": 3}', "\xff"):
        progress.write_text(damage, encoding="latin-1")
        assert last_summary("echo") == {}
    remember(unattempted("echo"))
    assert last_summary("echo")["outcome"] == "unattempted"


def test_hints_go_from_a_question_to_a_pointer(workspace):
    texts = [hints_for("echo", "leaves_quietly", level).text for level in (1, 2, 3)]
    assert len(set(texts)) == 3
    assert texts[0] == "What does receive_text() do when there will never be another text?"
    assert str(hints_for("echo", "leaves_quietly")) == (
        "leaves_quietly: A client that closes, whatever its code, leaves no traceback in the server's log.\n"
        "Hint 1 of 3, a question:\n"
        "What does receive_text() do when there will never be another text?\n"
        "More: labkit hint echo leaves_quietly --level 2"
    )


def test_without_a_check_the_hint_is_for_the_first_that_did_not_pass(workspace):
    assert hints_for("lifecycle").check == "reply"
    (workspace / ".labkit").mkdir()
    progress = workspace / ".labkit" / "progress.json"
    progress.write_text('{"lifecycle": {"first_not_passed": "close_code"}}', encoding="utf-8")
    assert hints_for("lifecycle").check == "close_code"
    progress.write_text('{"lifecycle": {"first_not_passed": "gone since"}}', encoding="utf-8")
    assert hints_for("lifecycle").check == "reply"


def test_a_hint_that_is_not_there_is_refused():
    with pytest.raises(UnknownName, match="There is no check of 'echo' called 'one_repply'"):
        hints_for("echo", "one_repply")
    with pytest.raises(LabError, match="There is no hint of level 4"):
        hints_for("echo", "one_reply", 4)


@pytest.mark.parametrize("exercise", exercise_names())
def test_every_exercise_is_complete(exercise):
    found = find_exercise(exercise)
    task = (found.folder / "task.md").read_text(encoding="utf-8")
    assert f"labkit check {exercise}" in task
    assert "## Out of scope" in task
    assert len(task.splitlines()) <= 50
    assert found.minutes > 0
    assert set(found.prerequisites) <= set(exercise_names())
    for check in found.checks:
        assert check.title.endswith(".")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def test_a(server): ...", "lacks a docstring that is its title, points, 3 hints"),
        ("@points(1)\n@hints('a', 'b')\ndef test_a(server):\n    'Title.'", "lacks 3 hints"),
        (
            "@points(1)\n@needs('b')\n@hints('a', 'b', 'c')\ndef test_a(server):\n    'Title.'",
            "needs that are earlier checks",
        ),
        ("x = 1", "has no checks"),
    ],
)
def test_an_incomplete_check_is_a_mistake_of_its_author(tmp_path, source, said):
    path = tmp_path / "test_task.py"
    path.write_text(source + "\n", encoding="utf-8")
    with pytest.raises(LabError, match=said):
        read_checks(path)
