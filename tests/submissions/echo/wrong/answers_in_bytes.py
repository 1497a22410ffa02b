# fails: one_reply alone
# says: (a binary frame)
# a binary frame instead of a text frame
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
    async for text in websocket.iter_text():
        await websocket.send_bytes(f"Echo: {text} 🔊".encode())
