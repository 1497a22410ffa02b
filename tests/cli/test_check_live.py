"""`labkit check` and `labkit hint` in a process of their own, on real solutions."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from labkit.course import course_root
from labkit.course.workspace import init

pytestmark = pytest.mark.slow

RIGHT = Path(__file__).parents[1] / "submissions" / "echo" / "right" / "fastapi_try_except.py"
WRONG = RIGHT.read_text(encoding="utf-8").replace("Echo: ", "Ekho: ")
KEYS = {"exercise", "score", "max_score", "outcome", "checks", "sandbox", "seed", "labkit_version"}
CHECK_KEYS = {
    "id",
    "title",
    "points",
    "max_points",
    "outcome",
    "sent",
    "expected",
    "observed",
    "hint",
    "seconds",
}


@pytest.fixture
def mine(here: Path) -> Path:
    """A workspace, as a learner has it."""
    return init(here / "mine").workspace


@pytest.fixture
def solution(mine: Path) -> Path:
    """Where a learner's solution of `echo` belongs; there is none yet."""
    return mine / "exercises" / "echo" / "solution.py"


def test_a_right_solution_is_0_and_a_report(run: Callable, mine: Path, solution: Path) -> None:
    shutil.copy(RIGHT, solution)
    result = run("check", "echo", cwd=mine)
    assert (result.returncode, result.stderr) == (0, "")
    assert "20 of 20 points" in result.stdout


def test_a_wrong_solution_is_1_and_says_what_was_expected(run: Callable, mine: Path, solution: Path) -> None:
    solution.write_text(WRONG, encoding="utf-8")
    result = run("check", "echo", cwd=mine)
    assert (result.returncode, result.stderr) == (1, "")
    assert "Ekho: " in result.stdout


def test_the_starter_is_1_and_not_attempted(run: Callable, mine: Path) -> None:
    result = run("check", "echo", course_root() / "exercises" / "echo" / "starter.py", "--json", cwd=mine)
    told = json.loads(result.stdout)
    assert (result.returncode, told["outcome"], told["score"]) == (1, "unattempted", 0)


def test_json_is_one_object_with_every_check(run: Callable, mine: Path) -> None:
    result = run("check", "echo", RIGHT, "--json", "--seed", 7, cwd=mine)
    told = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    assert set(told) >= KEYS
    assert all(set(check) == CHECK_KEYS for check in told["checks"])
    assert (told["seed"], told["outcome"], told["score"], told["max_score"]) == (7, "passed", 20, 20)


def test_json_is_utf8_on_a_terminal_that_is_not(run: Callable, mine: Path, solution: Path) -> None:
    solution.write_text(WRONG, encoding="utf-8")
    result = run("check", "echo", "--json", cwd=mine, PYTHONIOENCODING="ascii")
    told = json.loads(result.stdout)
    assert any("🔊" in check["expected"] for check in told["checks"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "There is no solution of 'echo' yet."),
        ("", "solution.py is empty."),
        ("app =\n", "solution.py has a syntax error in line 1"),
    ],
)
def test_what_cannot_be_judged_is_2_with_one_message(
    run: Callable, mine: Path, solution: Path, source: str | None, message: str
) -> None:
    if source is not None:
        solution.write_text(source)
    result = run("check", "echo", cwd=mine)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr
    as_json = run("check", "echo", "--json", cwd=mine)
    told = json.loads(as_json.stdout)
    assert as_json.returncode == 2
    assert as_json.stderr == result.stderr
    assert told["message"].startswith(message)
    assert (told["exercise"], told["score"], told["max_score"], told["usable"]) == ("echo", 0, 20, False)
    assert set(told) >= KEYS


def test_json_of_an_unknown_exercise_is_an_object_too(run: Callable, mine: Path) -> None:
    result = run("check", "ekko", "--json", cwd=mine)
    told = json.loads(result.stdout)
    assert result.returncode == 2
    assert (told["exercise"], told["max_score"], told["usable"]) == ("ekko", 0, False)
    assert result.stderr.startswith("There is no exercise called 'ekko'.")


