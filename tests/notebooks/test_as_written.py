"""What can be seen of a notebook without running it."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from labkit.course import course_root
from labkit.grader import exercise_names

NOTEBOOKS = course_root() / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
SHOWS = Path(__file__).parent / "shows"
MAX_CODE_LINES = 18


def read(name: str):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def prose(name: str) -> str:
    return "\n\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")


def test_there_are_notebooks():
    assert NAMES[:5] == ["00_start_here", "01_echo", "02_lifecycle", "03_chat", "04_dashboard"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_valid_and_stores_no_output(name):
    notebook = read(name)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_opens_with_a_verb_what_you_need_and_the_minutes(name):
    first = read(name).cells[0].source
    title = first.splitlines()[0]
    assert title.startswith("# ")
    assert title.split()[1] in {"Start", "Build", "Follow", "Grow", "Feed", "Guard", "Share", "Hunt", "Draw"}
    for part in ("**What you will build:**", "**You will be able to**", "**You need:**", "**Time:**"):
        assert part in first


@pytest.mark.parametrize("name", NAMES)
def test_the_headings_skip_no_level_and_there_is_one_title(name):
    levels = [len(mark) for mark in re.findall(r"^(#+) ", prose(name), re.M)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", NAMES)
def test_every_prediction_is_revealed(name):
    code = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "code")
    asked = set(re.findall(r'predict\("([\w.]+)"', code))
    revealed = set(re.findall(r'predict\.reveal\("([\w.]+)"', code))
    assert asked == revealed


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_folded_away_while_one_predicts(name):
    """JupyterLab shows a folded cell's first line, so nothing of the answer may stand in it."""
    for cell in read(name).cells:
        if "predict.reveal(" in cell.source:
            assert cell.metadata.get("jupyter") == {"source_hidden": True}, cell.id
            assert cell.source.startswith("# what came of it, and why\n"), cell.id


@pytest.mark.parametrize("name", NAMES)
def test_what_every_prediction_comes_to_is_asserted(name):
    """The text tells what breaks and what mends it; a run of the notebook must show just that."""
    shows = tomllib.loads((SHOWS / f"{name}.toml").read_text(encoding="utf-8"))
    code = {cell.id: cell.source for cell in read(name).cells if cell.cell_type == "code"}
    assert shows.keys() <= code.keys()
    for cell, source in code.items():
        if "predict.reveal(" in source:
            assert re.fullmatch(r"Observed: [A-Z]\\\.", shows.get(cell, "")), cell


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)", prose(name)):
        assert (NOTEBOOKS / target).is_file(), target


@pytest.mark.parametrize(("name", "next_name"), [*itertools.pairwise(NAMES)])
def test_the_last_cell_leads_to_the_next_notebook(name, next_name):
    assert f"]({next_name}.ipynb)" in read(name).cells[-1].source


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_holds_one_idea(name):
    for cell in read(name).cells:
        if cell.cell_type == "code" and not cell.source.startswith("%%solution"):
            assert len(cell.source.splitlines()) <= MAX_CODE_LINES, cell.id
            ast.parse(cell.source)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_ends_with_nothing_listening(name):
    code = [cell.source for cell in read(name).cells if cell.cell_type == "code"]
    assert "stop_all()" in code[-1]


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_cell_is_the_starter(name):
    for cell in read(name).cells:
        if cell.source.startswith("%%solution"):
            magic, _, source = cell.source.partition("\n")
            starter = (course_root() / "exercises" / magic.split()[1] / "starter.py").read_text(
                encoding="utf-8"
            )
            assert without_docstring(source) == without_docstring(starter)


def without_docstring(source: str) -> str:
    tree = ast.parse(source)
    if ast.get_docstring(tree) is not None:
        del tree.body[0]
    return ast.dump(tree)


@pytest.mark.parametrize("exercise", exercise_names())
def test_no_right_solution_is_in_the_learners_folders(exercise):
    """Neither a notebook nor an exercise's folder gives an answer away."""
    tests_root = Path(__file__).parent.parent
    answers = list((tests_root / "submissions" / exercise / "right").glob("*.py"))
    assert answers
    folders = [NOTEBOOKS, course_root() / "exercises"]
    shown = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in {".py", ".md"}
    ) + "\n".join(cell.source for name in NAMES for cell in read(name).cells)
    for answer in answers:
        assert answer.read_text(encoding="utf-8").strip() not in shown, answer.name


@pytest.mark.parametrize("name", NAMES)
def test_every_plot_is_told_in_words(name):
    """Plots are drawn by `draw(..., alt=...)`, which refuses an empty one; pyplot's pictures have no words."""
    for cell in read(name).cells:
        if cell.cell_type == "code":
            assert "pyplot" not in cell.source, cell.id
            assert cell.source.count("draw(plot") == cell.source.count("draw(plot, alt="), cell.id
        else:
            assert "![](" not in cell.source, cell.id
