"""Who a server is, for pages and for other kernels."""

from __future__ import annotations

import os

import httpx
import pytest

from labkit import connect, serve


@pytest.fixture
def lab(echo_app):
    with serve(echo_app) as lab:
        yield lab


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=5)


def test_a_server_tells_who_it_is(lab):
    told = get(lab.url + "/_lab/whoami").json()
    assert (told["server"], told["pid"], told["id"]) == ("small echo", os.getpid(), lab.identity.id)


def test_another_origin_may_ask_whether_it_is_the_one_and_learns_nothing_else(lab):
    yes = get(f"{lab.url}/_lab/whoami?is={lab.identity.id}")
    assert (yes.status_code, yes.headers["access-control-allow-origin"], yes.content) == (204, "*", b"")
    no = get(f"{lab.url}/_lab/whoami?is=0000")
    assert no.status_code == 404
    assert "access-control-allow-origin" not in no.headers
    assert "access-control-allow-origin" not in get(lab.url + "/_lab/whoami").headers


def test_two_servers_on_one_port_differ(echo_app, lasting_port):
    with serve(echo_app, port=lasting_port) as lab:
        before = lab.identity.id
    with serve(echo_app, port=lasting_port) as again:
        assert get(again.url + "/_lab/whoami").json()["id"] != before


def test_the_probe_shows_that_websockets_get_through(lab):
    close = connect(lab, "/_lab/probe").wait_closed()
    assert (close.code, close.reason, close.closed_by) == (1000, "WebSockets get through", "server")


def test_the_app_itself_is_not_touched(lab):
    assert get(lab.url + "/_lab/other").status_code == 404
