# fails: many_at_once alone
# says: client 10 got nothing
# everybody after the tenth has to wait until somebody leaves
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

seats = asyncio.Semaphore(10)


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async with seats:
        try:
            while True:
                text = await websocket.receive_text()
                await websocket.send_text(f"Echo: {text} 🔊")
        except WebSocketDisconnect:
            pass
