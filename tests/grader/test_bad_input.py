"""Files that cannot be judged: one clear message each, nothing hangs, and the next call works."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from pathlib import Path

import pytest

from labkit.errors import UnknownName
from labkit.grader import exercise_names, judge
from labkit.grader.levels import Level, Sandbox
from labkit.grader.limits import Limits

pytestmark = pytest.mark.slow

RIGHT = Path(__file__).parent.parent / "submissions" / "echo" / "right" / "fastapi_try_except.py"
IMPATIENT = Limits(step_s=2)


def record_of(tmp_path, source, **options):
    path = tmp_path / "solution.py"
    path.write_text(textwrap.dedent(source).lstrip("\n"), encoding="utf-8")
    return judge("echo", path, **options)


def require_unusable(record, outcome, message):
    assert record.message == message
    assert not record.usable
    assert record.exit_code == 2
    assert record.score == 0
    assert record.max_score == 20
    assert record.outcome == outcome
    assert {check.outcome for check in record.checks} == {outcome}


def test_a_missing_file(tmp_path):
    path = tmp_path / "solution.py"
    require_unusable(
        judge("echo", path),
        "unattempted",
        f"{path} does not exist.\n"
        "Expected: a Python file with an ASGI application called `app`.\n"
        "Try: look at the name letter by letter, or start from exercises/echo/starter.py.",
    )


def test_a_folder(tmp_path):
    require_unusable(
        judge("echo", tmp_path),
        "unattempted",
        f"{tmp_path} is a folder.\n"
        "Expected: one Python file.\n"
        f"Try: name the file in it, such as {tmp_path / 'solution.py'}.",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs in its file system")
def test_a_fifo_is_not_waited_for(tmp_path):
    path = tmp_path / "solution.py"
    os.mkfifo(path)
    record = judge("echo", path)
    require_unusable(
        record, "crashed", f"{path} is no regular file.\nExpected: a Python file.\nTry: copy it to a file."
    )


def test_a_file_that_is_not_utf_8(tmp_path):
    path = tmp_path / "solution.py"
    path.write_bytes("app = 1\nname = 'Zoë'\n".encode("latin-1"))
    require_unusable(
        judge("echo", path),
        "crashed",
        "solution.py is not UTF-8: line 2 holds the byte 0xeb.\n"
        "Expected: a Python file in UTF-8.\n"
        "Try: save it again with the encoding UTF-8.",
    )


@pytest.mark.parametrize("source", ["", "\n\n", "# to do\n", '"""To do."""\n'])
def test_a_file_without_code(tmp_path, source):
    require_unusable(
        record_of(tmp_path, source),
        "unattempted",
        "solution.py is empty.\n"
        "Expected: a Python file with an ASGI application called `app`.\n"
        "Try: start from exercises/echo/starter.py.",
    )


def test_a_file_that_is_much_too_large(tmp_path):
    require_unusable(
        record_of(tmp_path, "x = 1\n" + "#" * 3_000_000),
        "crashed",
        "solution.py has 2.9 MiB.\nExpected: a Python file of at most 1 MiB.\nTry: is this the right file?",
    )


def test_a_syntax_error(tmp_path):
    require_unusable(
        record_of(tmp_path, "app = 1\n\nif True:\n    x = = 2\n"),
        "crashed",
        "solution.py has a syntax error in line 4: invalid syntax.\n"
        "    x = = 2\n"
        "        ^\n"
        "Try: mend this line or the one before it, then check again.",
    )


def test_control_characters_in_a_syntax_error_are_made_visible(tmp_path):
    record = record_of(tmp_path, "app = = '\x1b[2J\u202e'\n")
    assert "    app = = '\\u001b[2J\\u202e'\n" in record.message
    assert "\x1b" not in record.message


def test_a_file_with_a_null_character(tmp_path):
    record = record_of(tmp_path, "app = 1\0\n")
    assert record.exit_code == 2
    assert record.message.startswith("solution.py ")


def test_no_app(tmp_path):
    require_unusable(
        record_of(tmp_path, "answer = 42\n"),
        "crashed",
        "The file has no `app`.\n"
        "Expected: an ASGI application in a variable called `app`, such as `app = FastAPI()`.\n"
        "Try: the starter shows where it goes.",
    )


def test_an_app_of_another_name(tmp_path):
    record = record_of(tmp_path, "from fastapi import FastAPI\nserver = FastAPI()\n")
    assert record.message.splitlines()[-1] == "Try: rename `server` to `app`."


@pytest.mark.parametrize(
    ("source", "complaint", "hint"),
    [
        ("app = 'hello'", "a str, which cannot be called", "look at the line that sets `app`."),
        ("app = None", "a NoneType, which cannot be called", "look at the line that sets `app`."),
        ("from fastapi import FastAPI as app", "the class FastAPI itself", "call it: `FastAPI()`."),
        ("def app():\n    return 1", "the function app() that makes one", "call it: `app = app()`."),
        (
            "def app(request):\n    return 'hello'",
            "a callable app(request)",
            "an ASGI application takes (scope, receive, send).",
        ),
    ],
)
def test_an_app_that_is_no_application(tmp_path, source, complaint, hint):
    require_unusable(
        record_of(tmp_path, source + "\n"),
        "crashed",
        f"`app` is {complaint}.\nExpected: an ASGI application, such as `app = FastAPI()`.\nTry: {hint}",
    )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("uvicorn.run(app)", "uvicorn.run()"),
        ("uvicorn.Server(uvicorn.Config(app)).run()", "uvicorn.Server.run()"),
        ("asyncio.run(uvicorn.Server(uvicorn.Config(app)).serve())", "uvicorn.Server.serve()"),
    ],
)
def test_a_server_of_its_own_at_import(tmp_path, call, name):
    source = f"""
    import asyncio
    import uvicorn
    from fastapi import FastAPI
    app = FastAPI()
    try:
        {call}
    except Exception:
        pass
    """
    require_unusable(
        record_of(tmp_path, source),
        "crashed",
        f"The file calls {name} while it is imported.\n"
        "Expected: a file that only defines `app`; labkit serves it.\n"
        'Try: put that call below `if __name__ == "__main__":`',
    )


def test_an_error_at_import_shows_the_learners_own_lines_only(tmp_path):
    source = """
    def half(number):
        return number / 0

    half(2)
    """
    require_unusable(
        record_of(tmp_path, source),
        "crashed",
        "solution.py raises an error while it is imported:\n"
        '  File "solution.py", line 4, in <module>\n'
        "    half(2)\n"
        '  File "solution.py", line 2, in half\n'
        "    return number / 0\n"
        "           ~~~~~~~^~~\n"
        "ZeroDivisionError: division by zero\n"
        "Try: mend this first.",
    )


def test_a_neighbouring_file_cannot_be_imported(tmp_path):
    (tmp_path / "neighbour.py").write_text("x = 1\n", encoding="utf-8")
    record = record_of(tmp_path, "import neighbour\n")
    assert "ModuleNotFoundError: No module named 'neighbour'" in record.message


def test_sys_exit_at_import(tmp_path):
    require_unusable(
        record_of(tmp_path, "import sys\nsys.exit(0)\n"),
        "crashed",
        "The file ends the program while it is imported: sys.exit(0).\n"
        "Expected: a file that can be imported and then has an `app`.\n"
        "Try: remove the call of sys.exit(), exit() or quit().",
    )


def test_os_exit_at_import(tmp_path):
    require_unusable(
        record_of(tmp_path, "import os\nprint('All 12 checks passed')\nos._exit(0)\n"),
        "crashed",
        "solution.py ends its process before it serves (exit code 0). It printed last: All 12 checks passed\n"
        "Expected: a file that only defines `app`; labkit serves it.\n"
        "Try: look for calls that end the process, such as os._exit().",
    )


def test_an_app_that_fails_as_it_starts_up(tmp_path):
    source = """
    from contextlib import asynccontextmanager
    from fastapi import FastAPI

    @asynccontextmanager
    async def lifespan(app):
        raise RuntimeError("no database")
        yield

    app = FastAPI(lifespan=lifespan)
    """
    record = record_of(tmp_path, source)
    assert record.exit_code == 2
    assert record.message == (
        "solution.py raises an error while its `app` starts up:\n"
        '  File "solution.py", line 6, in lifespan\n'
        '    raise RuntimeError("no database")\n'
        "RuntimeError: no database\n"
        "Try: mend this first."
    )


@pytest.mark.slow
def test_an_import_that_never_ends(tmp_path):
    started = time.monotonic()
    record = record_of(tmp_path, "while True:\n    pass\n", limits=Limits(start_s=3))
    assert time.monotonic() - started < 60
    require_unusable(
        record,
        "timeout",
        "solution.py does not serve: after 3 s it is still being imported or starting up.\n"
        "Expected: a file whose import ends, and whose `app` starts up, within seconds.\n"
        "Try: look for an endless loop, a long sleep or a wait outside of the handlers.",
    )


SERVES = """
from fastapi import FastAPI, WebSocket
app = FastAPI()
"""


@pytest.mark.slow
def test_a_server_that_never_accepts_the_handshake_times_out_and_says_where(tmp_path):
    source = (
        "import asyncio\n"
        + SERVES
        + '@app.websocket("/ws")\nasync def f(ws: WebSocket):\n    await asyncio.sleep(1e9)\n'
    )
    record = record_of(tmp_path, source, limits=IMPATIENT)
    first = record.checks[0]
    assert record.usable
    assert record.exit_code == 1
    assert first.outcome == "timeout"
    assert first.sent == "connects to /ws"
    assert first.expected == "the WebSocket handshake for /ws is accepted (HTTP 101)"
    assert re.fullmatch(
        r"no answer to the handshake: accept\(\) was never reached, after 2\.\d s of waiting", first.observed
    )


@pytest.mark.slow
def test_a_server_that_blocks_for_ever_takes_no_other_check_along(tmp_path):
    source = (
        "import time\n"
        + SERVES
        + "@app.get('/')\ndef page():\n    return 1\n"
        + '@app.websocket("/ws")\nasync def f(ws: WebSocket):\n    time.sleep(1e9)\n'
    )
    record = record_of(tmp_path, source, limits=IMPATIENT)
    outcomes = {check.id: check.outcome for check in record.checks}
    assert outcomes["one_reply"] == "timeout"
    assert outcomes["every_reply_in_order"] == "skipped"
    assert outcomes["page"] == "failed"
    assert record.outcome == "timeout"


@pytest.mark.slow
def test_a_server_that_does_not_come_back_is_crashed_for_all_the_rest(tmp_path):
    source = f"""
    import os, pathlib
    seen = pathlib.Path({str(tmp_path / "seen")!r})
    if seen.exists():
        os._exit(9)
    seen.touch()
    from fastapi import FastAPI
    app = FastAPI()
    """
    # Only a child that may write elsewhere can tell its second start from its first.
    record = record_of(tmp_path, source, sandbox=Sandbox(Level.PROCESS))
    outcomes = {check.id: check.outcome for check in record.checks}
    assert outcomes["one_reply"] == "failed"
    assert outcomes["page"] == "crashed"
    page = next(check for check in record.checks if check.id == "page")
    assert page.observed == (
        "after an earlier check it does not start again: "
        "solution.py ends its process before it serves (exit code 9)."
    )
    assert record.usable


FLOOD = """
print("x" * 100_000_000)
"""


@pytest.mark.slow
def test_a_right_submission_that_prints_100_mb_still_passes(tmp_path):
    record = record_of(tmp_path, FLOOD + RIGHT.read_text(encoding="utf-8"))
    assert record.passed, record


@pytest.mark.slow
def test_what_is_printed_for_ever_is_no_news(tmp_path):
    record = record_of(tmp_path, "while True:\n    print('x' * 1_000_000)\n", limits=Limits(start_s=3))
    assert record.outcome == "timeout"
    assert len(record.message) < 1000


def test_after_bad_input_the_next_call_works(tmp_path):
    assert judge("echo", tmp_path / "none.py").exit_code == 2
    assert judge("echo", RIGHT).exit_code == 0


def test_an_exercise_of_another_name():
    with pytest.raises(UnknownName) as caught:
        judge("ecko", RIGHT)
    assert str(caught.value) == (
        "There is no exercise called 'ecko'.\n"
        f"Expected: one of {', '.join(exercise_names())}.\n"
        "Try: 'echo' - is that what you meant?"
    )


NO_OBJECTS = """
from collections import Counter
inner, OPEN = app, Counter()

