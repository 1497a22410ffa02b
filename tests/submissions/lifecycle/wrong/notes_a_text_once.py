# fails: received alone
# says: it has 1 item, not 2
# the same text a second time is taken for the same event
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
            event = {"event": "received", "client_id": client_id, "message": text}
            if event not in events:
                events.append(event)
            await websocket.send_text(f"Server received: {text} ✨")
    except WebSocketDisconnect as gone:
        code = gone.code
    finally:
        events.append({"event": "disconnected", "client_id": client_id, "code": code})
