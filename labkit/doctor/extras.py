"""Probes of what is good to have and never needed to learn."""

from __future__ import annotations

import shutil
import subprocess
import sys

from labkit.doctor.report import Finding, State
from labkit.grader.probe import strongest_sandbox

BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
BWRAP_TIMEOUT_S = 5.0


def chromium() -> Finding:
    """Is there a browser for the project's own browser tests?"""
    path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if path is None:
        return Finding("browser tests", State.OK, "no Chromium found; only labkit's own tests would use one")
    return Finding("browser tests", State.OK, path)


def bubblewrap() -> Finding:
    """Can submissions of strangers be locked in?"""
    if not sys.platform.startswith("linux"):
        return Finding("sandbox", State.OK, "bubblewrap is for Linux; solutions run in a child process here")
    path = shutil.which("bwrap")
    if path is None:
        return Finding("sandbox", State.OK, f"no bubblewrap; {strongest_sandbox().words}")
    trial = subprocess.run(
        [path, "--ro-bind", "/", "/", "--unshare-all", "--", "/bin/true"],
        capture_output=True,
        text=True,
        timeout=BWRAP_TIMEOUT_S,
        check=False,
    )
    if trial.returncode == 0:
        return Finding("sandbox", State.OK, f"{path} works")
    why = trial.stderr.strip().partition("\n")[0] or f"exit code {trial.returncode}"
    return Finding("sandbox", State.OK, f"{path} does not work here ({why}); {strongest_sandbox().words}")
