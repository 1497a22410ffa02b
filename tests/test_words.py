"""The words that people read: spelled right, and with links that lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.md")),
    *sorted((ROOT / "exercises").glob("*/task.md")),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RIGHT_HERE = "ue,vie"
"""What codespell takes for mistakes and is none."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def words_of(path: Path) -> str:
    """Return a page's text, or a notebook's: what is told and what is run."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def misspelled(text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "--ignore-words-list", RIGHT_HERE, "-"],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=name_of)
def test_the_words_are_spelled_right(path):
    assert misspelled(words_of(path)) == ""


def test_a_wrong_word_is_noticed():
    assert "recieve" in misspelled("Then you recieve it.")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)", words_of(path)):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), target
