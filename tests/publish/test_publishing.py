"""`labkit dev publish`: every notebook executed, as pages that stand alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from bs4 import BeautifulSoup
from IPython.display import Code

from labkit.cli.publishing import publish_course
from labkit.course import workspace
from labkit.errors import LabError
from labkit.publish import publishing
from labkit.publish.execution import NotebookFailed
from labkit.publish.page import Summary, notebook_page
from labkit.publish.publishing import publish

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
INTRO = """# {title}

**What you will build:** a `thing` of [one](a_one.ipynb) kind.

**Time:** reading 3 minutes, doing
4.
"""


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a course of the test's own; return add(name, cell, ...), which adds a notebook to it."""
    root = tmp_path / "installed"
    for file in ("notebooks/images/dot.png", "exercises/catalogue.toml"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("")
    for module in (publishing, workspace):
        monkeypatch.setattr(module, "course_root", lambda: root)

    def add(name: str, *cells: str, intro: str = INTRO, without_words: bool = False) -> None:
        notebook = nbformat.v4.new_notebook()
        if not without_words:
            notebook.cells = [nbformat.v4.new_markdown_cell(intro.format(title=f"Make {name}"))]
        for number, source in enumerate(cells, 1):
            notebook.cells.append(nbformat.v4.new_code_cell(source, id=f"cell-{number}"))
        nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")

    return add


@pytest.fixture
def unexecuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the kernels out: a notebook is published as it is, one called bad fails."""

    async def execute(name: str, folder: Path, *, limit_s: float) -> Any:
        if name == "bad":
            raise NotebookFailed("bad failed in cell 'x', which begins with  1 / 0: ZeroDivisionError: no")
        workspace.init(folder / "course")
        return nbformat.read(folder / "course" / "notebooks" / f"{name}.ipynb", as_version=4)

    monkeypatch.setattr(publishing, "execute", execute)


def loads(page: str) -> list[str]:
    """Return everything that a browser would fetch to show the page."""
    soup = BeautifulSoup(page, "html.parser")
    tags = soup.find_all(["script", "link", "iframe", "object", "embed", "video", "audio", "source", "base"])
    pictures = [str(tag["src"]) for tag in soup.find_all(src=True) if not str(tag["src"]).startswith("data:")]
    styles = re.findall(r"@import[^;]*|url\((?!data:)[^)]*\)", page)
    return [*map(str, tags), *pictures, *styles]


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.slow
def test_notebooks_are_executed_and_one_that_fails_costs_the_others_nothing(add, tmp_path, capsys):
    add(
        "a_one",
        "from labkit import serve\nlab = serve('echo')\nlab",
        "lab.show()",
        f"print('saw token={TOKEN}', __import__('os').getcwd())",
        f"from IPython.display import HTML\nHTML('<b>{TOKEN}</b><script>alert(1)</script>')",
        "1 + 41",
    )
    add("b_two", "ghost()", intro=INTRO + "[back](a_one.ipynb) · [away](https://example.org/) · ![](x.png)")
    add("c_three", "x = 3\nx", intro=INTRO + "[back](a_one.ipynb) · [away](https://example.org/)")
    before = children()
    site = tmp_path / "site"

    assert publish_course(site, [], limit_s=60) == 1

    told = capsys.readouterr()
    assert "b_two failed in cell 'cell-1', which begins with  ghost(): NameError: name 'ghost'" in told.err
    assert {"a_one: running", "b_two: failed", "c_three: running"} <= set(told.err.splitlines())
    assert told.out == f"2 lessons, 1 failed: {site / 'index.html'}\n"
    assert sorted(path.name for path in site.glob("*.html")) == ["a_one.html", "c_three.html", "index.html"]
    one, three, index = ((site / f"{n}.html").read_text("utf-8") for n in ("a_one", "c_three", "index"))
    assert [loads(page) for page in (one, three, index)] == [[], [], []]
    assert "Out[5]:" in one
    assert ">42<" in one.replace("\n", "")
    assert "Here is a live page in the notebook: echo." in one
    assert 'href="http://127.0.0.1' not in one
    assert one.count(TOKEN) == 2  # in the lesson's own code, which is everybody's
    assert "token=[hidden] labkit-course/notebooks" in one
    assert "<b>[hidden]</b>" in one
    assert str(tmp_path) not in one
    assert '<a href="a_one.html">back</a>' in three
    assert '<a href="https://example.org/" rel="noopener noreferrer">away</a>' in three
    assert '<a href="a_one.html">Make a_one</a>' in index
    assert "You build a thing of one kind." in index
    assert "reading 3 minutes, doing 4" in index
    assert "Make b_two" in index
    assert "b_two.html" not in index
    assert "It did not run to its end" in index
    assert children() <= before


@pytest.mark.slow
def test_a_notebook_that_hangs_is_given_up_and_its_kernel_ends(add, tmp_path):
    add("hangs", "import time\ntime.sleep(600)", without_words=True)
    before = children()
    published = publish(tmp_path / "site", limit_s=3)
    assert str(published.failures["hangs"]) == (
        "hangs did not end within 3 s: it was in cell 'cell-1', which begins with  import time.\n"
        "Try: run it in `labkit lab`, or give it more time with --limit."
    )
    assert children() <= before


@pytest.mark.usefixtures("unexecuted")
def test_a_second_run_replaces_what_the_first_made_and_nothing_else(add, tmp_path):
    add("a_one")
    add("b_two")
    site = tmp_path / "deep" / "site"
    publish(site)
    (site / "mine.html").write_text("mine")
    publish(site, ["a_one"])
    assert sorted(path.name for path in site.glob("*.html")) == ["a_one.html", "index.html", "mine.html"]
    add("a_one", "changed")
    publish(site)
    assert "changed" in (site / "a_one.html").read_text("utf-8")
    assert (site / "mine.html").read_text() == "mine"


@pytest.mark.usefixtures("unexecuted")
@pytest.mark.parametrize("name", ["index.html", "a_one.html"])
def test_a_file_of_somebody_else_stops_it_before_anything_runs(add, tmp_path, name):
    add("a_one")
    publish(tmp_path / "site")
    (tmp_path / "site" / name).write_text("changed by hand")
    with pytest.raises(LabError, match=rf"holds {re.escape(name)}, which labkit did not write or somebody"):
        publish(tmp_path / "site")
    assert (tmp_path / "site" / name).read_text() == "changed by hand"


@pytest.mark.usefixtures("unexecuted")
def test_pages_of_a_notebook_that_fails_now_are_removed(add, tmp_path):
    add("good")
    publish(tmp_path / "site")
    add("bad")
    published = publish(tmp_path / "site")
    assert list(published.failures) == ["bad"]
    assert [path.name for path in published.pages] == ["good.html", "index.html"]


@pytest.mark.usefixtures("unexecuted")
def test_a_folder_that_is_a_file_and_a_name_that_is_no_notebook_are_told(add, tmp_path):
    add("a_one")
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"The pages cannot be written to .*file: File exists"):
        publish(tmp_path / "file")
    with pytest.raises(LabError, match=r"There is no notebook called 'a_on'.\n.*\nTry: 'a_one'"):
        publish(tmp_path / "site", ["a_on"])
    assert not (tmp_path / "site").exists()


def page_with(output: Any) -> str:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell("look()", id="looks", outputs=[output], execution_count=1)]
    return notebook_page(
        Summary("x", "X", "", ""), notebook, published=["x"], places={}, folder=str(Path.cwd())
    )


def test_a_picture_without_a_description_is_a_fault_and_with_one_is_embedded():
    with pytest.raises(NotebookFailed, match="x shows a picture without a description in cell 'looks'"):
        page_with(nbformat.v4.new_output("display_data", data={"image/png": PIXEL}))
    page = page_with(
        nbformat.v4.new_output(
            "display_data", data={"image/png": PIXEL}, metadata={"image/png": {"alt": "A dot."}}
        )
    )
    assert 'alt="A dot."' in page
    assert loads(page) == []


def test_a_widget_is_shown_by_the_picture_beside_it_and_a_script_not_at_all():
    page = page_with(
        nbformat.v4.new_output(
            "display_data",
            data={
                "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
                "application/javascript": "alert(1)",
                "text/html": "<p onclick='x()'>the picture</p>",
            },
        )
    )
    assert "the picture" in page
    assert "alert(1)" not in page
    assert loads(page) == []


def test_code_as_ipython_shows_it_leaves_the_pages_colours_alone():
    shown = Code("import x", language="python")._repr_html_()
    assert ".output_html {" in shown
    page = page_with(nbformat.v4.new_output("display_data", data={"text/html": shown}))
    assert '<span class="kn">import</span>' in page
    assert ".output_html {" not in page


def test_a_traceback_shows_no_secret_and_keeps_its_colours():
    page = page_with(
        nbformat.v4.new_output(
            "error", ename="E", evalue="", traceback=[f"\x1b[31mrefused\x1b[0m token={TOKEN}"]
        )
    )
    assert '<span class="ansi-red-fg">refused</span>' in page
    assert "token=[hidden]" in page
    assert TOKEN not in page
