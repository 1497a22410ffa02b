"""The judge as a process of its own: asked for one submission after another, ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from labkit.grader.levels import Sandbox
from labkit.grader.limits import Limits
from labkit.interpreter import python_command

_OVERTIME_S = 30.0
"""What the judge gets beyond the limits that it keeps by itself, before it is ended."""

_FAREWELL_S = 3.0


class JudgeProcess:
    """One judge. Use it as a context; leaving it leaves nothing running."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        own_session: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
        self._process = subprocess.Popen(
            python_command("labkit.grader"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            **own_session,
        )

    def __enter__(self) -> JudgeProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ask(
        self, exercise: str, submission: Path, *, seed: int | None, limits: Limits, sandbox: Sandbox | None
    ) -> Generator[dict[str, Any], None, None]:
        """Yield the judge's lines for one submission, the record last; fewer if the judge breaks off."""
        request = {
            "exercise": exercise,
            "submission": str(submission.absolute()),
            "seed": seed,
            "limits": asdict(limits),
            "sandbox": sandbox.to_json() if sandbox else None,
        }
        allowed_s = limits.start_s + limits.run_s + limits.check_s + _OVERTIME_S
        overtime = threading.Timer(allowed_s, self.kill)
        overtime.daemon = True
        overtime.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                _stream(self._process.stdin).write(json.dumps(request).encode() + b"\n")
                _stream(self._process.stdin).flush()
            for line in _stream(self._process.stdout):
                told = json.loads(line)
                yield told
                if "record" in told:
                    return
        finally:
            overtime.cancel()

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Return what the judge wrote to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def close(self) -> None:
        """End the judge. The end of its stdin tells it to end its child and then itself."""
        with contextlib.suppress(OSError):
            _stream(self._process.stdin).close()
        try:
            self._process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            self.kill()
        _stream(self._process.stdout).close()
        self._errors.close()

    def end(self) -> None:
        """Let the judge tidy up and end, from another thread than the one that asks it."""
        with contextlib.suppress(OSError, ValueError):
            _stream(self._process.stdin).close()
        try:
            self._process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the judge at once, from any thread."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the judge was started without pipes")
    return stream
