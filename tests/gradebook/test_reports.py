"""Reports and exports are pure functions of the one record: golden files, and nothing hostile gets through."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from labkit import __version__
from labkit.errors import LabError
from labkit.gradebook.class_results import ClassResults, Manual, StudentResult, in_order, with_manual_points
from labkit.gradebook.class_tables import checks_csv, figures_of_checks, results_csv
from labkit.gradebook.gradescope import gradescope_json
from labkit.gradebook.intake import Problem
from labkit.gradebook.junit import junit_xml
from labkit.gradebook.lms_fill import fill_canvas, fill_moodle
from labkit.gradebook.manual_points import read_manual_points
from labkit.gradebook.pages import class_page, student_page
from labkit.gradebook.reports import file_names, write_reports
from labkit.gradebook.tables import safe_cell
from labkit.grader.record import CheckResult, Record

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "<img src=x onerror=alert(1)>]]>\x00\x1b[2J"


def record_of(exercise, *checks, message="", usable=True, outcome="failed"):
    return Record(
        exercise=exercise,
        score=sum(check.points for check in checks),
        max_score=6,
        outcome=outcome,
        checks=checks,
        sandbox="landlock: reads only itself",
        seed=7,
        labkit_version="0.1.0",
        submission=f"somebody/{exercise}.py",
        message=message,
        usable=usable,
    )


def passed(name="one", points=2, seconds=0.5):
    return CheckResult(name, f"The check {name}.", points, points, "passed", seconds=seconds)


FAILED = CheckResult(
    "two", "Order is kept.", 0, 3, "failed", 'sends "a"', '"A"', HOSTILE, "labkit hint echo two - Why?", 0.25
)
SKIPPED = CheckResult("three", "Who left is told.", 0, 1, "skipped", observed="not tried", seconds=0.0)

RESULTS = in_order(
    [
        StudentResult("=ben", record_of("echo", passed(), FAILED, SKIPPED), "the last of 2 cells was judged"),
        StudentResult(
            "ada", record_of("echo", passed(), passed("two", 3, 1.5), passed("three", 1), outcome="passed")
        ),
        StudentResult(
            "cleo",
            record_of(
                "echo", FAILED, outcome="crashed", usable=False, message="echo.py is empty.\nTry: more"
            ),
        ),
        StudentResult(
            "ada", record_of("chat", passed("join", 4), outcome="passed"), manual=Manual(1.5, 2, "-style")
        ),
    ],
    [Problem("dan", f"dan.zip is no zip archive {HOSTILE}")],
    "landlock: reads only itself",
)


def students(name):
    return next(results for student, results in RESULTS.students if student == name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("results.json", RESULTS.to_json()),
        ("results.csv", results_csv(RESULTS)),
        ("checks.csv", checks_csv(RESULTS)),
        ("junit.xml", junit_xml(RESULTS)),
        ("gradescope.json", gradescope_json(students("ada"))),
        ("gradescope_one.json", gradescope_json(students("=ben"))),
    ],
)
def test_an_export_is_as_it_was(name, text):
    assert text.replace(f'"labkit_version": "{__version__}"', '"labkit_version": "0.1.0"') == (
        GOLDEN / name
    ).read_text(encoding="utf-8")


def test_the_record_survives_its_way_through_json():
    assert ClassResults.from_json(RESULTS.to_json()) == RESULTS
    with pytest.raises(LabError, match=r"This is no results\.json"):
        ClassResults.from_json('{"results": [{"student": "ada"}]}')


def test_each_result_is_the_students_name_and_the_record_of_a_check():
    told = json.loads(RESULTS.to_json())["results"][0]
    assert set(told) >= {"student", "exercise", "score", "max_score", "outcome", "checks", "sandbox", "seed"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1"])
def test_no_cell_can_be_a_formula(text):
    assert safe_cell(text).startswith("'")


def test_a_number_is_no_formula():
    assert (safe_cell(-1.5), safe_cell(3), safe_cell("x")) == ("-1.5", "3", "x")


def test_the_junit_file_is_xml_whatever_a_learner_prints():
    root = ET.fromstring(junit_xml(RESULTS))
    suite = next(suite for suite in root if suite.get("name") == "=ben.echo")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert "<img src=x onerror=alert(1)>" in "".join(suite.itertext())


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "page",
    [
        student_page("=ben", students("=ben")),
        class_page(RESULTS, dict.fromkeys(["ada", "=ben", "cleo"], "x.html")),
    ],
    ids=["student", "class"],
)
def test_a_page_runs_and_loads_nothing(page):
    tags = Tags(page)
    assert not tags.tags & {"img", "script", "iframe", "link", "object"}
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name == "src"]
    assert "https://" not in page


def test_the_page_of_the_class_says_how_each_check_went():
    text = Tags(class_page(RESULTS, dict.fromkeys(["ada", "=ben", "cleo"], "x.html"))).text
    for part in (
        "echo: 1 of 3 with full marks",
        "2 failed",
        "Order is kept.",
        "echo.py is empty.",
        "dan.zip",
    ):
        assert part in text


def test_the_figures_of_a_check_count_every_submission():
    two = next(each for each in figures_of_checks(RESULTS) if each.id == "two")
    assert (two.tried, two.outcomes["passed"], two.outcomes["failed"], two.median_s) == (3, 1, 2, 1.5)


def test_manual_points_come_on_top(tmp_path):
    path = tmp_path / "manual.csv"
    path.write_text("Student;Exercise;Points;Max_Points;Comment\nada;echo;1,5;2;neat\n", encoding="utf-8")
    results = with_manual_points(RESULTS, read_manual_points(path))
    ada = next(each for each in results.results if (each.student, each.record.exercise) == ("ada", "echo"))
    assert (ada.record.score, ada.total, ada.max_total, ada.manual.comment) == (6, 7.5, 8, "neat")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("student,points\nada,1\n", "lacks a column"),
        ("student,exercise,points\nada,echo,many\n", "line 2: 'many' is no number"),
        ("student,exercise,points\nada,echo,inf\n", "line 2: 'inf' is no number"),
        ("student,exercise,points\nada,echo,1\nada,echo,2\n", "line 3: ada has points for echo already"),
        ("", "is empty"),
    ],
)
def test_manual_points_that_are_wrong_are_told_with_their_line(tmp_path, text, said):
    path = tmp_path / "manual.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=said):
        read_manual_points(path)


def test_manual_points_of_nobody_are_refused():
    with pytest.raises(LabError, match=r"name what was not handed in: zoe \(echo\)"):
        with_manual_points(RESULTS, {("zoe", "echo"): Manual(1, 1)})


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Echo (17),Chat (18),Final Score\n"
    "    Points Possible,,,,,6,6,(read only)\n"
    '"Lovelace, Ada",1,s1,ada,A,,,\n'
    '"Who, Else",2,s2,else,A,3,,\n'
)


def test_canvas_gets_points_into_its_own_rows_and_columns(tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_text(CANVAS, encoding="utf-8")
    filled = fill_canvas(path, RESULTS)
    rows = list(csv.reader(filled.text.splitlines()))
    assert rows[1][:6] == ["    Points Possible", "", "", "", "", "6"]
    assert rows[2] == ["Lovelace, Ada", "1", "s1", "ada", "A", "6", "5.5", ""]
    assert rows[3] == ["Who, Else", "2", "s2", "else", "A", "3", "", ""]
    assert (filled.unmatched, filled.without) == (("=ben", "cleo"), ("else",))


def test_canvas_without_the_assignment_is_refused(tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_text(CANVAS.replace("Echo (17)", "Essay (17)"), encoding="utf-8")
    with pytest.raises(LabError, match="has no column for 'echo'"):
        fill_canvas(path, RESULTS)


def test_moodle_gets_points_into_its_worksheet(tmp_path):
    path = tmp_path / "moodle.csv"
    path.write_text(
        "Identifier,Full name,Email address,Grade,Last modified (grade)\n"
        "Participant 12,Ada Lovelace,ada,,-\nParticipant 13,Who Else,else@x,2.00,-\n",
        encoding="utf-8",
    )
    filled = fill_moodle(path, RESULTS, "echo")
    rows = list(csv.reader(filled.text.splitlines()))
    assert rows[1] == ["Participant 12", "Ada Lovelace", "ada", "6", "-"]
    assert rows[2][3] == "2.00"
    assert filled.without == ("else@x",)
    with pytest.raises(LabError, match="these results are for"):
        fill_moodle(path, RESULTS)


@pytest.mark.parametrize(
    ("fill", "header"),
    [
        (fill_moodle, "Username,Identifier,First name,Grade,Feedback comments"),
        (fill_canvas, "SIS Login ID,ID,Student,Echo (17),Chat (18)"),
    ],
    ids=["moodle", "canvas"],
)
def test_nobody_gets_the_points_of_a_namesake(tmp_path, fill, header):
    path = tmp_path / "grades.csv"
    path.write_text(f"{header}\nelse,1,Ada,,\nada,2,Augusta,,\n", encoding="utf-8")
    filled = fill(path, RESULTS, *(["echo"] if fill is fill_moodle else []))
    rows = list(csv.reader(filled.text.splitlines()))
    assert [row[3] for row in rows[1:]] == ["", "6"]
    assert filled.without == ("else",)


@pytest.mark.parametrize("start", ["", "=", "  ="])
def test_a_long_feedback_stays_whole(tmp_path, start):
    path = tmp_path / "moodle.csv"
    feedback = start + "x" * 3000
    path.write_text(f"Username,Grade,Feedback comments\nada,,{feedback}\n", encoding="utf-8")
    (_, row) = csv.reader(fill_moodle(path, RESULTS, "echo").text.splitlines())
    assert row == ["ada", "6", f"'{feedback}" if start else feedback]


def test_a_table_of_something_else_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    for fill in (fill_canvas, fill_moodle):
        with pytest.raises(LabError, match=r"x\.csv is no "):
            fill(path, RESULTS)


def test_every_student_has_a_file_name_of_their_own():
    names = file_names(["ada", "Ada", "a/../b", "a\\u000ab", "..", "x" * 100, "ada lovelace", "ada_lovelace"])
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert names["ada"] == "ada"
    assert all("/" not in name and not name.startswith(".") and len(name) < 80 for name in names.values())


def test_all_reports_are_written_and_stale_ones_go(tmp_path):
    write_reports(RESULTS, tmp_path)
    (tmp_path / "students" / "gone.html").touch()
    write_reports(RESULTS, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("checks.csv", "class.html", "gradescope", "junit.xml", "results.csv", "results.json", "students")
    ]
    assert len(list((tmp_path / "students").iterdir())) == len(list((tmp_path / "gradescope").iterdir())) == 3
