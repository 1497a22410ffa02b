"""The pages as files and over HTTP: what they may load, and what they may not do. The browser tests drive them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from labkit import serve
from labkit.apps.page_files import PAGES_DIR, add_page
from labkit.errors import UnknownName

STATIC = PAGES_DIR / "static"
PAGES = sorted(PAGES_DIR.glob("*.html"))
SCRIPTS = sorted(STATIC.rglob("*.js"))
STYLES = sorted(STATIC.glob("*.css"))
OTHERS = sorted({path for path in STATIC.rglob("*") if path.is_file()} - set(SCRIPTS) - set(STYLES))

URL_ATTRIBUTES = {"href", "src", "action", "formaction", "poster", "data", "srcset"}
FORBIDDEN_IN_SCRIPTS = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|parseFromString|setHTMLUnsafe"
    r"|document\.write|eval|new Function|crypto\.randomUUID|crypto\.subtle|navigator\.clipboard)\b"
)
OTHER_HOST = re.compile(r"""(?:https?:|wss?:)?//[\w$]""")


IMPORT = re.compile(r'^import .*? from "(.*?)";', flags=re.M | re.S)


def name_of(path: Path) -> str:
    return path.relative_to(PAGES_DIR).as_posix().removeprefix("static/")


def imported_by(script: Path) -> list[Path]:
    """Return the files that a script names, wherever they are."""
    return [(script.parent / name).resolve() for name in IMPORT.findall(script.read_text("utf-8"))]


class Tags(HTMLParser):
    """Collects every start tag as (tag, attributes), and the text inside script and style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline_code: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline_code.append(data)


def urls_in(html: str) -> list[str]:
    """Return the addresses that a page refers to."""
    return [
        value or ""
        for _, attributes in Tags(html).tags
        for name, value in attributes.items()
        if name in URL_ATTRIBUTES
    ]


def problems_of_page(html: str) -> list[str]:
    """Return what a page must not contain: addresses that aren't relative, inline code, inline styles."""
    found = [f"address {url!r}" for url in urls_in(html) if not re.match(r"^[\w-]+(/[\w.-]+)*$", url)]
    parsed = Tags(html)
    found += [f"inline code {code.strip()[:40]!r}" for code in parsed.inline_code]
    for tag, attributes in parsed.tags:
        found += [f"<{tag} {name}>" for name in attributes if name == "style" or name.startswith("on")]
        if tag == "base":
            found.append("<base>")
    return found


