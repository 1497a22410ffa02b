"""Runs the probes: each has a time limit, and none can stop the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from labkit.doctor import course, environment, extras, jupyter, network
from labkit.doctor.report import Finding, Report, State

Probe = Callable[[], Finding]

TIMEOUT_S = 15.0

PROBES: Mapping[str, Probe] = {
    "Python": environment.python,
    "packages": environment.packages,
    "asyncio": environment.asyncio_unpatched,
    "open files": environment.open_files,
    "disk space": environment.disk_space,
    "terminal": environment.terminal,
    "loopback": network.loopback,
    "localhost": network.localhost,
    "proxies": network.proxies,
    "WebSocket": network.websocket_protocol,
    "echo": network.echo,
    "JupyterLab": jupyter.jupyterlab,
    "kernel": jupyter.kernel,
    "course": course.course,
    "workspace": course.workspace,
    "browser tests": extras.chromium,
    "sandbox": extras.bubblewrap,
}
"""What is looked at, by name, in the order of the report."""


def examine(
    probes: Mapping[str, Probe] = PROBES,
    *,
    timeout_s: float = TIMEOUT_S,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Run the probes one after another and return what they found.

    Args:
        probes: what to look at.
        timeout_s: how long each may take.
        on_finding: called with each finding as soon as it is there.
    """
    findings = []
    for name, probe in probes.items():
        finding = _run(name, probe, timeout_s)
        on_finding(finding)
        findings.append(finding)
    return Report(tuple(findings))


def _run(name: str, probe: Probe, timeout_s: float) -> Finding:
    found: list[Finding] = []

    def run() -> None:
        try:
            found.append(probe())
        except Exception as error:  # noqa: BLE001  a broken installation may raise anything; the rest still counts
            found.append(_broken(name, f"{type(error).__name__}: {error}"))

    thread = threading.Thread(target=run, name=f"labkit doctor {name}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return found[0] if found else _broken(name, f"no answer within {timeout_s:g} s")


def _broken(name: str, what: str) -> Finding:
    return Finding(name, State.FAIL, what, "this could not be looked at; what it says is the place to start.")
