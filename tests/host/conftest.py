"""Small apps and a stand-in for the kernel's shell."""

from __future__ import annotations

import itertools
import socket
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket


@pytest.fixture
def echo_app() -> FastAPI:
    """An echo with a few doors: "bye" closes with 4001, "crash" raises, "quiet" sends nothing."""
    app = FastAPI(title="small echo")

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for text in ws.iter_text():
            if text == "bye":
                await ws.close(4001, "as you wish")
                return
            if text == "crash":
                raise ValueError("the handler broke")
            if text != "quiet":
                await ws.send_text(f"Echo: {text}")

    return app


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A loopback port on which something else listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@pytest.fixture
def run_cell(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a function as a kernel would run a cell: `run_cell("a-cell-id", function)`."""
    parent: dict[str, Any] = {}
    shell = types.SimpleNamespace(kernel=types.SimpleNamespace(get_parent=lambda channel: parent))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    runs = itertools.count()

    def run(cell: str | None, function: Callable[[], Any], *, source: str = "") -> Any:
        parent.clear()
        parent["header"] = {"msg_id": f"run-{id(parent)}-{next(runs)}"}
        parent["metadata"] = {"cellId": cell} if cell else {}
        parent["content"] = {"code": source}
        return function()

    return run
