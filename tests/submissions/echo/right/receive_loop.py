"""FastAPI with a loop over plain messages, a redirect to the page, and a lifespan."""

from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, RedirectResponse


@asynccontextmanager
async def lifespan(app):
    app.state.greeting = "Echo"
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def root():
    return RedirectResponse("page.html")


@app.get("/page.html")
async def page():
    return HTMLResponse("""<!doctype html><form><input id="text"><button>Send</button></form><ul id="replies"></ul>
<script>
const socket = new WebSocket(new URL("ws", document.baseURI.replace(/^http/, "ws")));
socket.onmessage = (e) => document.querySelector("ul").append(e.data, document.createElement("br"));
document.querySelector("form").onsubmit = (e) => { e.preventDefault(); socket.send(document.querySelector("input").value); };
</script>""")


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            break
        try:
            await websocket.send({"type": "websocket.send", "text": f"{app.state.greeting}: {message['text']} 🔊"})
        except WebSocketDisconnect:
            break