async def app(scope, receive, send):
    who = scope.get("path"), scope.get("query_string")

    async def noisy(event):
        text = event.get("text", "")
        if {condition}:
            await send({{"type": "websocket.send", "text": "[7]"}})
        await send(event)

    OPEN[who] += 1
    try:
        await inner(scope, receive, noisy)
    finally:
        OPEN[who] -= 1
"""


@pytest.mark.parametrize(
    ("exercise", "condition", "fails"),
    [
        ("pitfalls", "'\"sender\"' in text", "untouched"),
        ("rooms", """OPEN[who] > 1 and '"type": "message"' in text or len(text) > 3000""", "same_name"),
    ],
)
def test_messages_that_are_json_but_no_objects_are_the_learners_failure(tmp_path, exercise, condition, fails):
    path = tmp_path / "solution.py"
    right = (RIGHT.parents[2] / exercise / "right" / "raw_asgi.py").read_text(encoding="utf-8")
    path.write_text(right + NO_OBJECTS.format(condition=condition), encoding="utf-8")
    record = judge(exercise, path, limits=IMPATIENT)
    result = next(check for check in record.checks if check.id == fails)
    assert "grader_fault" not in {check.outcome for check in record.checks}, record
    assert (result.outcome, "[7]" in result.observed) == ("failed", True), record
