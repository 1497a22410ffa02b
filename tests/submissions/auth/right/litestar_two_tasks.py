"""Another framework: Litestar, with the conversation and the clock side by side: the first to end decides."""

import asyncio
import os
import time

import jwt
from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect


async def converse(socket: WebSocket) -> None:
    while True:
        await socket.send_text(f"Secure echo: {await socket.receive_text()} 🛡️")


def claims_of(token: str) -> dict | None:
    try:
        claims = jwt.decode(token, os.environ["SECRET_KEY"], algorithms=["HS256"])
    except Exception:
        return None
    return claims if isinstance(claims.get("user_id"), str) and claims["user_id"] else None


@websocket("/ws/secure")
async def secure(socket: WebSocket) -> None:
    claims = claims_of(socket.query_params.get("token", ""))
    await socket.accept()
    if claims is None:
        await socket.close(code=1008, reason="policy violation")
        return
    await socket.send_text(f"✅ Welcome {claims['user_id']}! You're authenticated 🔐")
    left_s = claims["exp"] - time.time() if "exp" in claims else 10**6
    talk = asyncio.create_task(converse(socket))
    clock = asyncio.create_task(asyncio.sleep(left_s))
    done, pending = await asyncio.wait({talk, clock}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if talk in done:
        assert isinstance(talk.exception(), WebSocketDisconnect)
    else:
        await socket.close(code=1008, reason="token expired")


app = Litestar([secure])
