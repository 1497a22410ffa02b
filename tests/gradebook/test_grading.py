"""`labkit grade`: goes on after being killed at any moment, judges equal submissions once, loses nobody."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from labkit.cli.grading import grade_class
from labkit.errors import LabError
from labkit.gradebook import pool
from labkit.gradebook.class_results import merge, read_results
from labkit.gradebook.grade_run import Shard, grade
from labkit.gradebook.pool import ATTEMPTS, Job, judge_all
from labkit.gradebook.reports import write_reports
from labkit.gradebook.store import FOLDER, Store, key_of, seed_of
from labkit.grader.levels import Level, Sandbox
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox
from labkit.grader.record import CheckResult, Record

BANK = Path(__file__).parent.parent / "submissions" / "echo"
RIGHT = (BANK / "right" / "fastapi_try_except.py").read_text(encoding="utf-8")
DEADLINE_S = 200.0


def make_class(folder):
    """Eight students, seven different submissions, one that cannot be read, most of them quick to judge."""
    sources = {
        "ada": RIGHT,
        "ben": RIGHT + "\n# mine\n",
        "cleo": (BANK / "wrong" / "no_page.py").read_text(encoding="utf-8"),
        "dan": "import nothing_of_that_name\n",
        "eve": "answer = 42\n",
        "fay": "app = 1 +\n",
        "gus": RIGHT,
        "hal": "import os\nos._exit(3)\n",
    }
    for student, source in sources.items():
        (folder / student).mkdir(parents=True)
        (folder / student / "echo.py").write_text(source, encoding="utf-8")
    (folder / "ian").mkdir()
    (folder / "ian" / "echo.ipynb").write_text("{", encoding="utf-8")
    return folder


def start_grading(folder, out, *options):
    command = [sys.executable, "-m", "labkit", "grade", str(folder), "--out", str(out), "-j", "2", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def grade_to_its_end(folder, out, *options):
    process = start_grading(folder, out, *options)
    told, complaints = process.communicate(timeout=DEADLINE_S)
    return process.returncode, told, complaints


def timeless(text):
    """Return results without how long the checks took."""
    return re.sub(r'"seconds": [\d.]+', '"seconds": 0', text)


def kept_in(out):
    return len(list((out / FOLDER).glob("*/*.json"))) if (out / FOLDER).is_dir() else 0


def is_judging(process):
    """Tell whether a submission's own process runs."""
    assert process.poll() is None, "it ended before it could be killed"
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return any("labkit.grader.child" in each.cmdline() for each in children)
    except psutil.Error:
        return False


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_killed_at_three_moments_it_goes_on_and_ends_with_the_same_results(tmp_path):
    folder = make_class(tmp_path / "class")
    (folder / "zoe").mkdir()  # so long in coming up that the last kill too is in time
    (folder / "zoe" / "echo.py").write_text("import time\n\ntime.sleep(3600)\n", encoding="utf-8")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    code, told, complaints = grade_to_its_end(folder, whole)
    assert code == 0, complaints
    assert "10 results, 3 with full marks, 6 that could not be judged" in told
    assert "ian, echo: echo.ipynb is no complete notebook" in complaints

    kept_before = 0
    for least, judging in (
        (1, False),
        (3, True),
        (5, False),
    ):  # right after a result, and in the middle of one
        process = start_grading(folder, broken)
        try:
            wait_until(lambda least=least: kept_in(broken) >= least)
            if judging:
                wait_until(lambda process=process: is_judging(process))
            assert process.poll() is None, "it ended before it could be killed"
            family = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()
            process.communicate()
        assert psutil.wait_procs(family, timeout=15)[1] == [], "it left processes behind"
        assert kept_in(broken) >= kept_before, "what was judged has been lost"
        kept_before = kept_in(broken)
    assert grade_to_its_end(folder, broken)[0] == 0
    texts = [timeless((out / "results.json").read_text(encoding="utf-8")) for out in (whole, broken)]
    assert texts[0] == texts[1]

    again = grade_to_its_end(folder, broken)
    assert again[0] == 0
    assert "judged 8 of 8, 8 of them before" in again[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="the templates are shell scripts")
