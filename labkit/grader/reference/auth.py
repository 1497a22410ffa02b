"""A door that opens for good tokens only, and closes when their time is over."""

import asyncio
import os
import time
from typing import Any

import jwt
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

SECRET_KEY = os.environ.get("SECRET_KEY", "")
POLICY_VIOLATION = 1008

app = FastAPI()


def read_token(token: str) -> dict[str, Any] | None:
    """Return the claims of a good token, or None."""
    try:
        # The one algorithm is named here: a token must not choose how it is checked.
        claims: dict[str, Any] = jwt.decode(token, SECRET_KEY, algorithms=["HS256"])
    except jwt.PyJWTError:
        return None
    user_id = claims.get("user_id")
    return claims if isinstance(user_id, str) and user_id else None


@app.websocket("/ws/secure")
async def secure_echo(websocket: WebSocket, token: str = "") -> None:
    """Welcome who brings a good token, and answer each text until the token's time is over."""
    # Accepted first: a browser can read a close code, and cannot read why a handshake was refused.
    await websocket.accept()
    claims = read_token(token)
    if claims is None:
        await websocket.close(POLICY_VIOLATION, "no good token")
        return
    await websocket.send_text(f"✅ Welcome {claims['user_id']}! You're authenticated 🔐")
    left_s = claims["exp"] - time.time() if "exp" in claims else None
    try:
        async with asyncio.timeout(left_s):
            while True:
                text = await websocket.receive_text()
                await websocket.send_text(f"Secure echo: {text} 🛡️")
    except TimeoutError:
        await websocket.close(POLICY_VIOLATION, "token expired")
    except WebSocketDisconnect:
        pass
