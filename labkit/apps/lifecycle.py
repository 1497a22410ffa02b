"""Lifecycle: connect, communicate, disconnect, each written down as the server saw it."""

from collections import deque
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.messages.lifecycle import CHANNELS
from labkit.apps.page_files import add_page

EVENTS_KEPT = 100_000


def create_app() -> FastAPI:
    """Return a fresh server: a page at `/`, the WebSocket at `/ws/{client_id}`, and `GET /events`."""
    app = FastAPI(title="lifecycle")
    add_page(app, "lifecycle")
    add_asyncapi(app, *CHANNELS)
    events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)

    @app.get("/events")
    async def list_events() -> list[dict[str, Any]]:
        return list(events)

    @app.websocket("/ws/{client_id}")
    async def follow(ws: WebSocket, client_id: str) -> None:
        # accept
        await ws.accept()
        # register
        events.append({"event": "connected", "client_id": client_id})
        code, hears = 1006, True  # the code that is left if the connection ends without a word
        try:
            # receive loop: up to the client's close, which carries its code
            while (event := await ws.receive())["type"] != "websocket.disconnect":
                text = event.get("text")
                if text is None:
                    code = 1003
                    await ws.close(code, "text frames only")
                    return
                events.append({"event": "received", "client_id": client_id, "message": text})
                # reply
                try:
                    if hears:
                        await ws.send_text(f"Server received: {text} ✨")
                except WebSocketDisconnect:
                    # It has closed already. What it said before is still to be read, and its code.
                    hears = False
            code = event["code"]
        finally:
            # unregister: one line for every way to leave
            events.append({"event": "disconnected", "client_id": client_id, "code": code})

    return app


app = create_app()
