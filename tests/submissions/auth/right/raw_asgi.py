"""Nothing but ASGI and the standard library: HMAC by hand, the handshake refused with 403."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from urllib.parse import parse_qs

KEY = os.environ.get("SECRET_KEY", "").encode()


def unpack(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify(token):
    head, body, signature = token.split(".")
    if json.loads(unpack(head))["alg"] != "HS256":
        raise ValueError("algorithm")
    right = hmac.new(KEY, f"{head}.{body}".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(right, unpack(signature)):
        raise ValueError("signature")
    claims = json.loads(unpack(body))
    now = time.time()
    if now >= claims.get("exp", now + 1) or now < claims.get("nbf", 0):
        raise ValueError("time")
    if type(claims["user_id"]) is not str or claims["user_id"] == "":
        raise ValueError("user")
    return claims


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    query = parse_qs(scope["query_string"].decode())
    try:
        claims = verify(query["token"][0])
    except (ValueError, KeyError, TypeError, AttributeError):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"✅ Welcome {claims['user_id']}! You're authenticated 🔐"})
    while True:
        left_s = claims["exp"] - time.time() if "exp" in claims else None
        try:
            event = await asyncio.wait_for(receive(), left_s)
        except asyncio.TimeoutError:
            await send({"type": "websocket.close", "code": 1008, "reason": "expired"})
            return
        if event["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": f"Secure echo: {event['text']} 🛡️"})
