"""`labkit init`: the learner's copy of the course."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labkit.course import workspace
from labkit.course.workspace import Action, Report, decide, init
from labkit.errors import LabError

NOTEBOOK = Path("notebooks/01_echo.ipynb")
STARTER = Path("exercises/echo/starter.py")
CATALOGUE = Path("exercises/catalogue.toml")


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small course that the tests may change."""
    root = tmp_path / "installed"
    for file, text in {NOTEBOOK: "{1}", STARTER: "# starter 1\n", CATALOGUE: "[echo]\n"}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    monkeypatch.setattr(workspace, "course_root", lambda: root)
    return root


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine"


def everything_in(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".labkit" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def counts(report: Report) -> tuple[int, int, int, int, int]:
    return (
        len(report.added),
        len(report.updated),
        len(report.up_to_date),
        len(report.kept),
        len(report.beside),
    )


@pytest.mark.parametrize(
    ("mine", "course", "copied", "action"),
    [
        (None, "1", None, Action.ADD),
        (None, "1", "1", Action.ADD),  # the learner deleted it: that is how to get a fresh one
        ("1", "1", None, Action.LEAVE),
        ("1", "1", "0", Action.LEAVE),
        ("1", "2", "1", Action.UPDATE),
        ("my", "1", "1", Action.KEEP),
        ("my", "2", "1", Action.KEEP_BESIDE_NEW),
        ("my", "1", None, Action.KEEP_BESIDE_NEW),  # never say "unchanged" without knowing it
    ],
)
def test_what_happens_to_a_file(mine: str | None, course: str, copied: str | None, action: Action) -> None:
    assert decide(mine, course, copied) is action


def test_init_copies_the_course_into_a_new_folder(course: Path, mine: Path) -> None:
    report = init(mine / "deep")
    assert everything_in(mine / "deep") == everything_in(course)
    assert report.render_text() == f"The course is in {mine / 'deep'}: 3 added."


def test_init_in_a_folder_that_is_there_leaves_what_is_in_it(course: Path, mine: Path) -> None:
    mine.mkdir()
    (mine / "diary.txt").write_text("mine")
    init(mine)
    assert (mine / "diary.txt").read_text() == "mine"
    assert (mine / NOTEBOOK).read_text() == "{1}"


def test_init_again_changes_nothing(course: Path, mine: Path) -> None:
    init(mine)
    before = {
        path: path.stat().st_mtime_ns for path in mine.rglob("*") if path.is_file() and path.suffix != ".json"
    }
    report = init(mine)
    assert counts(report) == (0, 0, 3, 0, 0)
    assert report.render_text() == f"The course is in {mine}: 3 up to date."
    course_only = {path: at for path, at in before.items() if ".labkit" not in path.parts}
    assert {path: path.stat().st_mtime_ns for path in course_only} == course_only


def test_a_changed_file_is_kept_and_nothing_is_put_beside_it_while_the_course_is_the_same(
    course: Path, mine: Path
) -> None:
    init(mine)
    (mine / STARTER).write_text("# my work\n")
    report = init(mine)
    assert (mine / STARTER).read_text() == "# my work\n"
    assert counts(report) == (0, 0, 2, 1, 0)
    assert not list(mine.rglob("*.new"))


def test_a_new_version_is_put_beside_a_changed_file(course: Path, mine: Path) -> None:
    init(mine)
    (mine / STARTER).write_text("# my work\n")
    (course / STARTER).write_text("# starter 2\n")
    report = init(mine)
    assert (mine / STARTER).read_text() == "# my work\n"
    assert (mine / "exercises/echo/starter.py.new").read_text() == "# starter 2\n"
    assert report.render_text() == (
        f"The course is in {mine}: 2 up to date, 1 kept yours.\n"
        "  exercises/echo/starter.py.new is new in the course; yours stays beside it."
    )


def test_a_new_version_is_offered_once(course: Path, mine: Path) -> None:
    init(mine)
    (mine / STARTER).write_text("# my work\n")
    (course / STARTER).write_text("# starter 2\n")
    init(mine)
    (mine / "exercises/echo/starter.py.new").unlink()
    assert counts(init(mine)) == (0, 0, 2, 1, 0)
    assert not list(mine.rglob("*.new"))


def test_a_later_version_replaces_an_untouched_new_file_but_not_a_changed_one(
    course: Path, mine: Path
) -> None:
    beside = mine / "exercises/echo/starter.py.new"
    init(mine)
    (mine / STARTER).write_text("# my work\n")
    (course / STARTER).write_text("# starter 2\n")
    init(mine)
    (course / STARTER).write_text("# starter 3\n")
    init(mine)
    assert beside.read_text() == "# starter 3\n"
    beside.write_text("# merged by me\n")
    (course / STARTER).write_text("# starter 4\n")
    init(mine)
    assert beside.read_text() == "# merged by me\n"


def test_a_file_that_the_learner_never_touched_follows_the_course(course: Path, mine: Path) -> None:
    init(mine)
    (course / NOTEBOOK).write_text("{2}")
    report = init(mine)
    assert (mine / NOTEBOOK).read_text() == "{2}"
    assert counts(report) == (0, 1, 2, 0, 0)


@pytest.mark.parametrize("record", [None, "", "[]", '{"files": 3}', '{"files": {"a": 1}}'])
def test_without_a_readable_record_every_difference_counts_as_the_learners(
    course: Path, mine: Path, record: str | None
) -> None:
    init(mine)
    path = mine / ".labkit" / "course.json"
    path.unlink() if record is None else path.write_text(record)
    (course / NOTEBOOK).write_text("{2}")
    report = init(mine)
    assert (mine / NOTEBOOK).read_text() == "{1}"
    assert counts(report) == (0, 0, 2, 1, 1)


def test_a_deleted_file_comes_back(course: Path, mine: Path) -> None:
    init(mine)
    (mine / STARTER).unlink()
    assert counts(init(mine)) == (1, 0, 2, 0, 0)


@pytest.mark.parametrize(
    "unwanted",
    [
        "exercises/echo/__pycache__/starter.cpython-311.pyc",
        "notebooks/.ipynb_checkpoints/01_echo-checkpoint.ipynb",
        "exercises/echo/solution.py",
        "exercises/echo/solution_cell.py",
        "exercises/.DS_Store",
        "exercises/echo/starter.py.new",
    ],
)
def test_caches_hidden_files_and_solutions_are_never_copied(course: Path, mine: Path, unwanted: str) -> None:
    (course / unwanted).parent.mkdir(parents=True, exist_ok=True)
    (course / unwanted).write_text("no")
    init(mine)
    assert len(everything_in(mine)) == 3


def test_a_learners_solution_is_not_touched(course: Path, mine: Path) -> None:
    init(mine)
    (mine / "exercises/echo/solution.py").write_text("app = 1")
    init(mine)
    assert (mine / "exercises/echo/solution.py").read_text() == "app = 1"


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(course: Path, mine: Path) -> None:
    mine.write_text("I am a file")
    with pytest.raises(LabError) as caught:
        init(mine)
    assert str(caught.value) == (
        f"{mine} is a file.\nExpected: a folder, or a name that is still free.\nTry: labkit init my-course"
    )
    assert mine.read_text() == "I am a file"


def test_a_file_in_the_place_of_a_folder_of_the_course_is_a_clear_error(course: Path, mine: Path) -> None:
    mine.mkdir()
    (mine / "exercises").write_text("I am a file")
    with pytest.raises(LabError, match=rf"^The course cannot be copied to {mine}: .*exercises"):
        init(mine)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no folder that this test knows to be read-only")
def test_a_folder_without_write_permission_is_a_clear_error(course: Path, mine: Path) -> None:
    # Root may write to every folder but those that the kernel makes up.
    folder = mine if os.geteuid() else Path("/proc/labkit-course")
    if folder == mine:
        mine.mkdir(mode=0o500)
    reason = "Permission denied" if folder == mine else "No such file or directory"
    with pytest.raises(LabError, match=rf"^The course cannot be copied to {folder}: {reason}"):
        init(folder)


def test_a_disk_that_cannot_be_written_is_a_clear_error_and_leaves_no_half_file(
    course: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(LabError) as caught:
        init(mine)
    assert caught.value.happened == (
        f"The course cannot be copied to {mine}: No space left on device ({mine / '.labkit' / '.gitignore'})."
    )
    assert everything_in(mine) == {}
    assert list((mine / ".labkit").iterdir()) == []


@pytest.mark.parametrize("inside", [".", "notebooks", "notebooks/deep", "exercises/echo"])
def test_the_course_is_not_copied_into_itself(course: Path, inside: str) -> None:
    before = everything_in(course)
    with pytest.raises(LabError, match=r"belongs to labkit itself\.\nExpected: a folder of your own"):
        init(course / inside)
    assert everything_in(course) == before


def test_the_course_is_not_copied_into_the_package(course: Path) -> None:
    with pytest.raises(LabError, match=r"belongs to labkit itself"):
        init(workspace.PACKAGE / "course")


def test_a_workspace_in_a_checkout_beside_the_course_is_fine(course: Path) -> None:
    assert counts(init(course / "mine")) == (3, 0, 0, 0, 0)
    assert not (course / "mine" / "mine").exists()
