# fails: own_replies_only
# says: Ben got nothing, on a connection that is still open
# a lock around the whole conversation: a second client is never answered
import asyncio

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

app = FastAPI()

PAGE = """<!doctype html><form><input id="text"><button>Send</button></form><ul id="replies"></ul>
<script>
const socket = new WebSocket(new URL("ws", document.baseURI.replace(/^http/, "ws")));
socket.onmessage = (e) => document.querySelector("ul").append(e.data, document.createElement("br"));
document.querySelector("form").onsubmit = (e) => { e.preventDefault(); socket.send(document.querySelector("input").value); };
</script>"""


@app.get("/")
def page():
    return HTMLResponse(PAGE)

lock = asyncio.Lock()


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async with lock:
        async for text in websocket.iter_text():
            await websocket.send_text(f"Echo: {text} 🔊")