def test_shards_merged_are_the_whole_class_and_the_templates_run_them(tmp_path):
    folder = make_class(tmp_path / "class")
    shutil.rmtree(folder / "ben")
    out = tmp_path / "out"
    assert grade_to_its_end(folder, tmp_path / "whole")[0] == 0
    script = subprocess.run(
        [sys.executable, "-m", "labkit", "grade", "--template", "slurm"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    manifest = subprocess.run(
        [sys.executable, "-m", "labkit", "grade", "--template", "k8s"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    indented = manifest.partition("- |\n")[2].partition("          resources:")[0]
    parts = [("bash", script, "SLURM_ARRAY_TASK_ID", "1"), ("sh", indented, "JOB_COMPLETION_INDEX", "1")]
    bin_folder = Path(sys.executable).parent
    for shell, text, variable, value in parts:
        environment = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "CLASS": str(folder),
            "OUT": str(out),
            "PARTS": "2",
            variable: value,
        }
        done = subprocess.run(
            [shell, "-c", text], env=environment, capture_output=True, text=True, timeout=DEADLINE_S
        )
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["part-1", "part-2"]
    command = [sys.executable, "-m", "labkit", "merge", str(out / "part-1"), str(out / "part-2"), "--out"]
    done = subprocess.run(
        [*command, str(tmp_path / "all")], capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 0, done.stderr
    texts = [
        timeless((tmp_path / name / "results.json").read_text(encoding="utf-8")) for name in ("whole", "all")
    ]
    assert texts[0] == texts[1]
    alone = subprocess.run(
        [*command[:5], "--out", str(tmp_path / "x")], capture_output=True, text=True, timeout=60
    )
    assert alone.returncode == 2
    assert "The class is not complete: shard 2 is missing." in alone.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_ends_it_at_once_and_leaves_nothing_running(tmp_path):
    folder = tmp_path / "class"
    (folder / "ada").mkdir(parents=True)
    (folder / "ada" / "echo.py").write_text("import time\ntime.sleep(1e6)\n", encoding="utf-8")
    process = start_grading(folder, tmp_path / "out")

    wait_until(lambda: is_judging(process))
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert psutil.wait_procs(family, timeout=30)[1] == []


class Judging:
    """Stands in for a judge's process: gives every submission full marks, and counts."""

    def __init__(self, outcomes=()):
        self.outcomes = iter(outcomes)
        self.asked = []

    def __call__(self):
        return self

    def ask(self, exercise, path, *, seed, **options):
        self.asked.append((exercise, path.read_bytes(), seed))
        outcome = next(self.outcomes, "passed")
        if outcome == "dies":
            return
        check = CheckResult("one", "One.", 1 if outcome == "passed" else 0, 1, outcome)
        record = Record(exercise, check.points, 1, outcome, (check,), "somewhere", seed)
        yield {"record": json.loads(json.dumps(record.to_json()))}

    def last_words(self):
        return "Killed"

    def close(self):
        pass

    end = kill = close


SANDBOX = Sandbox(Level.PROCESS)


def class_of(tmp_path, **sources):
    for student, source in sources.items():
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / "echo.py").write_text(source, encoding="utf-8")
    return tmp_path / "class"


def test_equal_submissions_are_judged_once_and_each_student_gets_the_result(tmp_path, monkeypatch):
    judging = Judging()
    monkeypatch.setattr(pool, "JudgeProcess", judging)
    folder = class_of(tmp_path, ada="a = 1\n", ben="b = 1\n", cleo="a = 1\n")
    results = grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=2)
    assert [(each.student, each.record.submission) for each in results.results] == [
        ("ada", "ada/echo.py"),
        ("ben", "ben/echo.py"),
        ("cleo", "cleo/echo.py"),
    ]
    assert len(judging.asked) == 2
    assert results.results[0].record.seed == results.results[2].record.seed != results.results[1].record.seed


def test_a_changed_submission_is_judged_again_and_the_others_are_not(tmp_path, monkeypatch):
    judging = Judging()
    monkeypatch.setattr(pool, "JudgeProcess", judging)
    folder = class_of(tmp_path, ada="a = 1\n", ben="b = 1\n")
    grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1)
    (folder / "ben" / "echo.py").write_text("b = 2\n", encoding="utf-8")
    grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1)
    assert [source for _, source, _ in judging.asked] == [b"a = 1\n", b"b = 1\n", b"b = 2\n"]
    grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1, resume=False)
    assert len(judging.asked) == 5


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"checks": 1}', b"\xff"])
def test_a_damaged_result_is_judged_again(tmp_path, monkeypatch, damage):
    judging = Judging()
    monkeypatch.setattr(pool, "JudgeProcess", judging)
    folder = class_of(tmp_path, ada="a = 1\n")
    grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1)
    (kept,) = (tmp_path / "out" / FOLDER).glob("*/*.json")
    kept.write_bytes(damage)
    assert grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1).results[0].record.passed
    assert len(judging.asked) == 2


@pytest.mark.parametrize("trouble", ["dies", "grader_fault"])
def test_a_fault_of_the_grader_is_tried_again(tmp_path, monkeypatch, trouble):
    judging = Judging([trouble, trouble])
    monkeypatch.setattr(pool, "JudgeProcess", judging)
    folder = class_of(tmp_path, ada="a = 1\n")
    assert grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1).results[0].record.passed
    assert len(judging.asked) == 3


def test_a_fault_that_stays_is_told_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "JudgeProcess", Judging(["dies"] * ATTEMPTS))
    folder = class_of(tmp_path, ada="a = 1\n", ben="b = 1\n")
    results = grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1)
    ada, ben = results.results
    assert ada.record.outcome == "grader_fault"
    assert ada.record.message == "The grader itself broke off. That is not your fault. Killed"
    assert ben.record.passed
    assert kept_in(tmp_path / "out") == 1
    monkeypatch.setattr(pool, "JudgeProcess", Judging())
    assert grade(folder, tmp_path / "out", sandbox=SANDBOX, workers=1).results[0].record.passed


