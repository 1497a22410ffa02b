"""Thirty hostile submissions gain nothing, harm nothing and leave nothing; innocent ones are not punished."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("attacks"),  # one run for all tests of this file
    pytest.mark.timeout(600),  # one run over all attacks, some of which burn all the time they get
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="looks for what is left in Linux's /proc"
    ),
]


def load_beside(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


attack_run = load_beside("attack_run")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    root = tmp_path_factory.mktemp("attacks")
    for folder in (root, *root.parents[:2]):
        folder.chmod(0o711)
    return attack_run.run_all(root)


def test_no_attack_gains_a_point(outcome):
    fooled = [row for row in outcome.rows if row.outcome != "not run" and not row.resisted]
    assert fooled == [], attack_run.table(outcome)


def test_no_attack_changes_steals_or_leaves_anything(outcome):
    assert outcome.damage == []


def test_no_innocent_submission_is_punished(outcome):
    assert set(outcome.innocent.values()) == {20}, outcome.innocent
    assert len(outcome.innocent) == 4


def test_each_attack_is_named_and_says_from_which_level_it_is_resisted(outcome):
    assert [row.name[:2] for row in outcome.rows] == [f"{number:02}" for number in range(1, 31)]
    levels = {row.level for row in outcome.rows}
    assert levels == {"process", "limits", "landlock", "bubblewrap"}
    assert all(row.what for row in outcome.rows)


def test_damage_would_be_noticed(tmp_path):
    place = attack_run.Place(tmp_path)
    with place.watched():
        subprocess.run(
            [sys.executable, "-c", f"open({str(place.classroom / 'neighbour' / 'echo.py')!r}, 'w')"],
            check=True,
        )
        (place.out / "late").touch()
        (tmp_path / "class" / "new.py").touch()
        place.note_damage(f"a report with {attack_run.FLAG}")
    told = "\n".join(place.damage)
    for part in (
        "echo.py has changed",
        "new.py is new",
        "late was written",
        "what was stolen is in the results",
    ):
        assert part in told


def test_a_process_that_is_left_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(attack_run, "GONE_S", 0.2)
    place = attack_run.Place(tmp_path)
    with place.watched():
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert any("a process is left" in what for what in place.damage)
    finally:
        left.kill()
        left.wait()
