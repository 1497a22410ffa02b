# ruff: noqa: E501
"""The static look at a page objects to what is wrong for certain, and to nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from labkit.grader.failures import WrongAnswer
from labkit.grader.fetch import Response
from labkit.grader.page import read_page

PORT = 54321


class Site:
    """Answers `get` from a dict of paths, with HTML unless it is a script."""

    def __init__(self, pages):
        self.pages = pages

    def get(self, path):
        if path not in self.pages:
            return Response(404, "Not Found", {}, b"")
        kind = "text/javascript" if path.endswith(".js") else "text/html; charset=utf-8"
        return Response(200, "OK", {"content-type": kind}, self.pages[path].encode())


def page_with(script, **more):
    return read_page(
        Site({"/": f"<input><button>Go</button><ul></ul><script>{script}</script>", **more}), "/"
    )


RIGHT = {
    "URL and replace": "new WebSocket(new URL('ws', document.baseURI.replace(/^http/, 'ws')))",
    "protocol of a URL": "const u = new URL('ws', location.href); u.protocol = u.protocol.replace('http', 'ws'); new WebSocket(u)",
    "template": "new WebSocket(`${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${location.pathname}ws`)",
    "concatenation": "new WebSocket((location.protocol == 'https:' ? 'wss://' : 'ws://') + location.host + location.pathname + 'ws')",
    "relative": "new WebSocket('ws')",
    "comment": "// not ws://localhost:8000/ws\n/* nor 'ws://example.com' */ new WebSocket('ws')",
    "regular expression with a quote": "x.replace(/'/g, ''); // ws://localhost:8000/ws\nnew WebSocket('ws')",
    "made from the request": f"new WebSocket('ws://127.0.0.1:{PORT}/ws')",
    "fallback for a file": "new WebSocket(location.host ? new URL('ws', location.href) : 'ws://localhost:8000/ws')",
    "host and a variable": "const base = location.pathname; new WebSocket('wss://' + location.host + base + 'ws')",
    "other url": "fetch('https://example.com/x.json'); new WebSocket('ws')",
}


@pytest.mark.parametrize("script", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_address_passes(script):
    page_with(script).expect_websocket_at_own_address("/ws", PORT)


WRONG = {
    "fixed": (
        "new WebSocket('ws://localhost:8000/ws')",
        'a script names a fixed address, "ws://localhost:8000/ws"',
    ),
    "fixed, secure": (
        "new WebSocket('wss://example.com/ws')",
        'a script names a fixed address, "wss://example.com/ws"',
    ),
    "fixed, IPv6": (
        "new WebSocket('ws://[::1]:8000/ws')",
        'a script names a fixed address, "ws://[::1]:8000/ws"',
    ),
    "fixed in two parts": (
        "new WebSocket((location.protocol === 'https:' ? 'wss' : 'ws') + '://localhost:8000/ws')",
        'a script names a fixed address, "localhost:8000/ws"',
    ),
    "fixed port": (
        "new WebSocket(`wss://${location.hostname}:8000/ws`)",
        "a script takes its own host, but a fixed port",
    ),
    "only ws": (
        "new WebSocket('ws://' + location.host + location.pathname + 'ws')",
        'a script always takes "ws://": on a page that came over https, browsers allow only wss',
    ),
    "root, template": (
        "new WebSocket(`${location.protocol.replace('http', 'ws')}//${window.location.host}/ws`)",
        'a script asks for "/ws" at the root of the host: behind a path prefix, nothing is there',
    ),
    "root, concatenation": (
        "new WebSocket((location.protocol == 'https:' ? 'wss://' : 'ws://') + location.host + \"/ws\")",
        'a script asks for "/ws" at the root of the host: behind a path prefix, nothing is there',
    ),
    "root, URL": (
        "const u = new URL('/ws', location.href); u.protocol = 'wss'; new WebSocket(u)",
        'a script asks for "/ws" at the root of the host: behind a path prefix, nothing is there',
    ),
    "none": ("alert('hello')", "no script of the page opens a WebSocket"),
}


@pytest.mark.parametrize(("script", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_address_is_named(script, said):
    with pytest.raises(WrongAnswer) as caught:
        page_with(script).expect_websocket_at_own_address("/ws", PORT)
    assert caught.value.observed == said


def test_scripts_and_what_they_import_are_read():
    pages = {
        "/": '<script type="module" src="static/a.js"></script>',
        "/static/a.js": 'import { open } from "./b.js";',
        "/static/b.js": "import './c.js'",
        "/static/c.js": "new WebSocket('ws://localhost:8000/ws')",
    }
    page = read_page(Site(pages), "/")
    assert page.knows_all
    with pytest.raises(WrongAnswer):
        page.expect_websocket_at_own_address("/ws", PORT)


def test_a_script_of_another_host_leaves_room_for_doubt():
    page = read_page(
        Site({"/": '<main ws-connect="ws"></main><script src="https://cdn.example/htmx.js"></script>'}), "/"
    )
    assert not page.knows_all
    page.expect_websocket_at_own_address("/ws", PORT)
    page.expect_element("something to press", "button")


def test_scripts_that_import_each_other_end():
    pages = {"/": '<script src="a.js"></script>', "/a.js": "import './b.js'", "/b.js": "import './a.js'"}
    assert read_page(Site(pages), "/").knows_all


def test_a_server_that_minds_the_prefix_may_write_absolute_paths():
    """What it writes into the page is looked at as behind a proxy with a prefix."""
    page = "<input><script>new WebSocket(location.protocol.replace('http', 'ws') + '//' + location.host + '{}/ws')</script>"
    site = Site({"/": page.format(""), "/_lab/prefix/": page.format("/_lab/prefix")})
    read_page(site, "/").expect_websocket_at_own_address("/ws", PORT)


def test_an_element_may_be_made_by_a_script():
    page = page_with("document.body.append(document.createElement('textarea'))")
    page.expect_element("something to type into", "textarea")
    with pytest.raises(WrongAnswer) as caught:
        page.expect_element("a picture", "canvas", "svg")
    assert caught.value.expected == "a picture on the page"
    assert caught.value.observed == "the page has <button>, <input>, <input:text>, <script>, <ul>"


def test_a_redirect_is_followed():
    class Redirecting(Site):
        def get(self, path):
            if path == "/":
                return Response(307, "Temporary Redirect", {"location": "start"}, b"")
            return super().get(urlsplit(path).path)

    assert "<input>" in read_page(Redirecting({"/start": "<input>"}), "/").html


@pytest.mark.parametrize(
    "code",
    ["/*" * 50_000, "(/[" * 50_000, "'\\" * 50_000, "`" * 49_999, "=/[a][a]" * 20_000, "URL(" * 50_000],
)
def test_a_hostile_script_takes_no_time(code):
    page_with(f"{code}</script><script>new WebSocket('ws')").expect_websocket_at_own_address("/ws", PORT)
