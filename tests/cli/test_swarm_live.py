"""`labkit swarm` from the shell, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from labkit import serve

pytestmark = pytest.mark.slow


def swarm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", "-m", "labkit", "swarm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)


def test_it_reports_what_five_users_saw_of_an_echo():
    with serve("echo") as lab:
        done = swarm(f"{lab.ws_url}/ws", "--clients", "5", "--rate", "10", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    assert "5 clients for 1.0 s" in done.stdout
    assert "round trip" in done.stdout


def test_json_is_one_object_and_nothing_else():
    with serve("chat") as lab:
        done = swarm(f"{lab.ws_url}/ws/user{{n}}", "--clients", "3", "--seconds", "1", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert report["clients"] == 3


def test_nothing_listening_is_one_clear_line_and_exit_code_2():
    done = swarm("ws://127.0.0.1:1/ws")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Nothing answers at 127.0.0.1:1 (")


def test_somebody_elses_server_is_refused():
    done = swarm("ws://192.0.2.1/ws")
    assert done.returncode == 2
    assert "192.0.2.1" in done.stderr
