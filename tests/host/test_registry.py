"""Which server a new one replaces: by its cell, by its place in the cell, or by its name."""

from __future__ import annotations

import pytest

from labkit import connect, serve
from labkit.errors import ServeError
from labkit.host import stop_all
from labkit.host.registry import REGISTRY


def test_running_a_cell_again_replaces_its_server_on_the_same_port(run_cell, echo_app):
    first = run_cell("cell-1", lambda: serve(echo_app))
    ws = connect(first)
    second = run_cell("cell-1", lambda: serve(echo_app))
    assert second.port == first.port
    assert second.identity.id != first.identity.id
    assert not first.running
    assert ws.wait_closed().code == 1012
    ws = connect(second)
    ws.send("x")
    assert ws.receive() == "Echo: x"


def test_two_cells_keep_their_servers(run_cell, echo_app):
    first = run_cell("cell-1", lambda: serve(echo_app))
    second = run_cell("cell-2", lambda: serve(echo_app))
    assert first.running
    assert second.running
    assert first.port != second.port


def test_two_servers_of_one_cell_are_replaced_one_by_one(run_cell, echo_app):
    before = run_cell("cell-1", lambda: [serve(echo_app), serve(echo_app)])
    after = run_cell("cell-1", lambda: [serve(echo_app), serve(echo_app)])
    assert [lab.port for lab in after] == [lab.port for lab in before]
    assert len(REGISTRY.running()) == 2


def test_a_server_that_the_edited_cell_no_longer_starts_is_stopped(run_cell, echo_app):
    before = run_cell("cell-1", lambda: [serve(echo_app), serve(echo_app)])
    run_cell("cell-1", lambda: serve(echo_app))
    run_cell("cell-2", lambda: serve(echo_app))
    assert not before[1].running


def test_a_cell_without_an_id_is_known_by_its_source(run_cell, echo_app):
    first = run_cell(None, lambda: serve(echo_app), source="lab = serve(app)")
    second = run_cell(None, lambda: serve(echo_app), source="lab = serve(app)")
    third = run_cell(None, lambda: serve(echo_app), source="other = serve(app)")
    assert not first.running
    assert second.port == first.port
    assert third.port != first.port


def test_a_name_is_replaced_from_whichever_cell(run_cell, echo_app):
    first = run_cell("cell-1", lambda: serve(echo_app, name="chat"))
    second = run_cell("cell-2", lambda: serve(echo_app, name="chat"))
    assert not first.running
    assert second.port == first.port


def test_the_port_stays_after_a_run_that_failed(run_cell, echo_app):
    """A learner breaks the app, sees the error, mends it: the page must find the server again."""
    from contextlib import asynccontextmanager

    from fastapi import FastAPI

    @asynccontextmanager
    async def broken(app):
        raise ValueError("oops")
        yield

    first = run_cell("cell-1", lambda: serve(echo_app))
    with pytest.raises(ServeError):
        run_cell("cell-1", lambda: serve(FastAPI(lifespan=broken)))
    third = run_cell("cell-1", lambda: serve(echo_app))
    assert third.port == first.port


def test_the_port_stays_after_a_stop(run_cell, echo_app):
    first = run_cell("cell-1", lambda: serve(echo_app))
    first.stop()
    second = run_cell("cell-1", lambda: serve(echo_app))
    assert second.port == first.port


def test_another_port_can_be_asked_for_in_the_next_run(run_cell, echo_app, lasting_port):
    first = run_cell("cell-1", lambda: serve(echo_app))
    second = run_cell("cell-1", lambda: serve(echo_app, port=lasting_port))
    assert (second.port, first.running) == (lasting_port, False)


def test_outside_a_kernel_servers_do_not_replace_each_other(echo_app):
    assert serve(echo_app).running
    assert len(REGISTRY.running()) == 1
    serve(echo_app)
    assert len(REGISTRY.running()) == 2


def test_stop_all_stops_and_counts(echo_app):
    labs = [serve(echo_app), serve(echo_app)]
    assert stop_all() == 2
    assert [lab.running for lab in labs] == [False, False]
    assert stop_all() == 0
