# fails: speak
# says: it has no field 'room_id'
# a field has another name
import json
from urllib.parse import parse_qs

PREFIX = "/ws/rooms/"
ROOMS = {}


async def app(scope, receive, send):
    if scope["type"] == "websocket" and scope["path"].startswith(PREFIX):
        query = parse_qs(scope["query_string"].decode("ascii"), keep_blank_values=True)
        await stay(scope["path"].removeprefix(PREFIX), query["name"][0], receive, send)
    elif scope["type"] == "http":
        body = json.dumps({room: len(members) for room, members in ROOMS.items()}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "lifespan":
        raise NotImplementedError("no lifespan here")


async def stay(room, name, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    members = ROOMS.setdefault(room, [])
    members.append(send)
    await tell(members, type="user_joined", user=name, message="come", room_members=len(members))
    while (event := await receive())["type"] == "websocket.receive":
        await tell(members, type="message", room=room, user=name, message=event["text"])
    members.remove(send)
    if not members:
        ROOMS.pop(room)
    await tell(members, type="user_left", user=name, message="gone", room_members=len(members))


async def tell(members, **message):
    for send in tuple(members):
        try:
            await send({"type": "websocket.send", "text": json.dumps(message)})
        except OSError:
            continue
