"""Where the course is."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.course import locate
from labkit.course.locate import course_root, workspace_root
from labkit.errors import LabError


def make_course(root: Path) -> Path:
    (root / "exercises").mkdir(parents=True)
    (root / "exercises" / "catalogue.toml").write_text("")
    return root


def test_a_wheel_carries_the_course_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "labkit"
    inside = make_course(package / "_course")
    monkeypatch.setattr(locate, "PACKAGE", package)
    assert course_root() == inside


def test_a_checkout_has_the_course_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_course(tmp_path)
    monkeypatch.setattr(locate, "PACKAGE", tmp_path / "labkit")
    assert course_root() == tmp_path


def test_an_installation_without_a_course_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "PACKAGE", tmp_path / "labkit")
    with pytest.raises(LabError) as caught:
        course_root()
    assert str(caught.value) == (
        f"This installation of labkit in {tmp_path / 'labkit'} carries no course.\n"
        "Expected: exercises/catalogue.toml in the package or in the checkout around it.\n"
        "Try: install labkit again, from its wheel or with `pip install -e .` in a complete checkout."
    )


def test_the_workspace_is_the_nearest_course_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_course(tmp_path)
    inner = make_course(tmp_path / "inner")
    deep = inner / "notebooks" / "deep"
    deep.mkdir(parents=True)
    assert workspace_root(deep) == inner
    monkeypatch.chdir(deep)
    assert workspace_root() == inner
    assert workspace_root(tmp_path / "inner" / "..") == tmp_path


def test_outside_a_course_there_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "exercises").mkdir()  # the folder alone makes no course
    assert workspace_root(tmp_path) is None
