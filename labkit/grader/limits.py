"""How long the grader waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Seconds that a submission gets.

    They are generous on purpose: a right server that is slow, on a machine that is busy, must pass. A check
    that expects nothing to happen never waits for it to not happen.

    Attributes:
        start_s: until it serves, from the start of its process.
        step_s: for one step of a check, such as one reply.
        settle_s: for what a server may do a moment later, such as writing down that somebody has left.
        check_s: for one check with all its steps.
        run_s: for all checks together.
    """

    start_s: float = 10.0
    step_s: float = 5.0
    settle_s: float = 3.0
    check_s: float = 20.0
    run_s: float = 120.0
