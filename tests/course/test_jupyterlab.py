"""What `labkit lab` decides before JupyterLab starts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jupyterlab.commands
import pytest
from jupyter_client.kernelspec import NoSuchKernel

from labkit.course import jupyterlab as course_jupyterlab
from labkit.course import workspace
from labkit.course.jupyterlab import CourseLab, choose_workspace
from labkit.course.kernels import OwnKernelOnly
from labkit.errors import LabError


def make_course(root: Path) -> Path:
    (root / "exercises").mkdir(parents=True)
    (root / "exercises" / "catalogue.toml").write_text("")
    return root


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course that lies inside the package, as in a wheel."""
    package = tmp_path / "site-packages" / "labkit"
    root = make_course(package / "_course")
    for module in (course_jupyterlab, workspace):
        monkeypatch.setattr(module, "course_root", lambda: root)
        monkeypatch.setattr(module, "PACKAGE", package)
    return root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_a_folder_that_is_a_course_is_taken_as_it_is(wheel: Path, here: Path) -> None:
    mine = make_course(here / "mine")
    assert choose_workspace(Path("mine")) == (mine, None)


def test_a_folder_without_a_course_gets_one(wheel: Path, here: Path) -> None:
    root, report = choose_workspace(Path("mine"))
    assert root == here / "mine"
    assert report is not None
    assert report.added == [Path("exercises/catalogue.toml")]


def test_without_a_folder_it_is_the_course_around(
    wheel: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make_course(here / "mine")
    monkeypatch.chdir(mine / "exercises")
    assert choose_workspace(None) == (mine, None)


def test_outside_any_course_a_wheel_makes_one(wheel: Path, here: Path) -> None:
    root, report = choose_workspace(None)
    assert root == here / "labkit-course"
    assert report is not None
    assert choose_workspace(root) == (root, None)  # the next time it is there


def test_outside_any_course_a_checkout_is_its_own(
    tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = make_course(tmp_path / "checkout")
    monkeypatch.setattr(course_jupyterlab, "course_root", lambda: checkout)
    monkeypatch.setattr(course_jupyterlab, "PACKAGE", checkout / "labkit")
    assert choose_workspace(None) == (checkout, None)


def test_the_only_kernel_is_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kernels" / "python3").mkdir(parents=True)
    (tmp_path / "kernels" / "python3" / "kernel.json").write_text(
        '{"argv": ["/nowhere"], "display_name": "x"}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    kernels = OwnKernelOnly()
    argv = kernels.get_kernel_spec("python3").argv
    assert argv[0] == sys.executable
    assert "--ext=labkit" in argv
    assert list(kernels.get_all_specs()) == ["python3"]
    with pytest.raises(NoSuchKernel):
        kernels.get_kernel_spec("julia")


@pytest.fixture
def kept_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what CourseLab does to the environment variables."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_a_missing_jupyterlab_is_a_clear_error(
    here: Path, monkeypatch: pytest.MonkeyPatch, kept_environment: None
) -> None:
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    with pytest.raises(LabError) as caught:
        CourseLab(here)
    assert caught.value.happened.startswith(f"JupyterLab cannot start in {sys.prefix}: ModuleNotFoundError: ")
    assert caught.value.hint == (
        'python -m pip install --force-reinstall "jupyterlab>=4.4", or ask `labkit doctor`.'
    )


def test_a_jupyterlab_without_its_page_is_a_clear_error(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_environment: None
) -> None:
    monkeypatch.setattr(jupyterlab.commands, "get_app_dir", lambda: str(tmp_path))
    with pytest.raises(LabError, match=r"its page .*index\.html is missing\."):
        CourseLab(here)


def test_its_settings_are_the_courses_own_and_not_for_git(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_environment: None
) -> None:
    os.environ.update({"JUPYTER_TOKEN": "", "JUPYTERLAB_SETTINGS_DIR": "/elsewhere"})
    monkeypatch.setattr(jupyterlab.commands, "get_app_dir", lambda: str(tmp_path))
    with pytest.raises(LabError):
        CourseLab(here)
    state = here / ".labkit" / "jupyterlab"
    assert os.environ["JUPYTER_CONFIG_DIR"] == str(state)
    assert not {"JUPYTER_TOKEN", "JUPYTERLAB_SETTINGS_DIR"} & set(os.environ)
    assert (here / ".labkit" / ".gitignore").read_text() == "*\n"
    settings = json.loads((state / "labconfig" / "default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"] == {
        "fetchNews": "false",
        "checkForUpdates": False,
    }
