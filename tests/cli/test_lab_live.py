"""`labkit lab`: a real JupyterLab in a process of its own, with a home that would lead it astray."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from websockets.sync.client import connect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

READY = re.compile(
    r"JupyterLab: (http://127\.0\.0\.1:(\d+)/lab/tree/notebooks/00_start_here\.ipynb)\?token=([0-9a-f]{48})"
    r" \(Ctrl-C stops it\)"
)
TIMEOUT_S = 20

SPY = """
import os, sys

def watch(event, details):
    if event == "socket.connect" and isinstance(details[1], tuple):
        host = details[1][0]
    elif event == "socket.getaddrinfo":
        host = details[0]
    elif event == "subprocess.Popen":
        host = "runs " + str(details[0])
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost", None, ""):
        with open(os.environ["SPY_REPORT"], "a") as report:
            print(event, host, file=report)

sys.addaudithook(watch)
"""


class Served:
    """What the ready line of `labkit lab` tells."""

    def __init__(self, line: str) -> None:
        told = READY.fullmatch(line)
        assert told, line
        self.page, self.port, self.token = told[1], int(told[2]), told[3]

    def get(self, path: str, *, token: bool = True, data: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data)
        if token:
            request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return response.read()


@pytest.fixture
def astray(home: Path, tmp_path: Path) -> dict[str, str]:
    """A user's Jupyter that would take another Python, listen everywhere, and let everybody in."""
    kernel = json.dumps(
        {"argv": ["/nowhere/python", "{connection_file}"], "display_name": "other", "language": "python"}
    )
    for data in (home / ".local/share/jupyter", tmp_path / "jupyter-path"):
        (data / "kernels/python3").mkdir(parents=True)
        (data / "kernels/python3/kernel.json").write_text(kernel)
    (home / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension").mkdir(parents=True)
    (home / ".jupyter/jupyter_server_config.py").write_text(
        "c.ServerApp.ip = '0.0.0.0'\nc.IdentityProvider.token = ''\nc.ServerApp.base_url = '/elsewhere/'\n"
    )
    (
        home / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    ).write_text('{"fetchNews": "true", "checkForUpdates": true}')
    return {
        "JUPYTER_PATH": str(tmp_path / "jupyter-path"),
        "JUPYTER_TOKEN": "",
        "JUPYTER_PREFER_ENV_PATH": "0",
    }


def test_a_users_own_jupyter_leads_it_nowhere(
    start: Callable, course: Path, home: Path, astray: dict[str, str]
) -> None:
    """It asks for its token, listens on the loopback alone, and neither reads nor writes the user's settings."""
    before = {path: path.read_bytes() for path in (home / ".jupyter").rglob("*") if path.is_file()}
    lab = start("lab", course, "--port", 0, "--no-browser", **astray)
    served = Served(lab.line())
    with pytest.raises(urllib.error.HTTPError, match="403"):
        served.get("/api/contents", token=False)
    assert b"00_start_here.ipynb" in served.get("/api/contents/notebooks")
    asked = f"{served.page}?token={served.token}"
    with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as page:
        config = re.search(rb'id="jupyter-config-data"[^>]*>\s*(\{.*?\})\s*</script>', page.read(), re.DOTALL)
    assert config is not None
    told = json.loads(config[1])
    assert told["treePath"] == "notebooks/00_start_here.ipynb"
    assert told["news"] == {"disabled": True}
    assert told["extensionManager"]["can_install"] is False

    family = lab.family()
    listening = {
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert not [process.cmdline() for process in family if served.token in " ".join(process.cmdline())]

    settings = json.loads(served.get("/lab/api/settings/@jupyterlab/apputils-extension:notification"))
    assert settings["settings"] == {}
    assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"
    assert settings["schema"]["properties"]["checkForUpdates"]["default"] is False
    assert lab.end(signal.SIGINT) == 0
    assert {path: path.read_bytes() for path in (home / ".jupyter").rglob("*") if path.is_file()} == before


def test_the_only_kernel_is_this_python_and_ctrl_c_ends_it_with_everything(
    start: Callable, course: Path, astray: dict[str, str]
) -> None:
    lab = start("lab", course, "--port", 0, "--no-browser", **astray)
    served = Served(lab.line())
    specs = json.loads(served.get("/api/kernelspecs"))
    assert specs["default"] == "python3"
    assert list(specs["kernelspecs"]) == ["python3"]
    assert specs["kernelspecs"]["python3"]["spec"]["argv"][0] == sys.executable

    kernel = json.loads(served.get("/api/kernels", data=b'{"name": "python3"}'))
    assert run_in_kernel(served, kernel["id"], "import sys; print(sys.executable)").strip() == sys.executable

    family = lab.family()
    assert len(family) >= 2, "the kernel is a process of its own"
    assert lab.end(signal.SIGINT) == 0
    assert lab.rest() == ["JupyterLab and its kernels are stopped."]
    assert lab.errors() == ""
    assert psutil.wait_procs(family, timeout=20)[1] == []


def test_it_speaks_to_nobody_outside(
    start: Callable, course: Path, tmp_path: Path, astray: dict[str, str]
) -> None:
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY)
    report = tmp_path / "report.txt"
    spied = {**astray, "PYTHONPATH": str(tmp_path / "spy"), "SPY_REPORT": str(report)}
    trial = "import socket; socket.getaddrinfo('192.0.2.1', 9)"  # the spy sees what it is meant to see
    subprocess.run([sys.executable, "-c", trial], env={**os.environ, **spied}, check=True)
    assert "socket.getaddrinfo 192.0.2.1" in report.read_text()
    report.unlink()

    lab = start("lab", course, "--port", 0, "--no-browser", **spied)
    served = Served(lab.line())
    for path in (
        "/lab/api/news",
        "/lab/api/update",
        "/lab/api/extensions",
        "/lab/api/settings",
        "/lsp/status",
    ):
        served.get(path)
    assert json.loads(served.get("/lab/api/news"))["news"] == []
    assert lab.end(signal.SIGINT) == 0
    outside = [line for line in _lines(report) if line.startswith("socket") or "npm" in line or "pip" in line]
    assert not outside


def test_a_second_one_beside_it_takes_another_port_and_a_closed_terminal_ends_one_of_them(
    start: Callable, course: Path
) -> None:
    one = start("lab", course, "--port", 0, "--no-browser")
    first = Served(one.line())
    second = Served(start("lab", course, "--port", 0, "--no-browser").line())
    assert first.port != second.port
    assert first.token != second.token
    assert b"notebooks" in first.get("/api/contents")
    assert one.end(signal.SIGHUP) == 0
    assert one.errors() == ""
    assert b"notebooks" in second.get("/api/contents")


def test_a_port_that_is_taken_is_a_clear_message(start: Callable, run: Callable, course: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("lab", course, "--port", port, "--no-browser")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"Port {port} is taken: another program listens there.\n"
        "Expected: a free port.\n"
        "Try: stop that server, or leave the port out: then a free one is chosen.\n"
    )


def test_without_a_folder_it_takes_the_course_around_and_a_polite_kill_ends_it(
    start: Callable, course: Path
) -> None:
    lab = start("lab", "--port", 0, "--no-browser", cwd=course / "exercises")
    assert b"00_start_here.ipynb" in Served(lab.line()).get("/api/contents/notebooks")
    assert lab.end(signal.SIGTERM) == 0
    assert lab.errors() == ""


def test_a_folder_that_cannot_hold_its_settings_is_a_clear_message(run: Callable, course: Path) -> None:
    (course / ".labkit").write_text("in the way")
    result = run("lab", course, "--port", 0, "--no-browser")
    assert result.returncode == 2
    assert result.stderr.startswith(
        f"JupyterLab cannot keep its settings in {course / '.labkit' / 'jupyterlab'}: "
    )
    assert "Traceback" not in result.stderr


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def run_in_kernel(served: Served, kernel_id: str, code: str) -> str:
    """Run code in a kernel and return what it prints."""
    address = (
        f"ws://127.0.0.1:{served.port}/api/kernels/{kernel_id}/channels?session_id=1&token={served.token}"
    )
    header = {
        "msg_id": "1",
        "msg_type": "execute_request",
        "session": "1",
        "username": "",
        "version": "5.3",
        "date": "",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
    }
    request = {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }
    with connect(address, proxy=None, open_timeout=TIMEOUT_S) as ws:
        ws.send(json.dumps(request))
        while True:
            message = json.loads(ws.recv(timeout=TIMEOUT_S))
            if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == "1":
                return message["content"]["text"]
