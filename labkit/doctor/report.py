"""What the doctor found, as plain values and as text."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import asdict, dataclass
from enum import StrEnum

from labkit import __version__

NAME_WIDTH = 14
LINE_WIDTH = 110


class State(StrEnum):
    """How a finding is: fine, a nuisance, or something that stops the course from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what was looked at, in a word or two.
        state: ok, warn or fail.
        found: what is there.
        to_do: what to do about it; empty if it is ok.
    """

    name: str
    state: State
    found: str
    to_do: str = ""

    def render_text(self) -> str:
        """Return a line for what was found and, if there is something to do, one for that."""
        mark = self.state.upper() if self.state is State.FAIL else self.state
        lines = [f"{mark:<4}  {self.name:<{NAME_WIDTH}}  {self.found}"]
        if self.to_do:
            indent = " " * 6
            lines.append(textwrap.indent(f"to do: {self.to_do}", indent))
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """All findings of one examination."""

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """Return 0 if nothing failed, else 1."""
        return int(any(finding.state is State.FAIL for finding in self.findings))

    @property
    def summary(self) -> str:
        """Say the whole in one line."""
        failed = sum(finding.state is State.FAIL for finding in self.findings)
        warned = sum(finding.state is State.WARN for finding in self.findings)
        if failed:
            return f"{failed} of {len(self.findings)} findings stop the course from working."
        return (
            f"Ready. {warned} to look at when something is odd." if warned else "Ready. Everything is fine."
        )

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        told = {
            "labkit_version": __version__,
            "python": sys.executable,
            "exit_code": self.exit_code,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return json.dumps(told, indent=1)
