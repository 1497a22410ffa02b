"""The limit of open files is raised as far as needed and possible."""

from __future__ import annotations

import sys

import pytest

from labkit.swarm.open_files import OTHER_FILES, make_room_for

if sys.platform == "win32":
    pytest.skip("no such limit on Windows", allow_module_level=True)

import resource


@pytest.fixture
def limits(monkeypatch):
    """Stand-ins for the system's limit: a soft and a hard one, and what was set."""
    state = {"now": (256, 4096), "may_set": True}

    def set_to(_, pair):
        if not state["may_set"]:
            raise ValueError("not allowed to raise maximum limit")
        state["now"] = pair

    monkeypatch.setattr(resource, "getrlimit", lambda _: state["now"])
    monkeypatch.setattr(resource, "setrlimit", set_to)
    return state


def test_it_is_raised_to_what_is_needed(limits):
    assert make_room_for(1000) == ""
    assert limits["now"] == (1000 + OTHER_FILES, 4096)


def test_it_is_left_alone_where_it_suffices(limits):
    assert make_room_for(100) == ""
    assert limits["now"] == (256, 4096)


def test_a_hard_limit_is_told(limits):
    limits["now"] = (256, 1024)
    assert make_room_for(2000) == (
        "This system allows 1024 open files a process, room for about 960 of 2000 clients (ulimit -n shows it)."
    )
    assert limits["now"] == (1024, 1024)


def test_a_refusal_is_told(limits):
    limits["may_set"] = False
    assert make_room_for(1000) == (
        "This system allows 256 open files a process, room for about 192 of 1000 clients (ulimit -n shows it)."
    )


def test_no_limit_is_no_problem(limits):
    limits["now"] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert make_room_for(2000) == ""
