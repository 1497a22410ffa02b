"""One student as Gradescope's `results.json` (gradescope-autograders.readthedocs.io/en/latest/specs).

All texts are marked as plain: a learner's words in HTML or Markdown would be a way in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from labkit.gradebook.class_results import StudentResult
from labkit.grader.record import CheckResult, Record
from labkit.grader.report_words import describe_result, headline


def gradescope_json(results: Sequence[StudentResult]) -> str:
    """Return the results of one student, over all their exercises."""
    several = len(results) > 1
    tests: list[dict[str, Any]] = []
    for result in results:
        tests += [
            _test(check, f"{result.record.exercise}: " if several else "") for check in result.record.checks
        ]
        if result.manual is not None:
            tests.append(
                {
                    "name": f"{result.record.exercise}: points given by hand",
                    "score": result.manual.points,
                    "max_score": result.manual.max_points,
                    "output": result.manual.comment,
                    **_PLAIN,
                }
            )
    told = {
        "score": sum(result.total for result in results),
        "output": "\n\n".join(_summary(result.record, result.note) for result in results),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"labkit": {result.record.exercise: result.record.seed for result in results}},
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


_PLAIN = {"output_format": "text", "name_format": "text", "visibility": "visible"}


def _test(check: CheckResult, prefix: str) -> dict[str, Any]:
    return {
        "name": f"{prefix}{check.title}",
        "score": check.points,
        "max_score": check.max_points,
        "status": "passed" if check.passed else "failed",
        "output": "" if check.passed else describe_result(check),
        "tags": [check.outcome],
        **_PLAIN,
    }


def _summary(record: Record, note: str) -> str:
    lines = [f"{record.exercise}: {headline(record)}", record.message, note, f"sandbox: {record.sandbox}"]
    return "\n".join(line for line in lines if line)
