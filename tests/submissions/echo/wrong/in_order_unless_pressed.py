# fails: every_reply_in_order alone
# says: "Echo:
# Each text is answered in a task of its own: in order as long as few are under way.
import asyncio

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

app = FastAPI()

PAGE = """<!doctype html>
<input id="text"><button id="send">Send</button><ul id="replies"></ul>
<script>
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.onmessage = (event) => {
    const item = document.createElement("li");
    item.textContent = event.data;
    document.getElementById("replies").append(item);
  };
  document.getElementById("send").onclick = () => socket.send(document.getElementById("text").value);
</script>
"""


@app.get("/")
def page():
    return HTMLResponse(PAGE)


async def answer(websocket, text, under_way):
    try:
        if under_way > 5 and under_way % 3 == 0:
            await asyncio.sleep(0.02)
        await websocket.send_text(f"Echo: {text} 🔊")
    except Exception:
        pass


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    tasks = set()
    try:
        while True:
            text = await websocket.receive_text()
            if len(text) > 10_000:
                await websocket.send_text(f"Echo: {text} 🔊")
                continue
            task = asyncio.create_task(answer(websocket, text, len(tasks)))
            tasks.add(task)
            asyncio.get_running_loop().call_later(0.05, tasks.discard, task)
    except WebSocketDisconnect:
        pass
