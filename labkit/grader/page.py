"""A static look at an HTML page and its scripts: what it has, and where it opens its WebSocket.

Nothing is executed, so this only objects to what is wrong for certain. A page that builds its address in a
way that is not understood here passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from labkit.grader.child import PREFIX
from labkit.grader.failures import WrongAnswer
from labkit.grader.wording import quote

if TYPE_CHECKING:
    from labkit.grader.fetch import Response
    from labkit.grader.server import Server

MAX_SCRIPTS = 20
MAX_REDIRECTS = 3

_ORIGIN = "http://submission"
_HTML_TYPES = ("text/html", "application/xhtml+xml")

# What is opened and never closed ends with its line or the file, so that no input needs a second look.
_COMMENT = re.compile(
    r"""
      (?P<comment> //[^\n]* | /\*(?:.*?\*/|.*\Z) )
    | "(?:\\.|[^"\\\n])*"?  | '(?:\\.|[^'\\\n])*'?  | `(?:\\.|[^`\\])*`?
    | (?<=[(,=:\[!&|?{};]) \s* /(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]?|[^/\\\n\[])*/?  # a regular expression
    """,
    re.VERBOSE | re.DOTALL,
)
_IMPORT = re.compile(r"""\b(?:import|from)\s*\(?\s*["'](?P<path>[^"'\n]+)["']""")

_OWN_HOST = re.compile(
    r"location\s*\.\s*(?:host|hostname|href|origin)\b|\bbaseURI\b|document\s*\.\s*URL\b|import\s*\.\s*meta\s*\.\s*url"
    r"|URL\s*\([^)]{0,200}\blocation\b"
)
_FIXED_HOST = re.compile(
    r"""wss?://(?P<host>[\w.-]+|\[[^\]\s]{0,60}\])(?::\d+)?[^\s"'`<]*"""
    r"""|(?:://|(?<=["'`]))(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):\d+[^\s"'`<]*"""
)
_FIXED_PORT = re.compile(r"""location\s*\.\s*hostname\s*(?:\}|\+\s*["'`]):\d+""")
_OWN_PORT = re.compile(r"location\s*\.\s*(?:port|host)\b")
_PLAIN_SCHEME = re.compile(r"""["'`]ws://(?:["'`]|\$\{)""")
_SECURE_SCHEME = re.compile(r"wss|https|\.\s*protocol\b|isSecureContext")
_OWN_PATH = re.compile(r"\bpathname\b|\bbaseURI\b")


@dataclass
class Page:
    """An HTML page.

    Attributes:
        html: its source.
        script: the code of all its scripts, comments removed.
        knows_all: whether every script could be read: those of other hosts are not.
        elements: names of the elements in its source.
    """

    html: str
    script: str = ""
    knows_all: bool = True
    elements: set[str] = field(default_factory=set)

    def expect_element(self, what: str, *names: str) -> None:
        """Require one of some elements, in the source or made by a script.

        Args:
            what: the element in words.
            names: names of elements, each of which will do.
        """
        made = rf"createElement\(\s*[\"'`](?:{'|'.join(names)})\b|<(?:{'|'.join(names)})\b"
        if (
            self.elements.isdisjoint(names)
            and not re.search(made, self.script, re.IGNORECASE)
            and self.knows_all
        ):
            found = ", ".join(f"<{name}>" for name in sorted(self.elements)) or "no elements at all"
            raise WrongAnswer(expected=f"{what} on the page", observed=f"the page has {found}")

    def expect_websocket_at_own_address(self, path: str, port: int) -> None:
        """Require that nothing ties the page's WebSocket to one host, port, scheme or path prefix.

        Args:
            path: where the WebSocket is, such as `/ws`.
            port: where this page was served; an address with it was made from the request.
        """
        fault = self._find_tie(path, port)
        if fault:
            raise WrongAnswer(
                expected="the page opens its WebSocket relative to its own address, so that it works on any host, "
                "port and path prefix, and over https",
                observed=fault,
            )

    def _find_tie(self, path: str, port: int) -> str:
        code = self.script
        if "WebSocket" not in code and self.knows_all:
            return "no script of the page opens a WebSocket"
        if not _OWN_HOST.search(code):
            for fixed in _FIXED_HOST.finditer(code):
                if f":{port}" not in fixed[0]:
                    return f"a script names a fixed address, {quote(fixed[0].removeprefix('://'))}"
        if _FIXED_PORT.search(code) and not _OWN_PORT.search(code):
            return "a script takes its own host, but a fixed port"
        if _PLAIN_SCHEME.search(code) and not _SECURE_SCHEME.search(code):
            return 'a script always takes "ws://": on a page that came over https, browsers allow only wss'
        absolute = re.search(_absolute(path), code)
        if absolute and not _OWN_PATH.search(code):
            return f"a script asks for {quote(path)} at the root of the host: behind a path prefix, nothing is there"
        return ""


def _absolute(path: str) -> str:
    """Return a regular expression for `host + "/ws"` in its usual spellings."""
    here = re.escape(path)
    return (
        rf"location\s*\.\s*(?:host|origin)\s*\}}{here}\b"
        rf"|location\s*\.\s*(?:host|origin)\s*\)?\s*\+\s*[\"'`]{here}\b"
        rf"|new\s+(?:WebSocket|URL)\(\s*[\"'`]{here}\b"
    )


def read_page(server: Server, path: str) -> Page:
    """Fetch a page with its scripts, and with what these import.

    Where the submission can, it is asked as if behind a proxy with a path prefix: then an address that the
    server writes into the page shows whether it minds the prefix.
    """
    where, response = _follow(server, path)
    _require_html(path, response)
    behind, prefixed = _follow(server, PREFIX + path)
    if prefixed.status == 200 and _is_html(prefixed):
        where, response = behind, prefixed
    reader = _Reader()
    reader.feed(response.text)
    reader.close()
    script, knows_all = _read_scripts(server, reader, _ORIGIN + where)
    return Page(response.text, script, knows_all, reader.elements)


def _read_scripts(server: Server, reader: _Reader, address: str) -> tuple[str, bool]:
    """Return the code of a page's scripts and of what they import, and whether that is all of it."""
    parts = [_without_comments(inline) for inline in reader.code]
    base = urljoin(address, reader.base)
    waiting = [urljoin(base, source) for source in reader.sources]
    waiting += [urljoin(base, name) for inline in parts for name in _imports(inline)]
    seen: set[str] = set()
    knows_all = True
    while waiting:
        script = waiting.pop(0)
        if script in seen:
            continue
        seen.add(script)
        code = _fetch_script(server, script) if len(seen) <= MAX_SCRIPTS else None
        if code is None:
            knows_all = False
        else:
            parts.append(code)
            waiting += [urljoin(script, name) for name in _imports(code)]
    return "\n".join(parts), knows_all


def _follow(server: Server, path: str) -> tuple[str, Response]:
    """Get a path, and what it redirects to; return the final path too."""
    response = server.get(path)
    for _ in range(MAX_REDIRECTS):
        target = response.headers.get("location", "")
        if not (300 <= response.status < 400 and target):
            break
        parts = urlsplit(urljoin(_ORIGIN + path, target))
        path = parts.path or "/"
        response = server.get(path)
    return path, response


def _require_html(path: str, response: Response) -> None:
    expected = f"GET {path} answers with an HTML page (HTTP 200, content-type text/html)"
    if response.status != 200:
        observed = f"HTTP {response.status} {response.phrase}, {quote(response.text[:200])}"
        raise WrongAnswer(expected=expected, observed=observed)
    if not _is_html(response):
        kind = response.headers.get("content-type", "no content-type")
        raise WrongAnswer(expected=expected, observed=f"HTTP 200 with {kind}, so browsers show it as text")


def _is_html(response: Response) -> bool:
    kind = response.headers.get("content-type", "text/html" if response.body.lstrip()[:1] == b"<" else "")
    return kind.partition(";")[0].strip().lower() in _HTML_TYPES


def _fetch_script(server: Server, address: str) -> str | None:
    """Return the code of a script of this server, or None if it is elsewhere or not there."""
    parts = urlsplit(address)
    if f"{parts.scheme}://{parts.netloc}" != _ORIGIN or not parts.path.isascii():
        return None
    response = server.get(parts.path)
    return _without_comments(response.text) if response.status == 200 else None


def _imports(code: str) -> Iterator[str]:
    """Yield the relative modules that a script imports."""
    for found in _IMPORT.finditer(code):
        if found["path"].startswith((".", "/")):
            yield found["path"]


def _without_comments(code: str) -> str:
    return _COMMENT.sub(lambda found: " " if found["comment"] else found[0], code)


class _Reader(HTMLParser):
    """Collects the elements and scripts of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.code: list[str] = []
        self.sources: list[str] = []
        self.base = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and its code if it has any."""
        self.elements.add(tag)
        given = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = given.get("href", "")
        if tag == "input":
            self.elements.add(f"input:{given.get('type', 'text').lower()}")
        if given.get("contenteditable", "false") != "false":
            self.elements.add("contenteditable")
        if tag == "script":
            self._in_script = True
            if given.get("src"):
                self.sources.append(given["src"])
        self.code += [value for name, value in given.items() if name.startswith("on") and value]

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a script."""
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        """Note the code of a script."""
        if self._in_script:
            self.code.append(data)
