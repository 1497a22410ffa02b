# fails: malformed alone
# says: DecodeError
# only some of the errors are caught
import asyncio
import os
import time

import jwt
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

SECRET_KEY = os.environ["SECRET_KEY"]

app = FastAPI()


def read_token(token):
    if not token:
        return None
    try:
        claims = jwt.decode(token, SECRET_KEY, algorithms=["HS256"])
    except (jwt.InvalidSignatureError, jwt.ExpiredSignatureError, jwt.ImmatureSignatureError, jwt.InvalidAlgorithmError):
        return None
    user_id = claims.get("user_id")
    if not isinstance(user_id, str) or not user_id:
        return None
    return claims


@app.websocket("/ws/secure")
async def secure(websocket: WebSocket, token: str = ""):
    await websocket.accept()
    claims = read_token(token)
    if claims is None:
        await websocket.close(1008)
        return
    await websocket.send_text(f"✅ Welcome {claims['user_id']}! You're authenticated 🔐")
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
