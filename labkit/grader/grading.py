"""The pytest plugin proper: runs the checks of exercises, each in its turn, against a running submission."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.grader.catalogue import TEST_NAME, read_catalogue
from labkit.grader.check_list import CheckSpec
from labkit.grader.examination import Examination, Unusable
from labkit.grader.record import CheckResult
from labkit.grader.report_words import describe_result
from labkit.grader.submission import find_submission

UNUSABLE_EXIT_CODE = 2

_MARKS = (
    "points(n): what a check of an exercise is worth",
    "needs(*ids): earlier checks that must have passed",
    "hints(question, cause, pointer): what a learner can ask for, step by step",
)


class NotTried(Exception):
    """Carries the result of a check that was not tried, such as one of a starter."""

    def __init__(self, result: CheckResult) -> None:
        self.result = result
        super().__init__(result.observed)


class GradingPlugin:
    """Gives the checks their `server` and turns what becomes of them into results.

    Args:
        examine: returns the open examination of an exercise's folder.
        on_result: is told each result.
    """

    def __init__(
        self,
        examine: Callable[[Path], Examination],
        on_result: Callable[[CheckResult], None] = lambda result: None,
    ) -> None:
        self._examine = examine
        self._on_result = on_result
        self._examinations: dict[Path, Examination] = {}

    def register_marks(self, config: pytest.Config) -> None:
        """Make the marks of exercises known, also to a run with strict marks."""
        for mark in _MARKS:
            config.addinivalue_line("markers", mark)

    @pytest.fixture
    def server(self) -> None:
        """The running submission, a `labkit.grader.server.Server`.

        It is put in place when the check is called: starting the submission is part of the check, not of
        its set-up, so that a server which does not come back is a failed check and not an error.
        """

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave out a check whose prerequisites did not pass."""
        if _is_check(item):
            result = self._examination(item).obstacle(self._spec(item))
            if result is not None and result.outcome == "skipped":
                self._note(item, result)
                pytest.skip(result.observed)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Run one check."""
        if not _is_check(pyfuncitem):
            return (yield)
        examination, spec = self._examination(pyfuncitem), self._spec(pyfuncitem)
        result = examination.obstacle(spec)
        if result is not None:
            self._note(pyfuncitem, result)
            raise NotTried(result)
        started = time.monotonic()
        error: BaseException | None = None
        try:
            server = pyfuncitem.funcargs["server"] = examination.begin(spec)
            done = yield
            server.require_all_sent()
            return done
        except Unusable as problem:
            pytest.exit(str(problem), returncode=UNUSABLE_EXIT_CODE)
        except Exception as raised:
            error = raised
            raise
        except BaseException as raised:
            error = raised  # an interrupt is no pass
            examination.close()
            raise
        finally:
            if not examination.is_unusable:
                self._on_result(examination.end(spec, error, time.monotonic() - started))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show a learner what happened to their server, instead of a traceback of ours."""
        report = yield
        if _is_check(item) and report.failed and call.excinfo is not None and call.when == "call":
            result = self._examination(item).results.get(self._spec(item).id)
            if result is not None and result.outcome != "grader_fault":
                report.longrepr = describe_result(result)
        return report

    def pytest_unconfigure(self) -> None:
        """Leave nothing running."""
        for examination in self._examinations.values():
            examination.close()

    def _examination(self, item: pytest.Item) -> Examination:
        folder = item.path.parent
        if folder not in self._examinations:
            try:
                self._examinations[folder] = self._examine(folder)
            except (LabError, Unusable) as problem:
                pytest.exit(str(problem), returncode=UNUSABLE_EXIT_CODE)
        return self._examinations[folder]

    def _spec(self, item: pytest.Item) -> CheckSpec:
        return self._examination(item).specs[item.name.removeprefix("test_")]

    def _note(self, item: pytest.Item, result: CheckResult) -> None:
        self._examination(item).note(result)
        self._on_result(result)


def examine_option(config: pytest.Config) -> Callable[[Path], Examination]:
    """Return what opens the examination of `--solution`, or of the learner's own file without it."""

    def examine(folder: Path) -> Examination:
        exercise = read_catalogue(folder.parent)[folder.name]
        given = config.getoption("labkit_solution", None)
        seed = config.getoption("labkit_seed", None)
        examination = Examination(exercise, find_submission(exercise.name, given), seed=seed)
        examination.open()
        return examination

    return examine


def _is_check(item: pytest.Item) -> bool:
    return item.path.name == TEST_NAME and isinstance(item, pytest.Function)
