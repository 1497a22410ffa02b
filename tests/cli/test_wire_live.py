"""`labkit wire` from the shell, in front of a real server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit import connect, serve
from labkit.wire import Trace

pytestmark = pytest.mark.slow


def test_it_prints_its_address_and_every_frame_and_saves_the_record(
    start: Callable[..., Any], here: Path
) -> None:
    with serve("echo") as lab:
        command = start("wire", lab.ws_url, "--save", "trace.json")
        first = command.line("Connect to ")
        url = first.split()[2]
        with connect(f"{url}/ws?token=s3cret-v4lue") as ws:
            ws.send("hello ✨")
            assert ws.receive() == "Echo: hello ✨ 🔊"
            ws.close(4001, "bye")
        command.line("= 4001")
        assert command.end(signal.SIGINT) == 0
    said = "\n".join([*command.seen, *command.rest()])
    assert "→ GET /ws?token=[hidden] HTTP/1.1" in said
    assert "← HTTP/1.1 101 Switching Protocols" in said
    assert "→ text [9 B] 'hello ✨'" in said
    assert said.count("← text [20 B]") == 1
    assert "= 4001 (private code), reason 'bye', closed by the client" in said
    assert "saved in trace.json" in said
    assert "Traceback" not in command.errors()
    trace = Trace.load(here / "trace.json")
    assert trace[1].close_code == 4001
    assert "s3cret" not in (here / "trace.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["localhost:8000"], "'localhost:8000' is no address of a server."),
        (["ws://127.0.0.1:1", "--save", "no/such/folder.json"], "Cannot write no/such/folder.json"),
    ],
)
def test_what_cannot_be_is_one_clear_message_and_exit_code_2(
    run: Callable[..., Any], arguments: list[str], said: str
) -> None:
    done = run("wire", *arguments)
    assert done.returncode == 2
    assert said in done.stderr.replace("\\", "/")
    assert "Traceback" not in done.stderr
