"""`labkit doctor`: each probe sees what is wrong, and none can stop the others."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import namedtuple
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import jupyterlab.commands
import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

import labkit.host
from labkit.doctor import (
    PROBES,
    Finding,
    Report,
    State,
    course,
    environment,
    examine,
    extras,
    jupyter,
    network,
)
from labkit.errors import LabError


def fine() -> Finding:
    return Finding("fine", State.OK, "is fine")


# -- the examination ------------------------------------------------------------------------------------


def test_a_finding_says_what_to_do_on_a_line_of_its_own() -> None:
    finding = Finding("kernel", State.FAIL, "is gone", "bring it back.")
    assert finding.render_text() == "FAIL  kernel          is gone\n      to do: bring it back."
    assert fine().render_text() == "ok    fine            is fine"


@pytest.mark.parametrize(
    ("states", "exit_code", "summary"),
    [
        ([State.OK, State.OK], 0, "Ready. Everything is fine."),
        ([State.OK, State.WARN], 0, "Ready. 1 to look at when something is odd."),
        ([State.OK, State.WARN, State.FAIL], 1, "1 of 3 findings stop the course from working."),
    ],
)
def test_only_a_failure_makes_the_exit_code_1(states: list[State], exit_code: int, summary: str) -> None:
    report = Report(tuple(Finding("x", state, "y") for state in states))
    assert (report.exit_code, report.summary) == (exit_code, summary)


def test_an_exception_in_a_probe_is_a_finding_and_the_others_go_on() -> None:
    def breaks() -> Finding:
        raise ValueError("the moon is wrong")

    report = examine({"moon": breaks, "fine": fine})
    assert report.findings == (
        Finding(
            "moon",
            State.FAIL,
            "ValueError: the moon is wrong",
            "this could not be looked at; what it says is the place to start.",
        ),
        fine(),
    )


def test_a_probe_that_never_ends_is_a_finding_and_the_others_go_on() -> None:
    release, ended = threading.Event(), threading.Event()

    def hangs() -> Finding:
        release.wait(30)
        ended.set()
        return fine()

    report = examine({"slow": hangs, "fine": fine}, timeout_s=1.0)
    assert [finding.state for finding in report.findings] == [State.FAIL, State.OK]
    assert report.findings[0].found == "no answer within 1 s"
    release.set()
    assert ended.wait(5)
    for thread in threading.enumerate():
        if thread.name == "labkit doctor slow":
            thread.join(5)


def test_findings_are_told_as_they_come() -> None:
    told: list[str] = []
    examine({"a": fine, "b": fine}, on_finding=lambda finding: told.append(finding.name))
    assert told == ["fine", "fine"]


def test_the_json_is_one_object_with_every_finding() -> None:
    told = json.loads(examine({"fine": fine}).to_json())
    assert told["findings"] == [{"name": "fine", "state": "ok", "found": "is fine", "to_do": ""}]
    assert told["exit_code"] == 0


@pytest.mark.parametrize("name", PROBES)
def test_each_probe_names_itself_as_the_list_does(name: str) -> None:
    assert PROBES[name]().name == name


def test_each_probe_is_content_or_says_what_to_do() -> None:
    for finding in examine().findings:
        assert (finding.state is State.OK) == (finding.to_do == ""), finding


# -- each probe sees what is wrong ----------------------------------------------------------------------


def test_an_old_python_fails() -> None:
    assert environment.python((3, 10, 4)).state is State.FAIL
    assert environment.python((3, 11, 0)).state is State.OK


def test_a_package_that_is_missing_or_too_old_fails_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = ["nowhere-to-be-found>=2", "pytest>=999", 'left-out>=1; extra == "test"', "packaging"]
    monkeypatch.setattr(metadata, "requires", lambda name: needed)
    finding = environment.packages()
    assert finding.state is State.FAIL
    assert finding.found == (
        "nowhere-to-be-found>=2 is needed: not installed, "
        f"pytest>=999 is needed: {metadata.version('pytest')} is installed"
    )
    assert finding.to_do == f'{sys.executable} -m pip install "nowhere-to-be-found>=2" "pytest>=999"'


def test_labkit_itself_not_installed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert environment.packages().found == "labkit itself is not installed in this environment"


def test_a_patched_asyncio_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    assert environment.asyncio_unpatched().state is State.WARN


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit on Windows")
@pytest.mark.parametrize(("hard", "to_do"), [(4096, "ulimit -n 1024"), (512, "ask who runs this machine")])
def test_few_open_files_are_a_warning(monkeypatch: pytest.MonkeyPatch, hard: int, to_do: str) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, hard))
    finding = environment.open_files()
    assert finding.state is State.WARN
    assert finding.to_do.startswith(to_do)


@pytest.mark.parametrize(
    ("free", "state"), [(10**12, State.OK), (100 * 1024**2, State.WARN), (1024**2, State.FAIL)]
)
def test_a_full_disk_is_seen(monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**12, 0, free))
    assert environment.disk_space().state is state


@pytest.mark.parametrize(
    ("encoding", "state"), [("utf-8", State.OK), ("UTF8", State.OK), ("cp1252", State.WARN)]
)
def test_a_terminal_without_utf8_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, encoding: str, state: State
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert environment.terminal().state is state


def test_a_loopback_that_lets_nobody_in_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refused)
    finding = network.loopback()
    assert finding.state is State.FAIL
    assert (
        finding.found == "127.0.0.1 can be listened on but not connected to: [Errno 111] Connection refused"
    )


def test_a_localhost_that_leads_elsewhere_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: told)
    finding = network.localhost()
    assert finding.state is State.WARN
    assert finding.found == "::1, but labkit listens on 127.0.0.1"


def test_an_unknown_localhost_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert network.localhost().state is State.WARN


def test_a_proxy_that_would_catch_localhost_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        urllib.request, "getproxies", lambda: {"http": "http://proxy.example:3128", "no": "x"}
    )
    finding = network.proxies()
    assert finding.state is State.WARN
    assert finding.found == "http_proxy would also catch localhost and 127.0.0.1"
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert network.proxies() == Finding("proxies", State.OK, "http_proxy, not used for this machine itself")


def test_a_uvicorn_without_the_websocket_code_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WS_PROTOCOL", "no.such.module:Protocol")
    assert network.websocket_protocol().state is State.FAIL


def test_an_echo_that_answers_something_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def send(self, text: str) -> None:
            pass

        def receive(self, timeout_s: float) -> str:
            return "what?"

        def close(self) -> None:
            pass

    monkeypatch.setattr(labkit.host, "connect", lambda lab, path: Wrong())
    assert network.echo() == Finding(
        "echo", State.FAIL, "the server answered 'what?'", "install labkit again."
    )


@pytest.mark.parametrize(("took_s", "state"), [(0.0999, State.OK), (0.1001, State.WARN)])
def test_an_echo_of_more_than_a_tenth_of_a_second_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, took_s: float, state: State
) -> None:
    moments = iter((0.0, 0.0, 0.0, took_s))  # the start, ready, sent, answered
    monkeypatch.setattr(network, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    assert network.echo().state is state


def test_an_echo_that_does_not_start_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> contextlib.AbstractContextManager[object]:
        raise LabError("no server today.")

    monkeypatch.setattr(labkit.host, "serve", broken)
    (finding,) = examine({"echo": network.echo}).findings
    assert (finding.state, finding.found) == (State.FAIL, "LabError: no server today.")


def test_a_missing_jupyterlab_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    finding = jupyter.jupyterlab()
    assert (finding.state, finding.found) == (State.FAIL, "jupyterlab is not installed")


def test_a_jupyterlab_without_its_page_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jupyterlab.commands, "get_app_dir", lambda: str(tmp_path))
    assert jupyter.jupyterlab().state is State.FAIL


@pytest.mark.parametrize(
    ("program", "state"),
    [
        ("python", State.OK),
        ("python3", State.OK),
        (sys.executable, State.OK),
        ("/elsewhere/bin/python", State.WARN),
        ("julia", State.WARN),
    ],
)
def test_a_kernel_of_another_python_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, program: str, state: State
) -> None:
    spec = KernelSpec(argv=[program, "-m", "ipykernel_launcher"], resource_dir="/elsewhere/kernels/python3")
    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda self, name: spec)
    assert jupyter.kernel().state is state


def test_an_installation_without_the_course_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise LabError("carries no course.", hint="install it again.")

    monkeypatch.setattr(course, "course_root", none)
    assert course.course() == Finding("course", State.FAIL, "carries no course.", "install it again.")


def test_a_workspace_that_cannot_be_written_to_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def denied(**options: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(course.tempfile, "TemporaryFile", denied)
    finding = course.workspace(tmp_path)
    assert finding.state is State.FAIL
    assert finding.found == f"{tmp_path} cannot be written to: Permission denied"


def test_a_bubblewrap_that_does_not_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/bwrap")
    failed = subprocess.CompletedProcess([], 1, "", "bwrap: No permissions to create new namespace\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    assert "does not work here (bwrap: No permissions" in extras.bubblewrap().found


def test_no_browser_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert extras.chromium().found == "no Chromium found; only labkit's own tests would use one"


# -- the real command -----------------------------------------------------------------------------------


# A machine that is busy with other tests is no slow one, and its probes answer in the end.
PATIENT = """
from labkit.doctor import examination, network
examination.examine.__kwdefaults__["timeout_s"] = 75
network.SLOW_ECHO_MS = 60_000.0
"""


@pytest.mark.slow
def test_a_good_environment_is_ready(run: Callable) -> None:
    result = run("doctor", first=PATIENT)
    assert result.returncode == 0, result.stdout
    assert "FAIL" not in result.stdout
    assert result.stdout.splitlines()[-1].startswith("Ready.")


@pytest.mark.slow
def test_json_is_all_there_is_on_stdout(run: Callable) -> None:
    result = run("doctor", "--json", first=PATIENT)
    told = json.loads(result.stdout)
    assert result.returncode == told["exit_code"] == 0
    assert [finding["name"] for finding in told["findings"]] == list(PROBES)


@pytest.mark.slow
def test_a_proxy_in_the_environment_is_seen_and_the_echo_works_all_the_same(run: Callable) -> None:
    proxies = {"HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1", "NO_PROXY": ""}
    result = run("doctor", "--json", first=PATIENT, **proxies)
    states = {finding["name"]: finding["state"] for finding in json.loads(result.stdout)["findings"]}
    assert states["proxies"] == "warn"
    assert states["echo"] == "ok"
    assert result.returncode == 0
