# fails: own_replies_only
# says: Ada got nothing
# one global connection, so the last one to come gets all the answers
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

current = None


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    global current
    await websocket.accept()
    current = websocket
    async for text in websocket.iter_text():
        await current.send_text(f"Echo: {text} 🔊")
