"""The one record of a judged submission. Every report is a pure function of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labkit import __version__
from labkit.errors import LabError
from labkit.grader.check_list import CheckSpec

OUTCOMES = (
    "passed",
    "failed",
    "timeout",
    "crashed",
    "disconnected",
    "unattempted",
    "skipped",
    "grader_fault",
)
"""How a check can end.

passed: the server did what was expected. failed: it did something else. timeout: it did nothing in time.
crashed: its process died, or its code raised before it answered. disconnected: it closed the connection
early. unattempted: the submission is still the starter. skipped: an earlier check that this one needs did
not pass. grader_fault: the check itself is broken, which is never the learner's fault.
"""


@dataclass(frozen=True)
class CheckResult:
    """How one check ended.

    Attributes:
        outcome: one of `OUTCOMES`.
        sent: what the check did before it ended, one action a line; empty if it passed.
        expected: what it waited for.
        observed: what came instead.
        hint: what to ask for, such as ``labkit hint echo one_reply``, and the first hint; empty if it passed.
        seconds: how long it took.
    """

    id: str
    title: str
    points: int
    max_points: int
    outcome: str
    sent: str = ""
    expected: str = ""
    observed: str = ""
    hint: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Tell whether the check passed."""
        return self.outcome == "passed"


@dataclass(frozen=True)
class Record:
    """How one submission was judged.

    Attributes:
        outcome: `passed` if every check passed, else the outcome of the first one that did not.
        sandbox: how the submission was kept apart, in words.
        seed: the number from which all random data of the run came.
        submission: the file as it was named.
        message: what concerns the whole file, such as a syntax error; often empty.
        usable: False if the file never became a server, so that nothing could be checked.
    """

    exercise: str
    score: int
    max_score: int
    outcome: str
    checks: tuple[CheckResult, ...]
    sandbox: str
    seed: int
    labkit_version: str = __version__
    submission: str = ""
    message: str = ""
    usable: bool = True

    @property
    def passed(self) -> bool:
        """Tell whether every check passed."""
        return self.outcome == "passed"

    @property
    def exit_code(self) -> int:
        """Return 0 if all passed, 1 if something did not, 2 if the input was unusable."""
        if not self.usable:
            return 2
        return 0 if self.passed else 1

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {**asdict(self), "checks": [asdict(check) for check in self.checks]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        """Make a record from what `to_json` returned.

        Raises:
            LabError: the values are no record.
        """
        try:
            checks = tuple(CheckResult(**check) for check in values["checks"])
            return cls(**{**values, "checks": checks})
        except (KeyError, TypeError) as error:
            raise LabError(f"This is no record of a judged submission: {error}.") from None


def make_record(
    specs: Sequence[CheckSpec],
    results: Mapping[str, CheckResult],
    *,
    exercise: str,
    max_score: int,
    sandbox: str,
    seed: int,
    submission: str,
    message: str = "",
    usable: bool = True,
) -> Record:
    """Sum up results, in the order of the checks.

    A check without a result scores nothing, and the maximum is the catalogue's whatever ran: so neither a
    check that got lost nor a run without any can raise a score.
    """
    checks = tuple(results.get(spec.id) or _missing(spec) for spec in specs)
    first_bad = next((check.outcome for check in checks if not check.passed), "passed")
    return Record(
        exercise=exercise,
        score=sum(check.points for check in checks),
        max_score=max_score,
        outcome=first_bad if checks else "grader_fault",
        checks=checks,
        sandbox=sandbox,
        seed=seed,
        submission=submission,
        message=message,
        usable=usable,
    )


def _missing(spec: CheckSpec) -> CheckResult:
    return CheckResult(
        id=spec.id,
        title=spec.title,
        points=0,
        max_points=spec.points,
        outcome="grader_fault",
        observed="this check never ran. That is a fault of the grader, not yours.",
    )
