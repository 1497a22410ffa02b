# fails: vanishes_busy alone
# says: "event": "disconnected"
# only receiving is inside of the try
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
    while True:
        try:
            text = await websocket.receive_text()
        except WebSocketDisconnect as gone:
            events.append({"event": "disconnected", "client_id": client_id, "code": gone.code})
            break
        events.append({"event": "received", "client_id": client_id, "message": text})
        await websocket.send_text(f"Server received: {text} ✨")
