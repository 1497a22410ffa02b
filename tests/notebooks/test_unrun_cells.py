"""Which cell makes a name, found without a kernel."""

from __future__ import annotations

import json

import pytest

from labkit.notebook.unrun_cells import CodeCell, code_cells, explain, maker_of, names_made, position_of

CELLS = [
    CodeCell("imports", "from labkit import serve, connect", "Start"),
    CodeCell("first", "# a comment\nlab = serve('echo')\nws = connect(lab)", "Talk"),
    CodeCell("use", "ws.send(word)", "Talk"),
    CodeCell("again", "ws = connect(lab)\nword = 'hi'", "Once more"),
]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import asyncio, os.path as p, xml.dom", {"asyncio", "p", "xml"}),
        ("from labkit import serve as start", {"start"}),
        ("a = b = 1\nc, (d, *e) = f()\nx.y = z[0] = 2", {"a", "b", "c", "d", "e"}),
        ("def f(p):\n    inside = 1", {"f"}),
        ("async def g(): ...\nclass C:\n    attribute = 1", {"g", "C"}),
        ("for i, (j, k) in y: pass\nwith open(z) as file: line = 1", {"i", "j", "k", "file", "line"}),
        ("[n for n in range(3)]\nlambda m: m", set()),
        ("while (found := look()): pass", {"found"}),
        ("result = await f()\nasync with a as b: pass", {"result", "b"}),
        ("try:\n    t = 1\nexcept E as error:\n    u = 2\nfinally:\n    v = 3", {"t", "u", "v"}),
        ("%%solution echo\napp = 1", set()),
        ("this is no Python", set()),
    ],
)
def test_the_names_that_a_cell_makes(source, names):
    assert names_made(source) == names


def test_the_nearest_cell_above_is_the_one_to_run_else_the_first_below():
    assert maker_of(CELLS, "ws", 2) == 1
    assert maker_of(CELLS, "word", 2) == 3
    assert maker_of(CELLS, "serve", 3) == 0
    assert maker_of(CELLS, "wsx", 2) is None


def test_the_running_cell_is_known_by_id_and_source_then_source_then_id():
    twins = [CodeCell("a", "check()"), CodeCell("b", "check()"), CodeCell("c", "x")]
    assert position_of(twins, "b", "check()") == 1
    assert position_of(twins, "other", "check()") == 0
    assert position_of(twins, "c", "x, edited by the learner") == 2
    assert position_of(twins, "other", "y") is None


def test_what_a_learner_is_told():
    assert explain(CELLS, "ws", 2) == (
        "NameError: 'ws' is not there yet: the cell that makes it has not been run since the kernel started.\n"
        "Expected: the cells above this one, run from top to bottom.\n"
        "Try: first run the cell that begins with  lab = serve('echo'), under “Talk”; "
        "or all above: menu Run, Run All Above Selected Cell."
    )
    assert explain(CELLS, "word", 2) == (
        "NameError: 'word' is not there yet: the cell that makes it has not been run since the kernel started.\n"
        "Expected: a name made above. This one is made further down.\n"
        "Try: first run the cell that begins with  ws = connect(lab), under “Once more”."
    )
    assert explain(CELLS, "a_typo", 2) is None


def test_the_cells_of_a_notebooks_file():
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": ["# Title\n", "text\n", "## Part"]},
            {"cell_type": "code", "id": "one", "source": ["a = 1\n", "b = 2"]},
            {"cell_type": "raw", "source": "r"},
            {"cell_type": "code", "source": "c = 3"},
        ]
    }
    assert code_cells(json.loads(json.dumps(notebook))) == [
        CodeCell("one", "a = 1\nb = 2", "Part"),
        CodeCell("", "c = 3", "Part"),
    ]


@pytest.mark.parametrize("broken", [None, [], {}, {"cells": 3}, {"cells": [None, {"cell_type": "code"}]}])
def test_what_is_no_notebook_has_no_names(broken):
    assert not any(names_made(cell.source) for cell in code_cells(broken))
