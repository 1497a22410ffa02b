"""`pytest exercises/echo --solution FILE`: plain pytest agrees with `labkit check`, and is readable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.course import course_root
from labkit.grader import judge
from labkit.grader.limits import Limits

ROOT = course_root()
BANK = Path(__file__).parent.parent / "submissions" / "echo"


def run_pytest(*arguments, cwd=ROOT):
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "COLUMNS": "160"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100)


def verdicts(output):
    """Return the outcome of each check from `pytest -v`."""
    return dict(re.findall(r"::test_(\w+) (PASSED|FAILED|SKIPPED)", output))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["right/raw_asgi", "wrong/crashes_on_disconnect", "wrong/ascii_only", "wrong/no_page"]
)
def test_plain_pytest_agrees_with_the_judge(name):
    path = BANK / f"{name}.py"
    run = run_pytest("exercises/echo", "--solution", path, "-v")
    words = {"passed": "PASSED", "skipped": "SKIPPED"}
    record = judge("echo", path, limits=Limits(step_s=2.5))
    assert verdicts(run.stdout) == {check.id: words.get(check.outcome, "FAILED") for check in record.checks}
    assert run.returncode == record.exit_code


@pytest.mark.slow
def test_a_failure_shows_what_happened_and_no_traceback_of_ours():
    run = run_pytest(
        "exercises/echo", "--solution", BANK / "wrong" / "strips.py", "--seed", "3", "-k", "text_untouched"
    )
    shown = run.stdout[run.stdout.index("✗") :]
    assert re.search(
        r"✗ Spaces, capitals and line ends of a text come back as they were\.  \(failed, 0 of 1 points\)\n"
        r"    sent      connects to /ws\n"
        r'              sends "  [\w-]+ "\n'
        r'    expected  "Echo:   [\w-]+  🔊"\n'
        r'    observed  "Echo: [\w-]+ 🔊"\n'
        r"    hint      labkit hint echo text_untouched - Is the text",
        shown,
    )
    assert "labkit/grader" not in shown
    assert "Traceback" not in shown


@pytest.mark.slow
def test_the_starter_fails_as_not_attempted():
    run = run_pytest("exercises/echo", "--solution", "exercises/echo/starter.py", "-v")
    assert set(verdicts(run.stdout).values()) == {"FAILED"}
    assert "not attempted" in run.stdout
    assert run.returncode == 1


@pytest.mark.slow
def test_an_unusable_file_ends_the_run_with_one_message(tmp_path):
    run = run_pytest("exercises/echo", "--solution", tmp_path / "none.py")
    assert run.returncode == 2
    assert f"{tmp_path / 'none.py'} does not exist." in run.stdout
    assert "no tests ran" in run.stdout


@pytest.mark.slow
def test_other_peoples_tests_notice_nothing(tmp_path):
    (tmp_path / "test_task.py").write_text(
        "import sys\n"
        "def test_nothing_of_labkit_is_loaded():\n"
        "    loaded = {name for name in sys.modules if name.startswith('labkit')}\n"
        "    assert loaded == {'labkit', 'labkit.grader', 'labkit.grader.plugin'}\n",
        encoding="utf-8",
    )
    run = run_pytest("--strict-markers", tmp_path, cwd=tmp_path)
    assert run.returncode == 0, run.stdout
