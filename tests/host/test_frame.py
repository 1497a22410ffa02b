"""`show()`: what the cell gets. That it works in a browser is seen in tests/browser."""

from __future__ import annotations

import html
import json
import re

import pytest

from labkit import serve, show
from labkit.errors import ServeError


@pytest.fixture
def lab(echo_app):
    with serve(echo_app) as lab:
        yield lab


def settings_in(markup: str) -> dict:
    launcher = html.unescape(re.search(r'srcdoc="([^"]*)"', markup)[1])
    return json.loads(re.search(r"const lab = (\{.*?\});", launcher)[1])


def test_the_launcher_knows_the_server(lab, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    settings = settings_in(show(lab, "/page?x=1")._repr_html_())
    assert settings == {
        "direct": f"{lab.url}/",
        "port": lab.port,
        "path": "page?x=1",
        "id": lab.identity.id,
        "name": "small echo",
        "hub": "/user/ada/",
    }


def test_lab_show_is_the_same(lab):
    assert settings_in(lab.show()._repr_html_()) == settings_in(show(lab)._repr_html_())


def test_a_name_cannot_break_out_of_the_frame(echo_app):
    echo_app.title = '</script><img src=x onerror="alert(1)">'
    with serve(echo_app) as lab:
        markup = show(lab)._repr_html_()
    assert "<img" not in markup
    assert "</script><img" not in html.unescape(re.search(r'srcdoc="([^"]*)"', markup)[1])


def test_in_vscode_the_frame_goes_straight_to_localhost(lab, monkeypatch):
    monkeypatch.setenv("VSCODE_PID", "1")
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert f'src="http://localhost:{lab.port}/?lab={lab.identity.id}"' in show(lab)._repr_html_()
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")  # a Jupyter server in VS Code's terminal
    assert "srcdoc=" in show(lab)._repr_html_()


def test_a_stopped_server_cannot_be_shown(lab):
    lab.stop()
    with pytest.raises(ServeError, match="'small echo' is stopped"):
        show(lab)


def test_something_else_cannot_be_shown():
    with pytest.raises(ServeError, match=r"show\(\) got a str"):
        show("echo")
