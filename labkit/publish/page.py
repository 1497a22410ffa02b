"""An executed notebook as a page that stands alone: no script, nothing to load, light and dark, on any screen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlsplit

import nbformat
from bs4 import BeautifulSoup, Tag
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from labkit.host.logs import redact
from labkit.publish.execution import NotebookFailed
from labkit.publish.style import STYLE

INDEX = "index.html"

_POLICY = "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'"
"""Whatever an output contains, the page requests nothing."""

_FOR_THE_WHOLE_PAGE = re.compile(r"\.output_html \{")
"""In the style sheet of IPython's `Code`, which would paint every output light; the page colours code itself."""

_LOOPBACK = ("127.0.0.1", "localhost", "0.0.0.0", "[::1]")


@dataclass(frozen=True)
class Summary:
    """What the table of contents says about a notebook."""

    name: str
    title: str
    builds: str
    time: str

    @classmethod
    def of(cls, name: str, notebook: nbformat.NotebookNode) -> Summary:
        """Read it from the notebook's first cell, in which every notebook of the course says these things."""
        text = notebook.cells[0].source if notebook.cells else ""
        title = re.search(r"^# (.+)$", text, re.M)
        builds = re.search(r"\*\*What you will build:\*\*\s*(.+?)(?:\n\n|\Z)", text, re.S)
        time = re.search(r"\*\*Time:\*\*\s*([^.]+)", text)
        return cls(name, *(_plain(found[1]) if found else "" for found in (title, builds, time)))


def _plain(markdown: str) -> str:
    without_links = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", markdown)
    return " ".join(without_links.replace("*", "").replace("`", "").split())


def notebook_page(
    summary: Summary,
    notebook: nbformat.NotebookNode,
    *,
    published: list[str],
    places: dict[str, str],
    folder: str,
) -> str:
    """Return the page of one notebook.

    Args:
        published: names of all notebooks that get a page, in order.
        places: what to write for a folder of this machine, such as the temporary workspace's.
        folder: the notebook's own folder, for the pictures that its text shows.

    Raises:
        NotebookFailed: a picture has no text for those who cannot see it.
    """
    shown = nbformat.from_dict(notebook)
    for cell in shown.cells:
        for output in cell.get("outputs", []):
            _clean_output(output, places)
    exporter = HTMLExporter(template_name="basic", embed_images=True, exclude_anchor_links=True)
    body, _ = exporter.from_notebook_node(shown, {"metadata": {"path": folder}})
    soup = BeautifulSoup(body, "html.parser")
    for unwanted in soup.find_all(["script", "link", "meta", "object", "embed"]):
        unwanted.decompose()
    for style in soup.find_all("style", string=_FOR_THE_WHOLE_PAGE):
        style.decompose()
    _replace_frames(soup)
    _mend_links(soup, published)
    for output_area in soup.select(".output"):
        _hide_secrets(output_area, places)
    _require_descriptions(summary.name, soup)
    return _page(summary.title or summary.name, _way(summary.name, published) + f"<main>{soup}</main>")


def index_page(summaries: list[Summary], failed: list[str], made_with: str) -> str:
    """Return the table of contents; of what failed it says so."""
    items = []
    for each in summaries:
        name = escape(each.title or each.name)
        gone = each.name in failed
        heading = name if gone else f'<a href="{escape(each.name, quote=True)}.html">{name}</a>'
        note = '<p class="time">It did not run to its end, so there is no page of it.</p>' if gone else ""
        builds = f"<p>You build {escape(each.builds)}</p>" if each.builds else ""
        time = f'<p class="time">{escape(each.time)}</p>' if each.time else ""
        items.append(f"<li><h2>{heading}</h2>{builds}{time}{note}</li>")
    return _page(
        "Real-time web programming with FastAPI WebSockets",
        "<main><h1>Real-time web programming with FastAPI WebSockets</h1>"
        "<p>The lessons as they run, to read. To do them, where pages are alive and your own code is checked: "
        f'<code>labkit lab</code>.</p><ol class="lessons">{"".join(items)}</ol></main>'
        f"<footer>{escape(made_with)}</footer>",
    )


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{_code_style()}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _code_style() -> str:
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n.highlight {{ background: none }}"


