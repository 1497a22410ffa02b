"""One run over a submission: keeps a child ready, times each check, and turns its end into a result."""

from __future__ import annotations

import json
import secrets
import threading
import time
from pathlib import Path

from labkit.errors import SubmissionError
from labkit.grader.catalogue import Exercise
from labkit.grader.check_list import CheckSpec
from labkit.grader.child import IMPORT_FAILED_EXIT_CODE, REFUSAL, WHOAMI_PATH
from labkit.grader.failures import CheckFailure, Crash
from labkit.grader.fetch import BadResponse, fetch
from labkit.grader.levels import Sandbox
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox
from labkit.grader.record import CheckResult, Record, make_record
from labkit.grader.sandbox import Child, start_child
from labkit.grader.server import Server
from labkit.grader.submission import EmptySubmission, Submission, is_trusted, read_submission
from labkit.grader.traceback_tail import own_traceback
from labkit.grader.wording import printable, shorten

NOT_NEEDED = "not needed: nothing was run"
STARTER_MESSAGE = "This is still the starter: there is nothing to judge yet."

_SHOWN_LOG_CHARACTERS = 600
_SHOWN_REFUSAL_CHARACTERS = 500


class Unusable(Exception):
    """The submission never became a server. `outcome` is what that counts as for every check."""

    def __init__(self, outcome: str, error: SubmissionError) -> None:
        self.outcome = outcome
        super().__init__(str(error))