def test_outside_a_workspace_a_file_can_be_named(run: Callable, here: Path) -> None:
    assert run("check", "echo", RIGHT).returncode == 0
    lost = run("check", "echo")
    assert lost.returncode == 2
    assert lost.stderr.startswith(
        f"{here} is not in a workspace of labkit, so there is no place for solutions.\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_watch_checks_again_on_each_change_until_ctrl_c(start: Callable, mine: Path, solution: Path) -> None:
    solution.write_text(WRONG, encoding="utf-8")
    watching = start("check", "echo", "--watch", cwd=mine)
    watching.line(containing="Ekho: ")
    watching.line(containing="waiting for changes… Ctrl-C ends")
    shutil.copy(RIGHT, solution)
    watching.line(containing="20 of 20 points")
    watching.line(containing="waiting for changes… Ctrl-C ends")
    solution.write_text("app =\n")
    watching.line(containing="waiting for changes… Ctrl-C ends")
    family = watching.family()
    assert watching.end(signal.SIGINT) == 0
    assert watching.errors().startswith("solution.py has a syntax error in line 1")
    assert psutil.wait_procs(family, timeout=20)[1] == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_an_edit_during_a_check_ends_it_and_starts_again(start: Callable, mine: Path, solution: Path) -> None:
    solution.write_text("import time\ntime.sleep(300)\napp = None\n")
    watching = start("check", "echo", "--watch", cwd=mine)
    watching.line(containing="checking…")
    before = wait_for(lambda: family_with_child(watching))
    shutil.copy(RIGHT, solution)
    watching.line(containing="20 of 20 points")
    assert psutil.wait_procs(before, timeout=20)[1] == []
    assert watching.end(signal.SIGINT) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_watch_works_by_polling_too(start: Callable, mine: Path, solution: Path) -> None:
    solution.write_text(WRONG, encoding="utf-8")
    watching = start("check", "echo", "--watch", cwd=mine, WATCHFILES_FORCE_POLLING="1")
    watching.line(containing="waiting for changes")
    shutil.copy(RIGHT, solution)
    watching.line(containing="20 of 20 points")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_watch_checks_again_on_r_where_changes_go_unseen(
    environment: dict[str, str], mine: Path, solution: Path
) -> None:
    import pty

    shutil.copy(RIGHT, solution)
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit", "check", "echo", "--watch"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=environment,
        cwd=mine,
    )
    try:
        for _ in range(2):
            line = ""
            while "waiting for changes… r checks again, Ctrl-C ends" not in line:
                line = process.stdout.readline()
                assert line, "it ended"
            os.write(keyboard, b"xr")
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(keyboard)
        os.close(terminal)


def test_the_reference_solution_comes_after_full_marks(run: Callable, mine: Path, solution: Path) -> None:
    refused = run("solution", "echo", cwd=mine)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is shown after full marks" in refused.stderr
    shown = run("solution", "echo", "--give-up", cwd=mine).stdout
    assert "async def echo(websocket: WebSocket):" in shown
    shutil.copy(RIGHT, solution)
    assert run("check", "echo", cwd=mine).returncode == 0
    assert run("solution", "echo", cwd=mine).stdout == shown


def test_watch_without_a_folder_to_watch_is_a_clear_message(run: Callable, mine: Path) -> None:
    result = run("check", "echo", "nowhere/solution.py", "--watch", cwd=mine)
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr
        == "There is no folder nowhere to watch.\nTry: look at the file's name letter by letter.\n"
    )


def test_a_hint_goes_further_with_each_level(run: Callable, mine: Path) -> None:
    told = [run("hint", "echo", "one_reply", "--level", level, cwd=mine) for level in (1, 2, 3)]
    assert [result.returncode for result in told] == [0, 0, 0]
    assert len({result.stdout for result in told}) == 3
    assert "accept" in told[2].stdout


def test_a_hint_for_an_unknown_check_suggests_the_near_one(run: Callable, mine: Path) -> None:
    result = run("hint", "echo", "one_replay", cwd=mine)
    assert (result.returncode, result.stdout) == (2, "")
    assert "'one_reply' - is that what you meant?" in result.stderr


def family_with_child(watching: Any) -> list[psutil.Process]:
    """Return all processes below the command if the submission's own is among them, else none."""
    family = watching.family()[1:]
    with contextlib.suppress(psutil.Error):
        if any("labkit.grader.child" in process.cmdline() for process in family):
            return family
    return []


def wait_for(what: Callable[[], list[psutil.Process]], timeout_s: float = 60.0) -> list[psutil.Process]:
    """Return what there is, as soon as there is any."""
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, "no child was started"
        time.sleep(0.05)
    return found
