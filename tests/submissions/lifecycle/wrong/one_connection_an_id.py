# fails: same_id_twice
# says: Ada's phone was sent away: 4000 (private code), closed by the server
# a dict keyed by client_id: the second connection ends the first
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
events = []
connections = {}


@app.get("/events")
def list_events():
    return events


@app.websocket("/ws/{client_id}")
async def converse(websocket: WebSocket, client_id: str):
    await websocket.accept()
    if client_id in connections:
        await connections[client_id].close(4000)
    connections[client_id] = websocket
    events.append({"event": "connected", "client_id": client_id})
    code = 1006
    try:
        while True:
            text = await websocket.receive_text()
            events.append({"event": "received", "client_id": client_id, "message": text})
            await websocket.send_text(f"Server received: {text} ✨")
    except WebSocketDisconnect as gone:
        code = gone.code
    finally:
        events.append({"event": "disconnected", "client_id": client_id, "code": code})