class Examination:
    """Everything about one run that outlives a single check."""

    def __init__(
        self,
        exercise: Exercise,
        path: Path,
        *,
        shown_as: str = "",
        seed: int | None = None,
        limits: Limits | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.exercise = exercise
        self._sandbox = sandbox or strongest_sandbox()
        self.specs = {spec.id: spec for spec in exercise.checks}
        self.results: dict[str, CheckResult] = {}
        self.seed = secrets.randbelow(2**31) if seed is None else seed
        self._settings = exercise.settings_of_run(self.seed)
        self.is_starter = False
        self._path = path
        self._shown_as = shown_as or str(path)
        self._limits = limits or Limits()
        self._deadline = time.monotonic() + self._limits.run_s
        self._submission: Submission | None = None
        self._child: Child | None = None
        self._is_over = False
        self._lock = threading.RLock()
        self._child_started = 0.0
        self._has_served = False
        self._is_ready = False
        self._unusable: Unusable | None = None
        self._will_not_start_again: CheckFailure | None = None
        self._server: Server | None = None

    @property
    def is_unusable(self) -> bool:
        """Tell whether the submission never became a server."""
        return self._unusable is not None

    def open(self) -> None:
        """Read the submission and start its first child, without waiting for it.

        Raises:
            Unusable: it cannot be judged.
        """
        try:
            self._submission = read_submission(self.exercise, self._path)
        except EmptySubmission as error:
            raise self._give_up("unattempted", error) from None
        except SubmissionError as error:
            raise self._give_up("crashed", error) from None
        self.is_starter = self._submission.is_starter
        if not self.is_starter:
            self._start_child()

    def close(self, *, for_good: bool = False) -> None:
        """End what is running. Doing it twice is harmless.

        Args:
            for_good: start nothing any more, whatever another thread is about to do.
        """
        with self._lock:
            self._is_over |= for_good
            child, self._child = self._child, None
        if child is not None:
            child.kill()

    def obstacle(self, spec: CheckSpec) -> CheckResult | None:
        """Return the result of a check that need not be tried, or None."""
        if self.is_starter:
            return _unattempted(spec)
        unmet = [need for need in spec.needs if need in self.results and not self.results[need].passed]
        if unmet:
            titles = " and ".join(f"{need} ({self.specs[need].title})" for need in unmet)
            return _result(spec, "skipped", observed=f"not tried, because it needs {titles} to pass first")
        if self._will_not_start_again is not None:
            failure = self._will_not_start_again
            return _result(spec, failure.outcome, expected=failure.expected, observed=failure.observed)
        if time.monotonic() > self._deadline:
            observed = (
                f"not tried: the checks before it used up the {self._limits.run_s:g} s of the whole run"
            )
            return _result(spec, "timeout", observed=observed)
        return None

    def begin(self, spec: CheckSpec) -> Server:
        """Return a server for one check, on a child that is known to serve.

        Raises:
            Unusable: the submission has never served.
            CheckFailure: it has, but does not do so again.
        """
        child = self._ready_child()
        self._server = Server(
            child, self._limits, f"{self.seed} {spec.id}", self._settings, restart=self._restart_child
        )
        return self._server

    def end(self, spec: CheckSpec, error: BaseException | None, seconds: float) -> CheckResult:
        """Note how a check ended, and make sure that the next one finds a sound child.

        Args:
            error: what it raised, None if it passed.
        """
        server, self._server = self._server, None
        result = _judge(spec, error, server.actions if server else "", self.exercise.name, seconds)
        self.results[spec.id] = result
        if server is not None:
            server.close(settle=result.passed)
        if not result.passed:
            self.close()
        return result

    def note(self, result: CheckResult) -> None:
        """Note the result of a check that was not tried."""
        self.results[result.id] = result

    def record(self) -> Record:
        """Return the record of all that is known by now."""
        results = dict(self.results)
        message = ""
        if self._unusable is not None:
            message = printable(str(self._unusable))
            results = {spec.id: _result(spec, self._unusable.outcome) for spec in self.specs.values()}
        elif self.is_starter:
            results = {spec.id: _unattempted(spec) for spec in self.specs.values()}
            message = STARTER_MESSAGE
        return make_record(
            tuple(self.specs.values()),
            results,
            exercise=self.exercise.name,
            max_score=self.exercise.points,
            sandbox=self._sandbox.words,
            seed=self.seed,
            submission=self._shown_as,
            message=message,
            usable=self._unusable is None,
        )

    def _give_up(self, outcome: str, error: SubmissionError) -> Unusable:
        self._unusable = Unusable(outcome, error)
        return self._unusable

    def _start_child(self, data: Path | None = None) -> None:
        if self._submission is not None:
            trusted = is_trusted(self._path)
            with self._lock:
                if self._is_over:
                    raise RuntimeError("this examination is over")
                self._child = start_child(
                    self._submission.source, self._settings, self._sandbox, trusted=trusted, data=data
                )
            self._child_started = time.monotonic()
            self._is_ready = False

    def _restart_child(self) -> Child:
        """Replace the child by one that finds in its `DATA_DIR` what this one has left there."""
        predecessor = self._child
        if predecessor is None:
            raise RuntimeError("only a child that is there can be replaced")
        self._child = None
        predecessor.stop()
        try:
            self._start_child(predecessor.data_folder)
        finally:
            predecessor.kill()
        return self._ready_child()

    def _ready_child(self) -> Child:
        """Return a child that serves: proved by an answer on its socket, not by anything that it says."""
        if self._child is None:
            self._start_child()
        child = self._child
        if child is None:
            raise RuntimeError("there is no submission to serve: open() comes first")
        if self._is_ready:
            return child
        deadline = self._child_started + self._limits.start_s
        try:
            fetch(child.port, WHOAMI_PATH, deadline, lambda: child.is_alive)
        except TimeoutError:
            raise self._failed_start("timeout", self._late_start()) from None
        except (OSError, BadResponse):
            child.wait_for_end(1.0)
            raise self._failed_start("crashed", self._why_it_ended(child)) from None
        self._is_ready = self._has_served = True
        return child

    def _failed_start(self, outcome: str, error: SubmissionError) -> Exception:
        """Return what to raise: the file is no good at all, or the server does not come back."""
        if not self._has_served:
            return self._give_up(outcome, error)
        observed = f"after an earlier check it does not start again: {error.happened}"
        failure = Crash(expected="the server starts again", observed=observed)
        self._will_not_start_again = failure
        return failure

    def _late_start(self) -> SubmissionError:
        name = self._path.name
        return SubmissionError(
            f"{name} does not serve: after {self._limits.start_s:g} s it is still being imported or starting up.",
            expected="a file whose import ends, and whose `app` starts up, within seconds.",
            hint="look for an endless loop, a long sleep or a wait outside of the handlers.",
        )

    def _why_it_ended(self, child: Child) -> SubmissionError:
        log = child.log.text_since()
        _, told, line = log.rpartition(REFUSAL)
        if told:
            return _refusal(line.partition("\n")[0])
        tail = own_traceback(log, child.solution_path)
        name = self._path.name
        if tail and child.describe_end() == f"exit code {IMPORT_FAILED_EXIT_CODE}":
            return SubmissionError(
                f"{name} raises an error while it is imported:\n{tail}", hint="mend this first."
            )
        if tail:
            return SubmissionError(
                f"{name} raises an error while its `app` starts up:\n{tail}", hint="mend this first."
            )
        said = shorten(printable(log.strip()[-_SHOWN_LOG_CHARACTERS:]), _SHOWN_LOG_CHARACTERS)
        last_words = f" It printed last: {said}" if said else ""
        return SubmissionError(
            f"{name} ends its process before it serves ({child.describe_end()}).{last_words}",
            expected="a file that only defines `app`; labkit serves it.",
            hint="look for calls that end the process, such as os._exit().",
        )


def _refusal(line: str) -> SubmissionError:
    """Return the error that the child told in one line of JSON. Only words depend on it."""
    try:
        told = json.loads(line)
        parts = [
            shorten(printable(str(told[part])), _SHOWN_REFUSAL_CHARACTERS)
            for part in ("happened", "expected", "hint")
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return SubmissionError("The file cannot be served.", hint="look at its last lines.")
    return SubmissionError(parts[0], expected=parts[1], hint=parts[2])


def _judge(
    spec: CheckSpec, error: BaseException | None, sent: str, exercise: str, seconds: float
) -> CheckResult:
    if error is None:
        return _result(spec, "passed", points=spec.points, seconds=seconds)
    hint = f"labkit hint {exercise} {spec.id} - {spec.hints[0]}"
    if isinstance(error, CheckFailure):
        expected, observed, outcome = printable(error.expected), printable(error.observed), error.outcome
    elif isinstance(error, AssertionError):
        expected, observed, outcome = spec.title, printable(str(error)) or "it does not hold", "failed"
    else:
        expected, outcome, hint = spec.title, "grader_fault", ""
        fault = f"{type(error).__name__}: {printable(str(error))}"
        observed = f"the check itself failed with {fault}. That is not your fault."
    return _result(spec, outcome, sent=sent, expected=expected, observed=observed, hint=hint, seconds=seconds)


def unattempted_record(exercise: Exercise, submission: str = "") -> Record:
    """Return the record of a learner who has not begun."""
    return make_record(
        exercise.checks,
        {spec.id: _unattempted(spec) for spec in exercise.checks},
        exercise=exercise.name,
        max_score=exercise.points,
        sandbox=NOT_NEEDED,
        seed=0,
        submission=submission,
        message=STARTER_MESSAGE,
    )


def unusable_record(
    exercise: Exercise, outcome: str, error: SubmissionError, *, sandbox: str, submission: str = ""
) -> Record:
    """Return the record of what cannot be judged at all.

    Args:
        outcome: what that counts as for every check.
    """
    return make_record(
        exercise.checks,
        {spec.id: _result(spec, outcome) for spec in exercise.checks},
        exercise=exercise.name,
        max_score=exercise.points,
        sandbox=sandbox,
        seed=0,
        submission=submission,
        message=str(error),
        usable=False,
    )


def _unattempted(spec: CheckSpec) -> CheckResult:
    return _result(spec, "unattempted", observed="the file is still the starter")


def _result(
    spec: CheckSpec,
    outcome: str,
    *,
    points: int = 0,
    sent: str = "",
    expected: str = "",
    observed: str = "",
    hint: str = "",
    seconds: float = 0.0,
) -> CheckResult:
    return CheckResult(
        id=spec.id,
        title=spec.title,
        points=points,
        max_points=spec.points,
        outcome=outcome,
        sent=sent,
        expected=expected,
        observed=observed,
        hint=hint,
        seconds=round(seconds, 3),
    )
