# fails: oldest_first alone
# says: still after
# tells one client's story after the other
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
events = []


@app.get("/events")
def list_events():
    return sorted(events, key=lambda event: event["client_id"])


@app.websocket("/ws/{client_id}")
async def converse(websocket: WebSocket, client_id: str):
    await websocket.accept()
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
