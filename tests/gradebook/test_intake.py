"""What a class hands in: each odd thing is told for its student, and never reaches beyond its place."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import zipfile

import pytest

from labkit.errors import LabError, SubmissionError, UnknownName
from labkit.gradebook import bundle
from labkit.gradebook.bundle import MAX_FILES, FolderBundle, ZipBundle
from labkit.gradebook.intake import collect
from labkit.grader.catalogue import find_exercise

SOURCE = "app = 1\n"


def notebook(*cells):
    cells = [
        {"cell_type": kind, "source": source.splitlines(keepends=True), "metadata": {}}
        for kind, source in cells
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def put(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def zipped(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def only(folder, exercise=None):
    entries, problems = collect(folder, exercise)
    assert problems == []
    (entry,) = entries
    return entry


def problem_of(folder, exercise=None):
    entries, problems = collect(folder, exercise)
    (told,) = [entry.problem for entry in entries] + [problem.message for problem in problems]
    return told


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("ada/echo.py", "ada/echo.py"),
        ("ada/deep/er/echo.py", "ada/deep/er/echo.py"),
        ("ada/exercises/echo/solution.py", "ada/exercises/echo/solution.py"),
        ("ada/exercises/echo/solution_cell.py", "ada/exercises/echo/solution_cell.py"),
    ],
)
def test_a_students_folder_names_student_and_exercise(tmp_path, name, origin):
    entry = only(put(tmp_path, {name: SOURCE}))
    assert (entry.student, entry.exercise, entry.origin, entry.source) == (
        "ada",
        "echo",
        origin,
        SOURCE.encode(),
    )


@pytest.mark.parametrize("name", ["ada.py", "ada/mine.py", "ada/echo.py", "ada/solution.py"])
def test_with_the_exercise_given_a_files_name_is_free(tmp_path, name):
    entry = only(put(tmp_path, {name: SOURCE}), "echo")
    assert (entry.student, entry.exercise, entry.source) == ("ada", "echo", SOURCE.encode())


def test_an_archive_is_read_like_a_folder(tmp_path):
    zipped(tmp_path / "ada.zip", {"work/echo.py": SOURCE, "__MACOSX/._echo.py": b"\0", "notes.txt": "x"})
    entry = only(tmp_path)
    assert (entry.student, entry.origin, entry.source) == ("ada", "ada.zip/work/echo.py", SOURCE.encode())


def test_of_a_notebooks_solution_cells_the_last_one_counts_and_the_report_says_so(tmp_path):
    cells = [
        ("markdown", "%%solution echo\nno code"),
        ("code", "%%solution echo\napp = 1\n"),
        ("code", "x = 2\n%%solution echo\napp = 3\n"),
        ("code", "%%solution echo\napp = 2\n"),
        ("code", "%%solution lifecycle\napp = 4\n"),
    ]
    put(tmp_path, {"ada/my notebook.ipynb": notebook(*cells)})
    entries, _ = collect(tmp_path)
    assert [(entry.exercise, entry.source, entry.note) for entry in entries] == [
        ("echo", b"app = 2\n", "the last of 2 cells %%solution echo was judged"),
        ("lifecycle", b"app = 4\n", ""),
    ]


@pytest.mark.parametrize(
    ("files", "exercise", "said"),
    [
        (
            {"ada/echo.ipynb": notebook(("code", "app = 1"))},
            None,
            "echo.ipynb has no solution cell of 'echo'.\n"
            "Expected: a code cell whose first line is %%solution echo.\n"
            "Try: put that line at the top of the cell with the solution, or hand in echo.py.",
        ),
        ({"ada.ipynb": notebook(("code", "app = 1"))}, "echo", "ada.ipynb has no solution cell of 'echo'."),
        (
            {"ada/echo.ipynb": notebook(("code", "app = 1"))[:-30]},
            None,
            "echo.ipynb is no complete notebook: it is cut off or damaged.\n"
            "Expected: JSON, as Jupyter saves it.\n"
            "Try: ask for it again, or for the solution as a .py file.",
        ),
        ({"ada/echo.ipynb": "[" * 100_000}, None, "echo.ipynb is no complete notebook"),
        ({"ada/echo.ipynb": b"\xff{}"}, None, "echo.ipynb is not UTF-8."),
        ({"ada/echo.ipynb": '{"worksheets": []}'}, None, "echo.ipynb has no list of cells."),
        ({"ada/readme.txt": "x"}, None, "ada holds no submission.\nExpected: chat.py, chat.ipynb, or"),
        ({"ada/a.py": "x", "ada/b.py": "y"}, "echo", "ada holds no submission of 'echo'."),
        ({"ada.py": "x"}, None, "ada.py does not say for which exercise it is."),
        ({"ada.zip": b"no archive"}, None, "ada.zip is no zip archive that could be read"),
        (
            {"ada/echo.py": "x = 1\n", "ada/echo.ipynb": notebook(("code", "%%solution echo\napp = 1"))},
            None,
            "There are 2 different submissions: ada/echo.py, ada/echo.ipynb.\n"
            "Expected: one.\n"
            "Try: remove all but the one that counts, and run this again.",
        ),
        ({"ada.py": "x = 1\n", "ada.ipynb": notebook(("code", "%%solution echo\ny"))}, "echo", "There are 2"),
    ],
)
def test_what_cannot_be_judged_is_told_with_what_to_do(tmp_path, files, exercise, said):
    assert problem_of(put(tmp_path, files), exercise).startswith(said)


def test_the_same_submission_twice_is_one(tmp_path):
    put(
        tmp_path,
        {"ada/echo.py": "app = 1\n", "ada/copy.ipynb": notebook(("code", "%%solution echo\napp = 1\n"))},
    )
    assert only(tmp_path).problem == ""


@pytest.mark.parametrize(
    "beside",
    [
        {
            "notebooks/echo.ipynb": notebook(
                ("code", "%%solution echo\n" + find_exercise("echo").starter.read_text(encoding="utf-8"))
            )
        },
        {
            "exercises/echo/solution_cell.py": SOURCE,
            "notebooks/echo.ipynb": notebook(("code", "%%solution echo\n" + SOURCE.rstrip())),
        },
        {"labkit/apps/echo.py": "app = 2\n", "tests/echo.py": "app = 3\n"},
        {"Untitled.ipynb": ""},
    ],
    ids=["starter in its cell", "cell without last line break", "kit", "empty notebook"],
)
def test_what_a_workspace_holds_beside_the_solution_does_no_harm(tmp_path, beside):
    entry = only(put(tmp_path / "ada", {"exercises/echo/solution.py": SOURCE, **beside}).parent)
    assert (entry.problem, entry.source) == ("", SOURCE.encode())


def test_empty_lines_above_the_magic_are_passed_over(tmp_path):
    put(tmp_path, {"ada/mine.ipynb": notebook(("code", "\n  \n%%solution echo\n" + SOURCE))})
    assert only(tmp_path).source == SOURCE.encode()


def refusing(opener, refused):
    def open_unless_refused(path, *args, **options):
        if os.fspath(path) == os.fspath(refused):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return opener(path, *args, **options)

    return open_unless_refused


@pytest.mark.skipif(sys.platform == "win32", reason="makes links and FIFOs as POSIX has them")
@pytest.mark.parametrize("kind", ["link", "linked folder", "fifo", "unreadable", "dangling"])
def test_what_is_no_file_of_its_own_is_not_opened(tmp_path, monkeypatch, kind):
    secret = tmp_path / "secret"
    put(secret, {"echo.py": "SECRET = 1\n"})
    folder = tmp_path / "class"
    put(folder, {"ben/echo.py": SOURCE})
    (folder / "ada").mkdir()
    path = folder / "ada" / "echo.py"
    if kind == "link":
        path.symlink_to(secret / "echo.py")
    elif kind == "linked folder":
        (folder / "ada").rmdir()
        (folder / "ada").symlink_to(secret)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.touch(mode=0)
        if os.geteuid() == 0:  # who may read everything, so the system's answer has to be given for it
            monkeypatch.setattr(bundle.os, "open", refusing(os.open, path))
    entries, problems = collect(folder)
    assert [entry.student for entry in entries if not entry.problem] == ["ben"]
    told = [entry.problem for entry in entries if entry.problem] + [problem.message for problem in problems]
    assert len(told) == 1
    assert b"SECRET" not in b"".join(entry.source for entry in entries)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../echo.py", "names a file outside of itself: ../../echo.py."),
        ("/etc/echo.py", "names a file outside of itself"),
        ("..\\..\\echo.py", "names a file outside of itself"),
        ("C:\\echo.py", "names a file outside of itself"),
    ],
)
def test_an_archive_that_leads_out_is_refused(tmp_path, name, said):
    zipped(tmp_path / "class" / "ada.zip", {name: SOURCE})
    assert said in problem_of(tmp_path / "class")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["ada.zip", "class"]


def test_an_archive_that_blows_up_is_refused(tmp_path):
    zipped(tmp_path / "ada.zip", {"echo.py": b"#" * (bundle.MAX_ARCHIVE_BYTES + 1)})
    assert (tmp_path / "ada.zip").stat().st_size < 200_000
    assert "ada.zip would unpack to more than 100 MiB." in problem_of(tmp_path)


def test_an_archive_that_lies_about_its_size_is_read_no_further_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "MAX_READ_BYTES", 1000)
    zipped(tmp_path / "ada.zip", {"echo.py": b"#" * 5000})
    data = bytearray((tmp_path / "ada.zip").read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "ada.zip").write_bytes(bytes(data))
    assert ZipBundle(tmp_path / "ada.zip").names() == ["echo.py"]
    told = problem_of(tmp_path)
    assert "has more than" in told or "is damaged" in told


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
        link = zipfile.ZipInfo("echo.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "echo.py, is a symbolic link, which is not followed." in problem_of(tmp_path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_any_limit_is_not_unpacked(tmp_path, monkeypatch, compression):
    with zipfile.ZipFile(tmp_path / "ada.zip", "w", compression) as archive:
        archive.writestr("echo.py", SOURCE)
    monkeypatch.setattr(bundle.zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    assert problem_of(tmp_path) == (
        "ada.zip, echo.py, is packed in an unusual way.\nExpected: an ordinary zip archive."
    )


def test_a_name_in_an_archive_that_is_no_utf_8_stops_nobody_else(tmp_path):
    put(tmp_path, {"ben/echo.py": SOURCE})
    zipped(tmp_path / "ada.zip", {"é/echo.py": SOURCE})
    data = (tmp_path / "ada.zip").read_bytes()
    (tmp_path / "ada.zip").write_bytes(data.replace("é".encode(), b"\xff\xff", 1))
    (ada, ben), problems = collect(tmp_path)
    assert ada.problem.startswith("ada.zip, é/echo.py, is damaged: ")
    assert (ben.problem, problems) == ("", [])


@pytest.mark.skipif(sys.platform == "win32", reason="makes links as POSIX has them")
def test_a_link_to_a_name_that_is_too_long_stops_nobody_else(tmp_path):
    put(tmp_path, {"ben/echo.py": SOURCE})
    (tmp_path / "ada").symlink_to("x" * 300)
    entries, problems = collect(tmp_path)
    assert [(entry.student, entry.problem) for entry in entries] == [("ben", "")]
    assert [problem.student for problem in problems] == ["ada"]


def test_a_hundred_thousand_files_are_not_looked_through(tmp_path):
    folder = tmp_path / "ada"
    folder.mkdir()
    for number in range(MAX_FILES + 1):
        (folder / f"{number}.txt").touch()
    assert f"ada holds more than {MAX_FILES} files." in problem_of(tmp_path)
    with pytest.raises(SubmissionError):
        FolderBundle(folder).names()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["a\nda", "a\x1b[2Jda", "=cmd|' /C calc'!A0", "-rf", "a\u202eda", "x" * 200])
def test_an_odd_name_is_judged_and_shown_safely(tmp_path, name):
    entry = only(put(tmp_path, {f"{name}/echo.py": SOURCE}))
    assert entry.problem == ""
    assert entry.student.isprintable()
    assert len(entry.student) < 200


def test_a_name_that_is_no_utf_8_is_judged_too(tmp_path):
    folder = os.fsencode(tmp_path) + b"/ad\xff"
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with open(folder + b"/echo.py", "wb") as file:
        file.write(SOURCE.encode())
    assert only(tmp_path).student == "ad\\udcff"


def test_what_lies_about_is_no_student(tmp_path):
    put(tmp_path, {"ada/echo.py": SOURCE, "grades.csv": "x", ".DS_Store": "x", "ada/.git/echo.py": "y"})
    assert only(tmp_path).student == "ada"


def test_a_class_that_is_none_is_refused(tmp_path):
    with pytest.raises(LabError, match="holds no submissions"):
        collect(tmp_path)
    with pytest.raises(LabError, match="cannot be read: No such file or directory"):
        collect(tmp_path / "nowhere")
    with pytest.raises(UnknownName, match="'echo' - is that what you meant"):
        collect(tmp_path, "ecco")
