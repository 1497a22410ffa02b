"""The levels of the sandbox: found by trying, told in every record, and each one really keeps what it promises."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

import psutil
import pytest

from labkit.course.locate import PACKAGE
from labkit.errors import UnknownName
from labkit.grader import judge, probe, process_tree
from labkit.grader.levels import Level, Sandbox, SandboxTooWeak, parse_level
from labkit.grader.limits import Limits
from labkit.grader.probe import candidates, require_sandbox, shortcomings, strongest_sandbox
from labkit.grader.process_tree import count_of_own_threads
from labkit.grader.visible_paths import readable_parts, without_nested
from labkit.grader.watcher import excess_of_folder

RIGHT = Path(__file__).parent.parent / "submissions" / "echo" / "right" / "fastapi_try_except.py"
POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="Windows has but the level process")


def sandbox_of(level):
    """Return the strongest sandbox of one level; skip the test where this machine has none."""
    for sandbox in candidates():
        if sandbox.level is level and not shortcomings(sandbox):
            return sandbox
    missing = f"this machine has no {level.name.lower()}"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def try_at_import(tmp_path, level, source):
    """Judge a file that says, as its last words, what it found out."""
    path = tmp_path / "solution.py"
    path.write_text(source, encoding="utf-8")
    return judge("echo", path, sandbox=sandbox_of(level), limits=Limits(start_s=30)).message


@pytest.mark.slow
@pytest.mark.parametrize("level", list(Level))
def test_a_right_submission_passes_at_every_level_and_its_record_names_it(level):
    sandbox = sandbox_of(level)
    record = judge("echo", RIGHT, sandbox=sandbox)
    assert record.passed
    assert record.sandbox == sandbox.words
    assert record.sandbox.startswith(f"{level.name.lower()}: ")


@pytest.mark.slow
@pytest.mark.parametrize("level", [Level.LANDLOCK, Level.BUBBLEWRAP])
def test_the_tests_the_kit_and_the_neighbours_cannot_be_read(tmp_path, level):
    neighbour = tmp_path / "neighbour.py"
    neighbour.write_text("answer = 42\n", encoding="utf-8")
    targets = [
        str(neighbour),
        str(PACKAGE / "apps" / "chat.py"),
        str(RIGHT),
        str(PACKAGE / "grader" / "judging.py"),
    ]
    source = (
        "def works(path):\n"
        "    try:\n        open(path).close()\n        return 1\n"
        "    except OSError:\n        return 0\n"
        f"raise SystemExit([works(path) for path in {[*targets, sys.executable]!r}])\n"
    )
    assert "sys.exit([0, 0, 0, 0, 1])" in try_at_import(tmp_path, level, source)


@pytest.mark.slow
@pytest.mark.parametrize("level", [Level.PROCESS, Level.BUBBLEWRAP])
def test_the_kits_own_app_is_no_solution_and_the_report_says_why(tmp_path, level):
    message = try_at_import(tmp_path, level, "from labkit.apps.echo import app\n")
    assert '  File "solution.py", line 1, in <module>\n    from labkit.apps.echo import app\n' in message
    assert "labkit is out of reach: a solution is judged by itself, without labkit" in message


@pytest.mark.slow
@POSIX_ONLY
@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("x = []\nwhile True: x.append(bytearray(2**20 * 50))", "MemoryError|more than 1536 MiB of memory"),
        (
            "import os, time\nfor _ in range(500):\n    if os.fork() == 0: time.sleep(60); os._exit(0)\ntime.sleep(60)",
            "BlockingIOError|more than 64 processes",
        ),
        (
            "import time\nfor i in range(10_000): open(f'{i}', 'w').close()\ntime.sleep(60)",
            "it made more than 5000 files",
        ),
        (
            "f = open('x', 'wb')\nwhile True: f.write(bytes(2**20))",
            "OSError: .Errno 27. File too large|SIGXFSZ",
        ),
        ("import os; os.abort()", "killed by SIGABRT"),
    ],
    ids=["memory", "processes", "files", "one_large_file", "abort"],
)
def test_what_takes_too_much_is_ended_and_told_why(tmp_path, source, verdict):

    path = tmp_path / "solution.py"
    path.write_text(source + "\n", encoding="utf-8")
    sandbox = strongest_sandbox()
    if sandbox.level < Level.LIMITS:
        pytest.skip("this machine sets no limits")
    assert re.search(verdict, judge("echo", path, sandbox=sandbox, limits=Limits(start_s=60)).message)


@POSIX_ONLY
@pytest.mark.parametrize(
    "sandbox",
    [sandbox for sandbox in candidates() if sandbox.level > Level.PROCESS],  # that one promises nothing
    ids=lambda sandbox: sandbox.words.partition(":")[0],
)
def test_a_sandbox_that_does_not_hold_is_not_believed(sandbox, monkeypatch):
    """What only claims to be a sandbox is found out, whatever its version says."""
    monkeypatch.setattr("labkit.grader.sandbox._confinement", lambda *args, **options: {})
    monkeypatch.setattr("labkit.grader.sandbox.wrapped", lambda program, command, folder, **options: command)
    assert shortcomings(sandbox)


def test_the_strongest_that_holds_is_taken(monkeypatch):
    holds = {Level.PROCESS, Level.LIMITS}
    monkeypatch.setattr(probe, "shortcomings", lambda sandbox: "" if sandbox.level in holds else "no")
    strongest_sandbox.cache_clear()
    try:
        best = max(holds) if sys.platform != "win32" else Level.PROCESS
        assert strongest_sandbox().level is best
    finally:
        strongest_sandbox.cache_clear()


def test_a_machine_that_is_too_weak_is_refused_with_the_reason(monkeypatch):
    weak = [Sandbox(Level.LANDLOCK), Sandbox(Level.PROCESS)]
    monkeypatch.setattr(probe, "candidates", lambda: weak)
    monkeypatch.setattr(probe, "shortcomings", lambda sandbox: "reads_others is True")
    strongest_sandbox.cache_clear()
    try:
        with pytest.raises(SandboxTooWeak) as caught:
            require_sandbox(Level.LANDLOCK)
    finally:
        strongest_sandbox.cache_clear()
    assert caught.value.happened.startswith("The sandbox of this machine reaches process only.")
    assert "landlock: reads_others is True" in caught.value.happened
    assert caught.value.expected == "landlock, as --require-sandbox asks for."


@pytest.mark.parametrize(
    ("text", "level"), [("bubblewrap", 3), ("L2", 2), ("l1", 1), ("0", 0), (" Landlock ", 2), ("3", 3)]
)
def test_a_level_has_a_name_and_a_number(text, level):
    assert parse_level(text) == level


@pytest.mark.parametrize("text", ["", "4", "L9", "docker", "-1"])
def test_a_level_that_is_none_is_refused(text):
    with pytest.raises(UnknownName):
        parse_level(text)


def test_a_sandbox_survives_its_way_through_json():
    for sandbox in candidates():
        assert Sandbox.from_json(sandbox.to_json()) == sandbox


def test_what_is_hidden_is_left_out_and_its_folders_can_only_be_listed(tmp_path):
    for name in ("a/kit", "a/other", "b"):
        (tmp_path / name).mkdir(parents=True)
    parts = dict(readable_parts(tmp_path, [tmp_path / "a" / "kit"]))
    assert parts == {
        tmp_path: False,
        tmp_path / "a": False,
        tmp_path / "a" / "other": True,
        tmp_path / "b": True,
    }
    assert dict(readable_parts(tmp_path / "b", [tmp_path / "a"])) == {tmp_path / "b": True}
    assert without_nested([tmp_path / "a" / "kit", tmp_path / "a", tmp_path / "b"]) == [
        tmp_path / "a",
        tmp_path / "b",
    ]


def test_a_hole_in_a_file_and_a_link_out_of_a_folder_count_for_nothing(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "up").symlink_to("/")
    assert excess_of_folder(tmp_path) == ""
    for number in range(5_000):
        (tmp_path / str(number)).touch()
    assert excess_of_folder(tmp_path) == "it made more than 5000 files"


@POSIX_ONLY
def test_the_threads_of_the_user_are_counted_anew_each_time(monkeypatch):
    # Of this process alone: other tests of this user run beside it, and their threads come and go.
    everything = psutil.process_iter
    monkeypatch.setattr(
        process_tree.psutil,
        "process_iter",
        lambda *args, **options: (each for each in everything(*args, **options) if each.pid == os.getpid()),
    )
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(200)]
    before = count_of_own_threads()
    try:
        for thread in threads:
            thread.start()
        assert count_of_own_threads() > before + 100
    finally:
        end.set()
        for thread in threads:
            thread.join()
