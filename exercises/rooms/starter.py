"""Exercise `rooms`: what is said in one room is heard in that room. The task is in task.md, beside this file.

Copy this file to solution.py, work on the copy, and run `labkit check rooms` as often as you like.
"""

from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.get("/rooms")
def list_rooms() -> dict[str, int]:
    # TODO: how many members has each room that has any?
    ...


@app.websocket("/ws/rooms/{room_id}")
async def enter(websocket: WebSocket, room_id: str, name: str) -> None:
    # TODO: accept, tell the room who has come, pass on what is said, tell the room who has gone.
    ...
