# Notes the end in `finally` and catches nothing: its log is full of tracebacks, and all that is asked for holds.
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
        code = gone.code
        raise
    finally:
        events.append({"event": "disconnected", "client_id": client_id, "code": code})
