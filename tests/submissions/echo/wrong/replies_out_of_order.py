# fails: every_reply_in_order
# says: "Echo: 1
# each reply in a task of its own, which takes as long as it takes
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


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()

    async def reply(text, delay_s):
        await asyncio.sleep(delay_s)
        await websocket.send_text(f"Echo: {text} 🔊")

    tasks = set()
    number = 0
    async for text in websocket.iter_text():
        number += 1
        tasks.add(asyncio.create_task(reply(text, 0.05 if number % 2 else 0)))
    for task in tasks:
        task.cancel()
