"""`show()`: a server's page inside a cell, from wherever the notebook is looked at.

The kernel cannot know how the browser reaches it: on this machine, through JupyterHub, through an SSH
tunnel. So the cell shows a small launcher in a frame of its own that tries each way, HTTP and WebSocket,
goes to the first that works, and otherwise says which of the two failed and what to do.
"""

from __future__ import annotations

import html
import importlib.resources
import json
import os

from labkit.errors import ServeError
from labkit.host.identity import Reachable

ALLOW = "local-network-access; loopback-network; clipboard-write; fullscreen"


class Frame:
    """A page of a server as a cell displays it."""

    def __init__(self, lab: Reachable, path: str = "/", *, height_px: int = 420) -> None:
        self.lab = lab
        self.path = "/" + path.lstrip("/")
        self.height_px = height_px

    @property
    def direct_url(self) -> str:
        """The page's address on this machine, with the server's id so that a stale frame is noticed."""
        mark = "&" if "?" in self.path else "?"
        return f"{self.lab.url}{self.path}{mark}lab={self.lab.identity.id}"

    def __repr__(self) -> str:
        return f"<page of {self.lab.name!r} at {self.lab.url}{self.path}>"

    def _repr_html_(self) -> str:
        title = html.escape(f"{self.lab.name} at port {self.lab.port}", quote=True)
        style = (
            f"width:100%;height:{self.height_px}px;border:1px solid rgba(128,128,128,.4);"
            "border-radius:8px;background:transparent"
        )
        if _in_vscode():  # its web views run no inline script; localhost is forwarded there
            source = f'src="{html.escape(self.direct_url.replace("127.0.0.1", "localhost"), quote=True)}"'
        else:
            source = f'srcdoc="{html.escape(self._launcher(), quote=True)}"'
        link = html.escape(f"{self.lab.url}{self.path}", quote=True)
        return (
            f'<iframe {source} title="{title}" style="{style}" allow="{ALLOW}"></iframe>'
            f'<div style="font-size:small;opacity:.75">'
            f'<a href="{link}" target="_blank" rel="noopener">{link}</a> · the same page in a tab of its own</div>'
        )

    def _launcher(self) -> str:
        settings = {
            "direct": f"{self.lab.url}/",
            "port": self.lab.port,
            "path": self.path.lstrip("/"),
            "id": self.lab.identity.id,
            "name": self.lab.name,
            "hub": os.environ.get("JUPYTERHUB_SERVICE_PREFIX", ""),
        }
        page = importlib.resources.files("labkit.host").joinpath("launcher.html").read_text(encoding="utf-8")
        return page.replace("__SETTINGS__", json.dumps(settings).replace("<", "\\u003c"))


def show(lab: Reachable, path: str = "/", *, height_px: int = 420) -> Frame:
    """Return a server's page for the cell to display.

    It works on this machine, through JupyterHub and Binder (with jupyter-server-proxy) and in VS Code; if
    the page cannot be reached, the frame says whether HTTP or WebSocket failed, and what to do.

    Args:
        lab: a running server, or its `wire`.
        path: which page of it.
        height_px: height of the frame.

    Raises:
        ServeError: not a server, or one that has stopped.
    """
    if not isinstance(lab, Reachable):
        raise ServeError(
            f"show() got a {type(lab).__name__}.", expected="a server.", hint="show(serve('echo'))."
        )
    if not lab.running:
        raise ServeError(
            f"{lab.name!r} is stopped.",
            expected="a running server.",
            hint="run the cell with serve(...) again.",
        )
    return Frame(lab, path, height_px=height_px)


def _in_vscode() -> bool:
    """Tell VS Code's own kernels; a Jupyter server started in its terminal names a session as well."""
    return "JPY_SESSION_NAME" not in os.environ and any(name.startswith("VSCODE_") for name in os.environ)
