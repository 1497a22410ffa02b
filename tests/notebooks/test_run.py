"""Every notebook in a real kernel: as shipped, with a right solution and a wrong one, and each cell twice."""

from __future__ import annotations

import asyncio
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from labkit.course import course_root
from labkit.course.transport import connection_options

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOTEBOOKS = course_root() / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
EXERCISES = {
    name: cell.source.split()[1]
    for name in NAMES
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    if cell.source.startswith("%%solution")
}
SHOWS = Path(__file__).parent / "shows"
SUBMISSIONS = Path(__file__).parent.parent / "submissions"


def what_cells_show(name: str) -> dict[str, str]:
    """Return a pattern by cell: what breaks shows that it breaks, and its mended twin that it does not."""
    return tomllib.loads((SHOWS / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_what_its_text_says_and_judges_a_right_and_a_wrong_solution(name, run_notebook):
    """One kernel for the three states: it runs as shipped, and then the learner fills the solution cell."""
    exercise = EXERCISES.get(name)
    told = run_notebook(name, then=solutions_in_turn(exercise) if exercise else {})
    wrong = [
        f"{cell} shows:\n{told[cell]}"
        for cell, pattern in what_cells_show(name).items()
        if not re.search(pattern, told[cell])
    ]
    assert not wrong, "\n".join(wrong)
    if exercise:
        assert "not attempted yet" in told["check"]
        assert re.search(r"(\d+) ?/ ?\1", told["right-check"]), told["right-check"]
        assert "not attempted" not in told["wrong-check"]
        assert "xpected" in told["wrong-check"]
        assert f'hint("{exercise}", "' in told["wrong-check"]
        assert "labkit hint" not in told["wrong-check"]


def solutions_in_turn(exercise: str) -> dict[str, str]:
    """Return the cells that put a right solution into the notebook and check it, then a wrong one."""
    cells = {}
    for kind in ("right", "wrong"):
        answer = min((SUBMISSIONS / exercise / kind).glob("*.py"))
        cells[f"{kind}-solution"] = f"%%solution {exercise}\n{answer.read_text(encoding='utf-8')}"
        cells[f"{kind}-check"] = f'check("{exercise}")'
    return cells


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_can_be_run_twice(name, run_notebook):
    run_notebook(name, twice=True)


def test_two_notebooks_side_by_side_and_a_kernel_restarted_in_the_middle(workspace):
    """Half of one notebook, then all of another, then the rest; then the first one again in a new kernel."""

    def client_for(name: str) -> NotebookClient:
        path = workspace / "notebooks" / f"{name}.ipynb"
        return NotebookClient(
            nbformat.read(path, as_version=4),
            timeout=60,
            km=AsyncKernelManager(kernel_name="python3", **connection_options()),
            resources={"metadata": {"path": str(path.parent)}},
        )

    async def run(client: NotebookClient, cells: range) -> None:
        for index in cells:
            await client.async_execute_cell(client.nb.cells[index], index)  # an error in a cell raises

    async def learn() -> None:
        one, other = client_for("01_echo"), client_for("02_lifecycle")
        everything, half = range(len(one.nb.cells)), len(one.nb.cells) // 2
        async with one.async_setup_kernel(cleanup_kc=True), other.async_setup_kernel(cleanup_kc=True):
            await run(one, everything[:half])
            await run(other, range(len(other.nb.cells)))
            await run(one, everything[half:])
            await run(one, everything[:half])
            await one.km.restart_kernel(now=True)
            await one.kc.wait_for_ready(timeout=60)
            await run(one, everything)

    asyncio.run(learn())
