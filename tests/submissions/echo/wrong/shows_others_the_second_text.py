# fails: own_replies_only alone
# says: Ben
# Meant as a nice extra: who has something more to say is heard by the others too.
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

app = FastAPI()
present = []

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


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    present.append(websocket)
    said = 0
    try:
        while True:
            text = await websocket.receive_text()
            said += 1
            await websocket.send_text(f"Echo: {text} 🔊")
            for other in list(present):
                if said == 2 and len(text) < 1000 and other is not websocket:
                    try:
                        await other.send_text(f"Echo: {text} 🔊")
                    except Exception:
                        pass
    except WebSocketDisconnect:
        pass
    finally:
        present.remove(websocket)
