# fails: close_code
# says: field 'code' of item 1 is 1000, not 1001
# iter_text() ends without saying why
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
events = []


@app.get("/events")
def list_events():
    return events


@app.websocket("/ws/{client_id}")
async def converse(websocket: WebSocket, client_id: str):
    await websocket.accept()
    events.append({"event": "connected", "client_id": client_id})
    async for text in websocket.iter_text():
        events.append({"event": "received", "client_id": client_id, "message": text})
        await websocket.send_text(f"Server received: {text} ✨")
    events.append({"event": "disconnected", "client_id": client_id, "code": 1000})
