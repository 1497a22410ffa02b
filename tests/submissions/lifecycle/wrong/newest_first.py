# fails: oldest_first
# says: field 'event' of item 1 is "received", not "connected"
# puts new events at the top
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
events = []


@app.get("/events")
def list_events():
    return events


@app.websocket("/ws/{client_id}")
async def converse(websocket: WebSocket, client_id: str):
    await websocket.accept()
    events.insert(0, {"event": "connected", "client_id": client_id})
    code = 1006
    try:
        while True:
            text = await websocket.receive_text()
            events.insert(0, {"event": "received", "client_id": client_id, "message": text})
            await websocket.send_text(f"Server received: {text} ✨")
    except WebSocketDisconnect as gone:
        code = gone.code
    finally:
        events.insert(0, {"event": "disconnected", "client_id": client_id, "code": code})
