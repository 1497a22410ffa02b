# fails: own_replies_only
# says: nothing for Ben but the answer to its own text
# a broadcast, as in a chat
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

clients = []


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    clients.append(websocket)
    async for text in websocket.iter_text():
        for client in list(clients):
            await client.send_text(f"Echo: {text} 🔊")
    clients.remove(websocket)
