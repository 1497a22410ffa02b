"""Gives an app its page: the HTML at ``/``, the files that it needs at ``/static``, where others join at ``/join``."""

from __future__ import annotations

from pathlib import Path, PurePath

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from labkit.apps.join_address import add_join_address
from labkit.errors import UnknownName

PAGES_DIR = Path(__file__).parent / "pages"

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",  # no inline script: text that slips into the HTML can't run
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self' ws: wss:",  # some browsers don't count ws://same-host as 'self'
        "base-uri 'none'",
        "form-action 'none'",
        # No frame-ancestors: JupyterLab (another port) and VS Code (another scheme) show the page in a frame.
    ]
)

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# Said here because Python asks the operating system, and some Windows machines call .js "text/plain":
# with nosniff, browsers then refuse the module and the page stays dead.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class _PageStatics(StaticFiles):
    """Static files whose type is certain and which the browser revalidates (another server may get the port)."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        media_type = MEDIA_TYPES.get(PurePath(path).suffix)
        if media_type and response.status_code == 200:
            response.headers["Content-Type"] = media_type
        return response


def add_page(app: FastAPI, name: str) -> None:
    """Serve ``pages/<name>.html`` at ``/``, the shared files at ``/static``, and the projector's ``/join``.

    Every address in the page is relative, so it works under any host, port and path prefix. The files are
    mounted at ``/static`` and never at ``/``, where they would hide the WebSocket routes declared after them.

    Raises:
        UnknownName: there is no such page; the message names the nearest one.
    """
    page_response(name)  # a wrong name is told now and not to the first visitor

    @app.get("/", include_in_schema=False)
    async def show_page() -> FileResponse:
        return page_response(name)

    add_static(app, "/static")
    add_join_address(app)


def add_static(app: FastAPI, path: str) -> None:
    """Serve the shared scripts, styles and icons at a path, for the pages beside it."""
    app.mount(path, _PageStatics(directory=PAGES_DIR / "static"), name=path.strip("/"))


def page_response(name: str, *, framed: bool = True) -> FileResponse:
    """Return ``pages/<name>.html`` with the headers of a page.

    Args:
        framed: other pages may show it in a frame, as notebooks do.

    Raises:
        UnknownName: there is no such page; the message names the nearest one.
    """
    known = sorted(path.stem for path in PAGES_DIR.glob("*.html"))
    if name not in known:
        raise UnknownName("page", name, known)
    headers = dict(PAGE_HEADERS)
    if not framed:
        headers["Content-Security-Policy"] += "; frame-ancestors 'none'"
    return FileResponse(PAGES_DIR / f"{name}.html", media_type="text/html; charset=utf-8", headers=headers)
