"""Plain Starlette: a WebSocketEndpoint, and a relative address as browsers allow it since 2024."""

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect


class Echo(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket, data):
        try:
            await websocket.send_text(f"Echo: {data} 🔊")
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client has gone; on_disconnect is next


def page(request):
    return HTMLResponse("""<!doctype html>
<textarea id=t></textarea><input type=submit value=Send onclick="s.send(document.all.t.value)"><output></output>
<script>var s = new WebSocket("ws"); s.onmessage = function (e) { document.querySelector("output").textContent += e.data }</script>""")


app = Starlette(routes=[Route("/", page), WebSocketRoute("/ws", Echo)])
