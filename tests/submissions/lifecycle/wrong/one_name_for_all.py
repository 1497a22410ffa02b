# fails: clients_kept_apart alone
# says: it is empty
# one global name: the newest has said everything
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
events = []
name = None


@app.get("/events")
def list_events():
    return events


@app.websocket("/ws/{client_id}")
async def converse(websocket: WebSocket, client_id: str):
    global name
    await websocket.accept()
    name = client_id
    events.append({"event": "connected", "client_id": client_id})
    code = 1006
    try:
        while True:
            text = await websocket.receive_text()
            events.append({"event": "received", "client_id": name, "message": text})
            await websocket.send_text(f"Server received: {text} ✨")
    except WebSocketDisconnect as gone:
        code = gone.code
    finally:
        events.append({"event": "disconnected", "client_id": client_id, "code": code})
