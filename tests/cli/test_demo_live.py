"""`labkit demo`: one app in the foreground, in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from labkit.apps import create
from labkit.cli import presenting
from labkit.live.lan import Interface, lan_interfaces
from labkit.live.qr import qr_text

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def port_of(line: str) -> int:
    told = re.fullmatch(r"echo: http://127\.0\.0\.1:(\d+)/ \(Ctrl-C stops it\)", line)
    assert told, line
    return int(told[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_a_signal_and_leaves_nothing(start: Callable, number: int) -> None:
    demo = start("demo", "echo", "--no-browser", "--port", 0)
    port = port_of(demo.line())
    with connect(f"ws://127.0.0.1:{port}/ws", proxy=None, open_timeout=5) as ws:
        ws.send("hello")
        assert ws.recv(timeout=5) == "Echo: hello 🔊"
        assert demo.end(number) == 0
    assert demo.rest() == ["echo is stopped."]
    assert demo.errors() == ""
    socket.create_server(("127.0.0.1", port)).close()


def test_a_demo_takes_its_usual_port_so_that_pages_find_it_again_or_another_if_that_is_taken(
    monkeypatch: pytest.MonkeyPatch, lasting_port: int
) -> None:
    usual = lasting_port
    monkeypatch.setattr(presenting, "DEMO_PORT", usual)
    with presenting._serve(create("echo"), "echo", None, lan=False) as lab:
        assert lab.port == usual
        with presenting._serve(create("lifecycle"), "lifecycle", None, lan=False) as other:
            assert other.port not in (0, usual)
    with presenting._serve(create("echo"), "echo", None, lan=False) as again:
        assert again.port == usual


def test_it_takes_the_port_asked_for(start: Callable, lasting_port: int) -> None:
    assert port_of(start("demo", "echo", "--no-browser", "--port", lasting_port).line()) == lasting_port


def test_a_port_of_another_labkit_server_is_told_with_its_name_and_process(
    start: Callable, run: Callable
) -> None:
    first = start("demo", "echo", "--no-browser")
    port = port_of(first.line())
    patient = "from labkit.host import sockets; sockets.WHO_HAS_IT_TIMEOUT_S = 60"
    second = run("demo", "lifecycle", "--no-browser", "--port", port, first=patient)
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr == (
        f"Port {port} is taken: labkit's server 'echo' in process {first.pid} listens there.\n"
        "Expected: a free port.\n"
        "Try: stop that server, or leave the port out: then a free one is chosen.\n"
    )


def test_the_browser_opens_at_the_page(start: Callable, tmp_path) -> None:
    report = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {report}.part && mv {report}.part {report} && echo opened\n')
    browser.chmod(0o755)
    demo = start("demo", "echo", DISPLAY=":99", BROWSER=f"{browser} %s")
    port = port_of(demo.line())
    demo.line(containing="opened")
    assert report.read_text() == f"http://127.0.0.1:{port}/\n"


def test_a_demo_with_a_host_tells_the_secret_address_once_and_listens_on_this_machine_alone(
    start: Callable,
) -> None:
    demo = start("demo", "chat", "--no-browser")
    url = demo.line().removeprefix("chat: ").removesuffix("/ (Ctrl-C stops it)")
    told = re.fullmatch(rf"Host view, for you alone: ({re.escape(url)}/host/[\w-]{{20,}})", demo.line())
    assert told
    assert httpx.get(told[1], trust_env=False, timeout=5).status_code == 200
    assert listening_addresses(demo.pid) == {"127.0.0.1"}
    assert demo.end(signal.SIGINT) == 0
    assert demo.rest() == ["chat is stopped."]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_drawing_is_there_again_after_the_demo_has_ended_in_whatever_way(
    start: Callable, here: Path, end: int
) -> None:
    stroke = {"type": "draw", "id": "a1", "tool": "pen", "points": [[1, 2]], "width": 3}
    for time_ in ("first", "second"):
        demo = start("demo", "drawing", "--no-browser")
        assert demo.line(containing="is kept") == (
            f"What is made here is kept for the next start, in {Path('.labkit', 'drawing')} (DATA_DIR changes that)."
        )
        url = demo.line().removeprefix("drawing: ").removesuffix("/ (Ctrl-C stops it)")
        with connect(url.replace("http", "ws") + "/ws/draw", proxy=None, open_timeout=5) as ws:
            init = json.loads(ws.recv(timeout=10))
            assert [item["id"] for item in init["history"]] == ([] if time_ == "first" else ["a1"])
            if time_ == "first":
                ws.send(json.dumps(stroke))
                assert json.loads(ws.recv(timeout=10))["type"] == "draw"
                journal = here / ".labkit/drawing/boards/board-main/journal-0.jsonl"
                wait_until(lambda journal=journal: b'"a1"' in journal.read_bytes())
        demo.end(end)


def test_a_second_demo_says_that_it_keeps_nothing_where_the_first_one_does(start: Callable) -> None:
    first = start("demo", "drawing", "--no-browser")
    first.line(containing="Ctrl-C stops it")
    second = start("demo", "drawing", "--no-browser")
    second.line(containing="Ctrl-C stops it")
    for demo in (first, second):
        assert demo.end(signal.SIGINT) == 0
    assert first.errors() == ""
    assert second.errors() == (
        f"{Path('.labkit', 'drawing')} is in use by another server: what is drawn here is kept in memory alone. "
        "Stop that one, or set DATA_DIR to another folder.\n"
    )


def test_with_lan_it_asks_nothing_and_shows_an_address_its_code_and_the_others(
    start: Callable, tmp_path
) -> None:
    addresses = lan_interfaces()
    if not addresses:
        pytest.skip("this machine has no network address")
    report = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {report}.part && mv {report}.part {report} && echo opened\n')
    browser.chmod(0o755)
    demo = start("demo", "chat", "--lan", DISPLAY=":99", BROWSER=f"{browser} %s")
    demo.line(containing="opened")
    url = report.read_text().strip()
    assert url.endswith("/?view=projector")
    port = int(url.removesuffix("/?view=projector").rpartition(":")[2])
    join_url = f"http://{addresses[0].address}:{port}/"
    root = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{root}/join", trust_env=False, timeout=5).json()["url"] == join_url
    assert listening_addresses(demo.pid) == {"0.0.0.0"}
    assert demo.end(signal.SIGINT) == 0
    assert demo.errors() == ""


def test_what_lan_prints_is_the_code_and_every_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    from labkit.cli import presenting

    app = create("chat")
    found = [Interface("wlan0", "192.168.0.2"), Interface("docker0", "172.17.0.1")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labkit.live.lan.lan_interfaces", lambda: found)
        lines = presenting._invitation(app, 8000)
        patch.setattr("labkit.live.lan.lan_interfaces", list)
        nothing = presenting._invitation(app, 8000)
    assert lines[1] == qr_text("http://192.168.0.2:8000/", colours=False, blocks=presenting._shows_blocks())
    assert lines[3:5] == [
        "Join at http://192.168.0.2:8000/ (on wlan0), from the same network.",
        "If that is the wrong one: http://172.17.0.1:8000/ (docker0)",
    ]
    assert app.state.join_url == "http://192.168.0.2:8000/"
    assert nothing == ["This machine has no network address but its own: join a Wi-Fi, or start a hotspot."]


def listening_addresses(pid: int) -> set[str]:
    listening = psutil.Process(pid).net_connections("inet")
    return {each.laddr.ip for each in listening if each.status == psutil.CONN_LISTEN}