def _way(name: str, published: list[str]) -> str:
    """Return the links to the table of contents, the notebook before and the one after."""
    at = published.index(name)
    links = [f'<a href="{INDEX}">All lessons</a>']
    if at > 0:
        links.append(f'<a rel="prev" href="{published[at - 1]}.html">← {published[at - 1]}</a>')
    if at + 1 < len(published):
        links.append(f'<a rel="next" href="{published[at + 1]}.html">{published[at + 1]} →</a>')
    return f'<nav aria-label="Lessons">{" ".join(links)}</nav>'


# -- what an output must not show ----------------------------------------------------------------------

_ALIVE = re.compile(r"javascript|widget|application/(?!json)")
"""Kinds of data that need a kernel or a script; each has a picture or a text beside it."""


def _clean_output(output: Any, places: dict[str, str]) -> None:
    """Take out of an output what needs a kernel, secrets in its texts, and folders of this machine; in place."""
    if output.output_type == "stream":
        output.text = _public(output.text, places)
    elif output.output_type == "error":
        output.traceback = [_public(line, places) for line in output.traceback]
    else:
        for kind in [kind for kind in output.data if _ALIVE.search(kind)]:
            del output.data[kind]
        if "text/plain" in output.data:
            output.data["text/plain"] = _public(output.data["text/plain"], places)


def _public(text: str, places: dict[str, str]) -> str:
    for place, instead in places.items():
        text = text.replace(place, instead)
    return redact(text)


def _hide_secrets(area: Tag, places: dict[str, str]) -> None:
    """Hide secrets and folders in the words and the attributes of an HTML output; the pictures stay as they are."""
    for words in area.find_all(string=True):
        if (public := _public(str(words), places)) != words:
            words.replace_with(public)
    for tag in area.find_all(True):
        for name, value in list(tag.attrs.items()):
            if isinstance(value, str) and not value.startswith("data:"):
                tag.attrs[name] = _public(value, places)


def _replace_frames(soup: BeautifulSoup) -> None:
    """Put a note where the notebook embeds a page: its server has ended with the notebook."""
    for frame in soup.find_all("iframe"):
        what = str(frame.get("title") or "a page").partition(" at port ")[0]
        note = soup.new_tag("p", attrs={"class": "was-alive"})
        code = soup.new_tag("code")
        code.string = "labkit lab"
        note.extend(
            [
                f"Here is a live page in the notebook: {what}. Its server has ended; open the lesson with ",
                code,
            ]
        )
        note.append(" and run this cell to use the page.")
        caption = frame.find_next_sibling("div")
        if caption is not None and caption.find("a", href=_is_loopback) is not None:
            caption.decompose()
        frame.replace_with(note)


def _is_loopback(href: str | None) -> bool:
    return bool(href) and urlsplit(str(href)).hostname in _LOOPBACK


def _mend_links(soup: BeautifulSoup, published: list[str]) -> None:
    """Let links between notebooks lead to their pages; what leads nowhere from here stays as words."""
    for link in soup.find_all("a", href=True):
        href = str(link["href"])
        path, hash_, anchor = href.partition("#")
        if path.endswith(".ipynb") and path.removesuffix(".ipynb") in published:
            link["href"] = path.removesuffix(".ipynb") + ".html" + hash_ + anchor
        elif path and (_is_loopback(href) or not urlsplit(href).scheme):
            link.unwrap()
        elif path:
            link["rel"] = "noopener noreferrer"


def _require_descriptions(name: str, soup: BeautifulSoup) -> None:
    missing: Callable[[Tag], bool] = lambda tag: str(tag.get("alt", "")) in _NO_DESCRIPTION  # noqa: E731
    for picture in soup.find_all("img"):
        if missing(picture):
            cell = picture.find_parent(class_="cell")
            where = str(cell.get("id", "")).removeprefix("cell-id=") if cell is not None else ""
            raise NotebookFailed(
                f"{name} shows a picture without a description in cell {where!r}.",
                expected="a text for those who cannot see it.",
                hint='draw(plot, alt="what it shows"), or ![what it shows](picture.png).',
            )


_NO_DESCRIPTION = ("", "No description has been provided for this image")