def problems_of_script(source: str) -> list[str]:
    """Return what a script must not contain: ways to turn text into markup or code, and other hosts."""
    code = re.sub(r"^\s*(//|\*|/\*).*$", "", source, flags=re.M)  # comments may say what they like
    code_without_advice = code.replace("http://localhost:${port}/ directly", "")
    code_without_advice = code_without_advice.replace(
        '"http://www.w3.org/2000/svg"', ""
    )  # a name, no address
    found = [match.group() for match in FORBIDDEN_IN_SCRIPTS.finditer(code)]
    return found + [match.group() for match in OTHER_HOST.finditer(code_without_advice)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_relative_addresses_only_and_nothing_inline(page: Path) -> None:
    assert problems_of_page(page.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "bad",
    [
        '<script src="/static/x.js"></script>',
        '<script src="//cdn.example/x.js"></script>',
        '<link href="https://fonts.example/x.css">',
        '<img src="../x.svg">',
        '<a href="javascript:alert(1)">x</a>',
        "<script>let x</script>",
        "<style>p{}</style>",
        '<p onclick="x()">',
        '<p style="color: red">',
        '<base href="x">',
    ],
)
def test_the_page_check_finds(bad: str) -> None:
    assert len(problems_of_page(bad)) == 1


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_a_script_sets_text_as_text_and_names_no_other_host(script: Path) -> None:
    assert problems_of_script(script.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "bad",
    [
        "row.innerHTML = text;",
        'row.insertAdjacentHTML("beforeend", text)',
        "document.write(text)",
        "eval(text)",
        "const id = crypto.randomUUID();",
        'fetch("https://cdn.example/x")',
        'new WebSocket("ws://localhost:8000/ws")',
        "new WebSocket(`ws://${location.host}/ws`)",
        'import x from "//cdn.example/x.js"',
    ],
)
def test_the_script_check_finds(bad: str) -> None:
    assert len(problems_of_script(bad)) == 1


@pytest.mark.parametrize("style", STYLES, ids=name_of)
def test_a_style_sheet_loads_nothing(style: Path) -> None:
    assert re.findall(r"@import|url\(", style.read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = urls_in(page.read_text("utf-8"))
    assert "static/labkit.css" in named
    assert f"static/{page.stem}.js" in named
    assert [url for url in named if not (PAGES_DIR / url).is_file()] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_every_module_that_a_script_imports_exists(script: Path) -> None:
    named = IMPORT.findall(script.read_text("utf-8"))
    assert [name for name in named if not re.match(r"^\.\.?/[\w./-]+\.js$", name)] == []
    assert [str(path) for path in imported_by(script) if path not in SCRIPTS] == []


def test_every_shared_file_is_used_by_a_page() -> None:
    named = {PAGES_DIR / url for page in PAGES for url in urls_in(page.read_text("utf-8"))}
    named |= {path for script in SCRIPTS for path in imported_by(script)}
    assert {name_of(path) for path in {*SCRIPTS, *STYLES, *OTHERS} - named} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_field_has_a_label(page: Path) -> None:
    tags = Tags(page.read_text("utf-8")).tags
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    fields = [attributes for tag, attributes in tags if tag in ("input", "select", "textarea")]
    assert fields or page.stem == "dashboard"  # which only shows
    assert [f for f in fields if not f.get("aria-label") and f.get("id") not in labelled] == []


def test_every_colour_token_of_the_light_look_has_a_dark_one() -> None:
    css = (STATIC / "labkit.css").read_text("utf-8")
    light, dark = re.findall(r"^ *:root \{(.*?)^ *\}", css, flags=re.M | re.S)
    colours = set(re.findall(r"(--[\w-]+): #", light))
    assert len(colours) > 20
    assert colours == set(re.findall(r"(--[\w-]+): #", dark))


def test_every_token_that_is_used_is_defined() -> None:
    css = (STATIC / "labkit.css").read_text("utf-8")
    assert set(re.findall(r"var\((--[\w-]+)", css)) - set(re.findall(r"(--[\w-]+):", css)) == set()


@pytest.fixture
def site() -> FastAPI:
    app = FastAPI(title="site")
    add_page(app, "echo")
    return app


def test_the_page_comes_with_headers_that_keep_foreign_code_out_and_frames_possible(site: FastAPI) -> None:
    with serve(site) as lab:
        response = httpx.get(lab.url + "/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'"
    )
    assert "x-frame-options" not in response.headers


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES, *OTHERS], ids=name_of)
def test_a_shared_file_has_its_type_and_is_revalidated(
    site: FastAPI, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a Windows registry may say; a browser that gets a module as text/plain refuses it.
    monkeypatch.setattr("mimetypes.guess_type", lambda *_args, **_kw: ("text/plain", None))
    monkeypatch.setattr("starlette.responses.guess_type", lambda *_args, **_kw: ("text/plain", None))
    with serve(site) as lab:
        response = httpx.get(f"{lab.url}/static/{name_of(path)}")
        again = httpx.get(response.url, headers={"If-None-Match": response.headers["etag"]})
    types = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
    }
    assert response.headers["content-type"] == types[path.suffix]
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert again.status_code == 304


def test_files_outside_the_static_folder_are_not_served(site: FastAPI) -> None:
    with serve(site) as lab, httpx.Client(base_url=lab.url) as client:
        assert client.get("/static/%2e%2e/echo.html").status_code == 404
        assert client.get("/static/").status_code == 404
        assert client.get("/echo.html").status_code == 404


def test_the_page_does_not_appear_in_the_apps_own_documentation(site: FastAPI) -> None:
    assert site.openapi()["paths"] == {}


def test_a_page_that_does_not_exist_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        add_page(FastAPI(), "ecko")
    assert str(caught.value).startswith("There is no page called 'ecko'.")
    assert str(caught.value).endswith("Try: 'echo' - is that what you meant?")
