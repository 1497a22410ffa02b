"""The ways in which a check ends without passing, each an exception that carries what to report.

CheckFailure
├── WrongAnswer      failed        the server did something else than expected
├── NoAnswer         timeout       it did nothing before the deadline
├── Crash            crashed       its process died or its code raised
└── LostConnection   disconnected  it closed, or lost, the connection too early
"""

from __future__ import annotations


class CheckFailure(Exception):
    """A check did not pass.

    Attributes:
        expected: what the check waited for.
        observed: what came instead.
    """

    outcome = "failed"

    def __init__(self, *, expected: str, observed: str) -> None:
        self.expected = expected
        self.observed = observed
        super().__init__(f"expected: {expected}\nobserved: {observed}")


class WrongAnswer(CheckFailure):
    """The server did something else than expected."""


class NoAnswer(CheckFailure):
    """The server did nothing before the deadline."""

    outcome = "timeout"


class Crash(CheckFailure):
    """The server's process died, or its code raised before it answered."""

    outcome = "crashed"


class LostConnection(CheckFailure):
    """The server closed or lost a connection that was still needed."""

    outcome = "disconnected"
