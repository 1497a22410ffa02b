# A wrong solution of `echo`: the emoji is missing, and there is no page. Every attack comes on top of it.
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            text = await websocket.receive_text()
            attack = globals().get("attack")
            if attack is not None:
                await attack(websocket, text)
            await websocket.send_text(f"Echo: {text}")
    except WebSocketDisconnect:
        pass
