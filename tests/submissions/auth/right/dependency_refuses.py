"""A dependency refuses before the handshake, with 401 or by WebSocketException; a task watches the clock."""

import asyncio
import os
import time
from contextlib import suppress
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query, WebSocket, WebSocketException, status
from pydantic import BaseModel, Field, StrictStr, ValidationError

app = FastAPI()


class Claims(BaseModel):
    user_id: StrictStr = Field(min_length=1)
    exp: float | None = None


def claims_of(token: Annotated[str | None, Query()] = None) -> Claims:
    if token is None:
        raise HTTPException(401, "no token")
    try:
        return Claims.model_validate(jwt.decode(token, os.environ["SECRET_KEY"], algorithms=["HS256"]))
    except (jwt.InvalidTokenError, ValidationError):
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "bad token") from None


async def close_at(websocket: WebSocket, moment: float):
    while (left_s := moment - time.time()) > 0:
        await asyncio.sleep(min(left_s, 0.25))
    await websocket.close(status.WS_1008_POLICY_VIOLATION)


@app.websocket("/ws/secure")
async def secure(websocket: WebSocket, claims: Annotated[Claims, Depends(claims_of)]):
    await websocket.accept()
    closing = asyncio.create_task(close_at(websocket, claims.exp)) if claims.exp else None
    await websocket.send_text(f"✅ Welcome {claims.user_id}! You're authenticated 🔐")
    with suppress(RuntimeError):
        async for text in websocket.iter_text():
            await websocket.send_text(f"Secure echo: {text} 🛡️")
    if closing:
        closing.cancel()
