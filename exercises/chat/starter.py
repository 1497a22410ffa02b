"""Exercise `chat`: a chat that loses nobody. The task is in task.md, beside this file.

Copy this file to solution.py, work on the copy, and run `labkit check chat` as often as you like.
"""

from fastapi import FastAPI, WebSocket

app = FastAPI()
connections: dict[str, WebSocket] = {}


@app.get("/users")
def list_users():
    # TODO: the ids of all who are here, sorted.
    return []


@app.websocket("/ws/{user_id}")
async def chat(websocket: WebSocket, user_id: str) -> None:
    await websocket.accept()
    # TODO: register the connection, and tell everyone: {user_id} joined the chat! 👋
    # TODO: send each text to everyone, the sender too, as {"sender", "message", "timestamp", "emoji"}.
    # TODO: treat {"type": "private", …} and {"type": "typing"} as task.md says.
    # TODO: unregister, and tell those who are left: {user_id} left the chat 👋
