# fails: user_id
# says: Welcome None
# a missing user_id is welcomed as None
import asyncio
import os
import time

import jwt
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

SECRET_KEY = os.environ["SECRET_KEY"]

app = FastAPI()


def read_token(token):
    try:
        claims = jwt.decode(token, SECRET_KEY, algorithms=["HS256"])
    except jwt.PyJWTError:
        return None
    user_id = claims.get("user_id")
    return claims


@app.websocket("/ws/secure")
async def secure(websocket: WebSocket, token: str = ""):
    await websocket.accept()
    claims = read_token(token)
    if claims is None:
        await websocket.close(1008)
        return
    await websocket.send_text(f"✅ Welcome {claims.get('user_id')}! You're authenticated 🔐")
    left_s = claims["exp"] - time.time() if "exp" in claims else None
    try:
        async with asyncio.timeout(left_s):
            while True:
                text = await websocket.receive_text()
                await websocket.send_text(f"Secure echo: {text} 🛡️")
    except TimeoutError:
        await websocket.close(1008)
    except WebSocketDisconnect:
        pass
