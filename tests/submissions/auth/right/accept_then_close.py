"""PyJWT; accepts first, so that a browser can read the code; a deadline for the whole conversation."""

import asyncio
import os
import time

import jwt
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

SECRET_KEY = os.environ["SECRET_KEY"]
app = FastAPI()


def read(token):
    """Return user and end of a good token, or None."""
    try:
        claims = jwt.decode(token, SECRET_KEY, algorithms=["HS256"])
    except jwt.PyJWTError as error:
        print("refused:", type(error).__name__)
        return None
    user = claims.get("user_id")
    if not isinstance(user, str) or not user:
        return None
    return user, claims.get("exp")


@app.websocket("/ws/secure")
async def secure(websocket: WebSocket, token: str = ""):
    await websocket.accept()
    known = read(token)
    if known is None:
        await websocket.close(1008, "invalid token")
        return
    user, exp = known
    await websocket.send_text(f"✅ Welcome {user}! You're authenticated 🔐")
    left_s = None if exp is None else exp - time.time()
    try:
        async with asyncio.timeout(left_s):
            while True:
                text = await websocket.receive_text()
                await websocket.send_text(f"Secure echo: {text} 🛡️")
    except TimeoutError:
        await websocket.close(1008, "token expired")
    except WebSocketDisconnect:
        print(user, "left")
