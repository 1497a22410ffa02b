"""Plain Starlette with a WebSocketEndpoint, times, and one more kind of event."""

from datetime import datetime

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

LOG = [{"event": "started", "at": datetime.now().astimezone().isoformat()}]


def note(event, websocket, **more):
    at = datetime.now().astimezone().isoformat()
    LOG.append({"at": at, "client_id": websocket.path_params["who"], **more, "event": event})


class Converse(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket):
        await websocket.accept()
        note("connected", websocket)

    async def on_receive(self, websocket, data):
        note("received", websocket, message=data)
        try:
            await websocket.send_text(f"Server received: {data} ✨")
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client has gone; on_disconnect is next

    async def on_disconnect(self, websocket, close_code):
        note("disconnected", websocket, code=close_code)


async def list_events(request):
    return JSONResponse(LOG)


app = Starlette(routes=[Route("/events", list_events), WebSocketRoute("/ws/{who}", Converse)])
