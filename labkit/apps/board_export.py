"""GET a board as SVG or JSON."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from starlette.responses import Response

from labkit.apps.boards import Boards
from labkit.board.export import as_json, as_svg
from labkit.hub import Refused

FORMATS = {"svg": (as_svg, "image/svg+xml"), "json": (as_json, "application/json")}
# An SVG that is opened by itself is a page of ours: nothing in it may run or be fetched.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def add_export(app: FastAPI, boards: Boards) -> None:
    """Serve ``GET /boards/{board}.svg`` and ``.json``: what is visible and finished, in drawing order."""

    @app.get("/boards/{board}.{kind}")
    async def export(board: str, kind: str) -> Response:
        try:
            live = await boards.find(board) if kind in FORMATS else None
        except Refused as refusal:  # so many boards are in use that this one can't be opened now
            return Response(f"{refusal}\n", 503, media_type="text/plain")
        if live is None:
            return Response("There is no such board.\n", 404, media_type="text/plain")
        make, media_type = FORMATS[kind]
        items = live.board.finished()  # a finished item's points don't change
        text = await asyncio.to_thread(make, board, items)
        headers = {**HEADERS, "Content-Disposition": f'inline; filename="drawing.{kind}"'}
        return Response(text, media_type=media_type, headers=headers)
