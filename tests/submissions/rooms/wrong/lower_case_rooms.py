# fails: odd_names alone
# says: field 'room_id' is
# names of rooms are made alike
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
rooms: dict[str, list[WebSocket]] = {}


async def tell(room_id: str, message: dict) -> None:
    for member in list(rooms.get(room_id, [])):
        try:
            await member.send_json(message)
        except (WebSocketDisconnect, RuntimeError):
            pass


@app.get("/rooms")
def list_rooms():
    return {room_id: len(members) for room_id, members in rooms.items()}


@app.websocket("/ws/rooms/{room_id}")
async def enter(websocket: WebSocket, room_id: str, name: str = "guest"):
    room_id = room_id.lower()
    await websocket.accept()
    rooms.setdefault(room_id, []).append(websocket)
    announcement = {"user": name, "message": f"{name} is here", "room_members": len(rooms[room_id])}
    await tell(room_id, {"type": "user_joined", **announcement})
    try:
        while True:
            text = await websocket.receive_text()
            await tell(room_id, {"type": "message", "room_id": room_id, "user": name, "message": text})
    except WebSocketDisconnect:
        pass
    finally:
        rooms[room_id].remove(websocket)
        members = len(rooms[room_id])
        if not members:
            del rooms[room_id]
        await tell(room_id, {"type": "user_left", "user": name, "message": "gone", "room_members": members})
