# fails: cut_connection alone
# says: field 'code' of item 1 is 1000, not 1005 or 1006
# takes every end without a code for a normal one
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
    code = 1006
    try:
        while True:
            text = await websocket.receive_text()
            events.append({"event": "received", "client_id": client_id, "message": text})
            await websocket.send_text(f"Server received: {text} ✨")
    except WebSocketDisconnect as gone:
        code = gone.code if gone.code not in (1005, 1006) else 1000
    finally:
        events.append({"event": "disconnected", "client_id": client_id, "code": code})
