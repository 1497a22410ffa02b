"""`judge()`: a process of its own, which leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from labkit.errors import LabError
from labkit.grader import CheckResult, Record, grading, judge, unattempted
from labkit.grader.catalogue import find_exercise
from labkit.grader.examination import Examination
from labkit.grader.failures import WrongAnswer
from labkit.grader.levels import Level, Sandbox
from labkit.grader.probe import strongest_sandbox
from labkit.grader.record import make_record

BANK = Path(__file__).parent.parent / "submissions" / "echo"
RIGHT = BANK / "right" / "fastapi_try_except.py"

ENDLESS = """
from fastapi import FastAPI, WebSocket
import asyncio, subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", "HELPER = 1; import time; time.sleep(1e6)"])
app = FastAPI()

@app.websocket("/ws")
async def never(ws: WebSocket):
    await asyncio.sleep(1e9)
"""


def wait_for(condition, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def endless(tmp_path):
    """A submission that never accepts, and has started a helper."""
    path = tmp_path / "solution.py"
    path.write_text(ENDLESS, encoding="utf-8")
    return path


def family_of(pid):
    return psutil.Process(pid).children(recursive=True)


def is_helper(process):
    try:
        return any("HELPER = 1" in part for part in process.cmdline())
    except psutil.Error:
        return False


def test_each_result_is_told_as_soon_as_it_is_there():
    told = []
    record = judge("echo", RIGHT, on_check=told.append)
    assert tuple(told) == record.checks


def test_a_record_survives_its_way_through_json():
    record = judge("echo", BANK / "wrong" / "wrong_text.py", seed=3)
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert set(record.to_json()) == {
        *("exercise", "score", "max_score", "outcome", "checks", "sandbox", "seed", "labkit_version"),
        *("submission", "message", "usable"),
    }
    assert set(record.to_json()["checks"][0]) == {
        *(
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
        ),
    }
    assert record.seed == 3
    assert record.submission == str(BANK / "wrong" / "wrong_text.py")
    assert record.sandbox == strongest_sandbox().words


def test_what_is_no_record_is_refused():
    with pytest.raises(LabError, match="This is no record of a judged submission"):
        Record.from_json({"exercise": "echo"})


def test_a_lost_check_scores_nothing_and_does_not_shrink_the_maximum():
    exercise = find_exercise("echo")
    first = exercise.checks[0]
    results = {first.id: CheckResult(first.id, first.title, first.points, first.points, "passed")}
    record = make_record(
        exercise.checks, results, exercise="echo", max_score=20, sandbox="", seed=1, submission="solution.py"
    )
    assert (record.score, record.max_score, record.outcome, record.exit_code) == (2, 20, "grader_fault", 1)
    assert record.checks[1].observed == "this check never ran. That is a fault of the grader, not yours."


def test_a_run_without_checks_is_no_pass():
    record = make_record((), {}, exercise="echo", max_score=0, sandbox="", seed=1, submission="solution.py")
    assert record.outcome == "grader_fault"
    assert not record.passed


def test_unattempted_needs_no_run():
    record = unattempted("echo")
    assert record.exit_code == 1
    assert {check.outcome for check in record.checks} == {"unattempted"}
    assert (record.score, record.max_score) == (0, 20)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("killer", [signal.SIGINT, signal.SIGKILL], ids=["interrupt", "kill"])
def test_an_interrupted_run_leaves_no_process(endless, killer):
    program = (
        "from pathlib import Path; from labkit.grader import judge\n"
        f"try: judge('echo', Path({str(endless)!r}))\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    caller = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: any(map(is_helper, family_of(caller.pid))))
        family = [process.pid for process in family_of(caller.pid)]
        os.kill(caller.pid, killer)
        out, _ = caller.communicate(timeout=60)
        assert out == ("interrupted\n" if killer == signal.SIGINT else "")
        wait_for(lambda: not any(map(is_running, family)))
    finally:
        caller.kill()
        caller.wait()


@pytest.mark.slow
def test_the_temporary_folder_of_a_submission_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert judge("echo", RIGHT).passed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_submission_sees_neither_our_environment_nor_our_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "hush")
    path = tmp_path / "solution.py"
    path.write_text(
        "import os, sys\n"
        "raise SystemExit(str([sorted(os.environ), os.getcwd(), sys.path, sys.argv, sys.stdin.read()]))\n",
        encoding="utf-8",
    )
    said = judge("echo", path).message
    assert "MY_SECRET" not in said
    assert "PYTHON" not in said
    assert str(tmp_path) not in said
    assert "solution.py" in said


def test_a_secret_of_a_run_comes_from_its_seed_and_is_long_enough_to_sign_with():
    auth = find_exercise("auth")
    one, two, other = (auth.settings_of_run(seed)["SECRET_KEY"] for seed in (7, 7, 8))
    assert one == two != other
    assert len(one) >= 64


@pytest.mark.slow
def test_a_fault_of_a_check_is_never_the_learners(tmp_path, monkeypatch):
    from labkit.grader.server import Server

    examination = Examination(find_exercise("echo"), RIGHT)
    examination.open()
    try:
        spec = find_exercise("echo").checks[0]
        assert isinstance(examination.begin(spec), Server)
        result = examination.end(spec, ZeroDivisionError("division by zero"), 0.1)
    finally:
        examination.close()
    assert result.outcome == "grader_fault"
    assert result.observed == (
        "the check itself failed with ZeroDivisionError: division by zero. That is not your fault."
    )
    assert result.hint == ""


INTERRUPTS = """
import os, signal

async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        os.kill(os.getppid(), signal.SIGINT)
        await send({"type": "websocket.send", "text": "wrong"})
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_submission_that_interrupts_its_judge_gains_nothing(tmp_path):
    path = tmp_path / "solution.py"
    path.write_text(INTERRUPTS, encoding="utf-8")
    record = judge("echo", path, sandbox=Sandbox(Level.PROCESS))
    assert (record.score, record.checks[0].outcome, record.checks[0].observed) == (0, "failed", '"wrong"')
    assert "grader_fault" not in {check.outcome for check in record.checks}


def test_a_check_that_is_interrupted_is_not_passed(monkeypatch):
    examination = Examination(find_exercise("echo"), RIGHT)
    monkeypatch.setattr(examination, "begin", lambda spec: None)
    monkeypatch.setattr(grading, "_is_check", lambda item: True)
    told = []
    check = SimpleNamespace(name="test_one_reply", path=examination.exercise.test_file, funcargs={})
    run = grading.GradingPlugin(lambda folder: examination, told.append).pytest_pyfunc_call(check)
    next(run)
    with pytest.raises(KeyboardInterrupt):
        run.throw(KeyboardInterrupt())
    assert [(result.id, result.points, result.passed) for result in told] == [("one_reply", 0, False)]


def test_a_lone_surrogate_in_what_came_does_not_stop_the_record():
    examination = Examination(find_exercise("echo"), RIGHT)
    failure = WrongAnswer(expected="a\udc80", observed="b\ud800")
    result = examination.end(find_exercise("echo").checks[0], failure, 0.1)
    assert (result.expected, result.observed) == ("a\\udc80", "b\\ud800")
    assert b"ud800" in json.dumps(examination.record().to_json(), ensure_ascii=False).encode()


def test_an_examination_that_is_over_starts_nothing():
    examination = Examination(find_exercise("echo"), RIGHT)
    examination.open()
    examination.close(for_good=True)
    try:
        with pytest.raises(RuntimeError, match="this examination is over"):
            examination.begin(find_exercise("echo").checks[0])
    finally:
        examination.close()
