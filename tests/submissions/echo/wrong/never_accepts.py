# fails: one_reply
# says: no answer to the handshake: accept() was never reached, after
# waits for a text before it accepts
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
    message = await websocket.receive()
    message = await websocket.receive()
