"""Nothing but ASGI, and no lifespan."""

import json

EVENTS = []


async def app(scope, receive, send):
    if scope["type"] == "websocket" and scope["path"].startswith("/ws/"):
        await converse(scope["path"].removeprefix("/ws/"), receive, send)
    elif scope["type"] == "http":
        body = json.dumps(EVENTS).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "lifespan":
        raise NotImplementedError("no lifespan here")


async def converse(client_id, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    EVENTS.append({"event": "connected", "client_id": client_id})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            EVENTS.append({"event": "disconnected", "client_id": client_id, "code": event["code"]})
            return
        EVENTS.append({"event": "received", "client_id": client_id, "message": event["text"]})
        try:
            await send({"type": "websocket.send", "text": f"Server received: {event['text']} ✨"})
        except OSError:
            EVENTS.append({"event": "disconnected", "client_id": client_id, "code": 1006})
            return
