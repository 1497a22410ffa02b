"""A class as JUnit XML, after pytest's `junitxml.py` and the schema of Jenkins' xunit plugin (junit-10.xsd)."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from labkit.gradebook.class_results import ClassResults, StudentResult
from labkit.gradebook.tables import number_cell
from labkit.grader.record import CheckResult
from labkit.grader.report_words import describe_result

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT = {"skipped": "skipped", "unattempted": "skipped", "grader_fault": "error", "crashed": "error"}


def junit_xml(results: ClassResults) -> str:
    """Return a test suite for each result and a test case for each check; points are properties of the suite."""
    root = ET.Element("testsuites", name="labkit")
    for result in results.results:
        root.append(_suite(result))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(result: StudentResult) -> ET.Element:
    record = result.record
    kinds = [_ELEMENT.get(check.outcome, "failure") for check in record.checks if not check.passed]
    suite = ET.Element(
        "testsuite",
        name=_xml(f"{result.student}.{record.exercise}"),
        tests=str(len(record.checks)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{sum(check.seconds for check in record.checks):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("score", number_cell(result.total)),
        ("max_score", number_cell(result.max_total)),
        ("outcome", record.outcome),
        ("sandbox", record.sandbox),
        ("seed", str(record.seed)),
        ("submission", record.submission),
    ):
        ET.SubElement(properties, "property", name=name, value=_xml(value))
    for check in record.checks:
        suite.append(_case(result, check))
    if record.message:
        ET.SubElement(suite, "system-out").text = _xml(record.message)
    return suite


def _case(result: StudentResult, check: CheckResult) -> ET.Element:
    class_name = f"{result.student}.{result.record.exercise}"
    case = ET.Element("testcase", classname=_xml(class_name), name=check.id, time=f"{check.seconds:.3f}")
    if not check.passed:
        kind = _ELEMENT.get(check.outcome, "failure")
        told = ET.SubElement(case, kind, message=_xml(f"{check.title} ({check.outcome})"), type=check.outcome)
        told.text = _xml(describe_result(check))
    return case


def _xml(text: str) -> str:
    """Write out what XML 1.0 cannot hold."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
