"""A wheel carries the course, and makes a workspace from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NEEDED = (".gitignore", "LICENSE", "README.md", "exercises", "labkit", "notebooks", "pyproject.toml")
LEFT_BEHIND = (  # what lies about in a checkout that somebody works in
    "exercises/echo/solution.py",
    "exercises/echo/solution_cell.py",
    "exercises/echo/__pycache__/starter.cpython-311.pyc",
    "notebooks/.ipynb_checkpoints/00_start_here-checkpoint.ipynb",
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a copy of the project, and unpack it as an installer does."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    project, site = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("site")
    for name in NEEDED:
        source = PROJECT / name
        if source.is_dir():  # without what other tests that run beside this one write into it
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / name)
    for name in LEFT_BEHIND:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("left behind")
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(project / "out"),
        str(project),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    (wheel,) = (project / "out").glob("labkit-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run_from(site: Path, here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(site), "HOME": str(here)},
        cwd=here,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def course_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for name in ("notebooks", "exercises")
        for path in (folder / name).rglob("*")
        if path.is_file()
    }


def test_the_wheel_carries_the_whole_course_and_nothing_left_behind(unpacked: Path) -> None:
    carried = course_in(unpacked / "labkit" / "_course")
    assert {"exercises/catalogue.toml", "exercises/echo/task.md", "notebooks/00_start_here.ipynb"} <= carried
    assert carried.isdisjoint(LEFT_BEHIND)


def test_init_from_the_wheel_makes_a_workspace(unpacked: Path, tmp_path: Path) -> None:
    where = run_from(unpacked, tmp_path, "-c", "import labkit; print(labkit.__file__)")
    assert where.stdout.strip() == str(unpacked / "labkit" / "__init__.py")  # not the checkout's
    result = run_from(unpacked, tmp_path, "-m", "labkit", "init", "my-course")
    files = course_in(unpacked / "labkit" / "_course")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"The course is in {tmp_path / 'my-course'}: {len(files)} added.\n"
    assert course_in(tmp_path / "my-course") == files


def test_lab_from_the_wheel_makes_a_workspace_where_there_is_none(unpacked: Path, tmp_path: Path) -> None:
    code = "from labkit.course.jupyterlab import choose_workspace; print(choose_workspace(None)[0])"
    for _ in range(2):  # the second time it is there
        assert run_from(unpacked, tmp_path, "-c", code).stdout == f"{tmp_path / 'labkit-course'}\n"
        (tmp_path / "labkit-course" / "notebooks").is_dir()
