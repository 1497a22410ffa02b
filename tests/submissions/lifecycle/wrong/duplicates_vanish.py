# fails: same_id_twice alone
# says: it has 1 item, not 2
# a dict keyed by client_id: the first to leave takes the entry with it
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
events = []
present = {}


@app.get("/events")
def list_events():
    return events


@app.websocket("/ws/{client_id}")
async def converse(websocket: WebSocket, client_id: str):
    await websocket.accept()
    events.append({"event": "connected", "client_id": client_id})
    present[client_id] = websocket
    code = 1006
    try:
        while True:
            text = await websocket.receive_text()
            events.append({"event": "received", "client_id": client_id, "message": text})
            await websocket.send_text(f"Server received: {text} ✨")
    except WebSocketDisconnect as gone:
        code = gone.code
    finally:
        if present.pop(client_id, None):
            events.append({"event": "disconnected", "client_id": client_id, "code": code})
