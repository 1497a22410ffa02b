"""An app's lifespan over a hub: everyone hears of a restart before the server closes their connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from labkit.apps.kept_history import KeptHistory
from labkit.apps.settings import data_folder
from labkit.hub import Hub


def hub_lifespan(hub: Hub) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    """Return the lifespan for ``FastAPI(lifespan=...)``.

    uvicorn closes all WebSockets, without a reason, before it tells the lifespan that the server stops. So
    the hub's drain is handed to labkit's server in the lifespan state, under ``before_stop``; that server
    calls it first. Under a plain uvicorn nobody asks for it, and clients see a bare 1012.

    With ``DATA_DIR`` set, what was said is kept there for the next start, so that clients resume over it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        folder = data_folder()
        kept = KeptHistory(folder, app.title) if folder is not None else None
        if kept is not None:
            kept.load(hub)
        yield {"before_stop": [hub.drain]}
        await hub.close()
        if kept is not None:
            kept.save(hub)

    return lifespan
