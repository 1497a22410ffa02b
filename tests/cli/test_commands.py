"""The command line from outside: help, typos, exit codes, and what goes to which stream."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import labkit
from labkit.apps import APP_NAMES
from labkit.cli.commands import main

COMMANDS = ("lab", "init", "demo", "check", "hint", "doctor")


def test_the_version_is_told(run: Callable) -> None:
    result = run("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"labkit {labkit.__version__}\n", "")


def test_help_names_every_command_and_where_to_begin(run: Callable) -> None:
    result = run("--help")
    assert result.returncode == 0

    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout
    assert "New here? Run: labkit lab" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_ends_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"Example: labkit {command}" in capsys.readouterr().out


def test_help_loads_no_server_no_checker_and_no_jupyter() -> None:
    heavy = ("fastapi", "uvicorn", "pydantic", "pytest", "jupyterlab", "rich.console", "psutil", "httpx")
    code = (
        "import sys\nfrom labkit.cli import main\n"
        "try: main(['--help'])\n"
        f"except SystemExit: sys.stderr.write(','.join(name for name in {heavy!r} if name in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stderr == ""


def test_without_arguments_there_is_help_and_exit_code_2(run: Callable) -> None:
    result = run()
    assert result.returncode == 2
    assert "Usage: labkit" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chek", "echo"), "No such command 'chek'. Did you mean 'check'?"),
        (
            ("demo", "ech"),
            f"There is no app called 'ech'.\nExpected: one of {', '.join(APP_NAMES)}.\nTry: 'echo' - is that",
        ),
        (("demo", "echo", "--port", "70000"), "65535"),
        (
            ("check", "eco"),
            "There is no exercise called 'eco'.\nExpected: one of echo, lifecycle, chat, dashboard, auth, rooms, "
            "pitfalls, drawing.\nTry: 'echo' - is",
        ),
        (("check", "echo", "--json", "--watch"), "use either --watch or --json."),
        (("hint", "lifecylce"), "There is no exercise called 'lifecylce'."),
        (("hint", "echo", "--level", "4"), "Invalid value for '--level'"),
    ],
)
def test_bad_input_is_one_clear_message_on_stderr_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert message in told.err
    assert "Traceback" not in told.err


def test_init_tells_what_it_did(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for expected in ("added.", "up to date."):
        with pytest.raises(SystemExit) as ended:
            main(["init", str(tmp_path / "mine")])
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert told.startswith(f"The course is in {tmp_path / 'mine'}: ")
        assert told.endswith(f" {expected}\n")


def test_a_message_survives_a_terminal_without_its_characters(run: Callable) -> None:
    result = run("demo", "écho🔊", PYTHONIOENCODING="cp1252")
    assert result.returncode == 2
    assert result.stderr.startswith("There is no app called 'écho?'.\n")