def test_an_error_of_a_worker_reaches_the_caller(tmp_path, monkeypatch):
    class Broken(Judging):
        def ask(self, *arguments, **options):
            raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(pool, "JudgeProcess", Broken())
    jobs = [Job(str(number), "echo", b"") for number in range(5)]
    with pytest.raises(ZeroDivisionError):
        judge_all(jobs, workers=2, limits=Limits(), sandbox=SANDBOX, on_record=lambda job, record: None)


def test_what_a_verdict_depends_on_is_in_its_key(tmp_path):
    base = key_of("echo", b"x", Limits(), SANDBOX)
    others = {
        key_of("lifecycle", b"x", Limits(), SANDBOX),
        key_of("echo", b"y", Limits(), SANDBOX),
        key_of("echo", b"x", Limits(step_s=1), SANDBOX),
        key_of("echo", b"x", Limits(), Sandbox(Level.LANDLOCK)),
    }
    assert len(others | {base}) == 5
    assert key_of("echo", b"x", Limits(), SANDBOX) == base
    assert seed_of("echo", b"x") == seed_of("echo", b"x") != seed_of("echo", b"y")
    assert 0 <= seed_of("echo", b"x") < 2**31
    assert Store(tmp_path).load(base) is None


@pytest.mark.parametrize("text", ["0/8", "9/8", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(LabError, match="is no shard"):
        Shard.parse(text)


def test_every_submission_is_in_exactly_one_shard():
    shards = [Shard(number, 7) for number in range(1, 8)]
    counts = [sum(shard.has(f"student {number}") for shard in shards) for number in range(500)]
    assert set(counts) == {1}
    assert all(sum(shard.has(f"student {number}") for number in range(500)) > 30 for shard in shards)


def test_parts_that_do_not_belong_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "JudgeProcess", Judging())
    folder = class_of(tmp_path, ada="a = 1\n", ben="b = 1\n", cleo="c = 1\n")
    for name, shard in (("1", "1/2"), ("2", "2/2"), ("other", "1/3"), ("whole", "")):
        part = Shard.parse(shard) if shard else None
        results = grade(folder, tmp_path / name, sandbox=SANDBOX, workers=1, shard=part)
        write_reports(results, tmp_path / name)
    both = merge([tmp_path / "2", tmp_path / "1"])
    assert both.results == read_results(tmp_path / "whole").results
    for parts, said in (
        (["1", "1"], "shard 2 is missing, shard 1 is there twice"),
        (["1", "other"], "not the shards of one run"),
        (["whole"], "holds a whole class"),
        (["nowhere"], "cannot be read"),
    ):
        with pytest.raises(LabError, match=said):
            merge([tmp_path / part for part in parts])


@pytest.mark.slow
def test_a_sandbox_that_is_too_weak_is_refused_before_anything_runs(tmp_path):
    folder = class_of(tmp_path, ada="a = 1\n")
    code, told, complaints = grade_to_its_end(folder, tmp_path / "out", "--require-sandbox", "docker")
    assert (code, told) == (2, "")
    assert complaints.startswith("There is no level of the sandbox called 'docker'.")
    assert not (tmp_path / "out").exists()
    code, told, _ = grade_to_its_end(
        folder, tmp_path / "out", "--require-sandbox", strongest_sandbox().level.name
    )
    assert code == 0
    assert told.startswith(f"sandbox: {strongest_sandbox().words}\n")


def grade_as_told(folder, out):
    options = dict.fromkeys(("exercise", "require", "manual", "shard", "canvas", "moodle"))
    return grade_class(folder, out, workers=1, resume=True, **options)


@pytest.mark.parametrize("stranger", ["students/ada.txt", "students/ada/echo.html", "gradescope/setup.sh"])
def test_where_something_else_would_be_lost_nothing_is_judged(tmp_path, monkeypatch, stranger):
    judging = Judging()
    monkeypatch.setattr(pool, "JudgeProcess", judging)
    folder, out = class_of(tmp_path, ada="a = 1\n"), tmp_path / "out"
    (out / stranger).parent.mkdir(parents=True)
    (out / stranger).write_text("kept", encoding="utf-8")
    place, name = stranger.split("/")[:2]
    with pytest.raises(LabError) as caught:
        grade_as_told(folder, out)
    assert str(caught.value) == (
        f"{out / place} holds {name}, which no report is: it would be lost.\n"
        "Expected: a folder for the results alone.\n"
        "Try: --out results"
    )
    assert judging.asked == []
    assert (out / stranger).read_text(encoding="utf-8") == "kept"


def test_its_own_reports_are_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "JudgeProcess", Judging())
    folder = class_of(tmp_path, ada="a = 1\n")
    assert [grade_as_told(folder, tmp_path / "out") for _ in range(2)] == [0, 0]


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def save(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pool, "JudgeProcess", Judging())
    monkeypatch.setattr(Store, "save", save)
    with pytest.raises(LabError) as caught:
        grade(class_of(tmp_path, ada="a = 1\n"), tmp_path / "out", sandbox=SANDBOX, workers=1)
    assert str(caught.value) == (
        f"The results cannot be written to {tmp_path / 'out'}: No space left on device.\n"
        "Try: free some space and run it again; what is judged is kept."
    )
