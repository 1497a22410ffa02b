"""Nothing but ASGI: a class for the room, a deque and an event for each client."""

import asyncio
import collections
import json
import time


class Client:
    def __init__(self, name, send):
        self.name, self.send = name, send
        self.lines = collections.deque(maxlen=500)
        self.news = asyncio.Event()

    def tell(self, line):
        self.lines.append(line)
        self.news.set()

    async def pour(self):
        try:
            while True:
                await self.news.wait()
                self.news.clear()
                while self.lines:
                    await self.send({"type": "websocket.send", "text": self.lines.popleft()})
        except OSError:
            pass  # receive() tells of the end


PRESENT = {}


def line(**fields):
    return json.dumps({"timestamp": time.strftime("%H:%M:%S"), **fields})


def tell_everyone(sender, message, emoji):
    for client in PRESENT.values():
        client.tell(line(sender=sender, message=message, emoji=emoji))


def understand(text):
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if type(value) is dict else {}


def hear(me, text):
    asked = understand(text)
    if asked.get("type") == "typing":
        for client in PRESENT.values():
            if client is not me:
                client.tell(json.dumps({"type": "typing", "sender": me.name}))
    elif asked.get("type") == "private":
        other = PRESENT.get(asked.get("to"))
        if other is None:
            me.tell(json.dumps({"type": "error", "detail": "absent"}))
        else:
            whisper = line(type="private", sender=me.name, to=other.name, message=asked["message"], emoji="🔒")
            other.tell(whisper)
            if other is not me:
                me.tell(whisper)
    else:
        tell_everyone(me.name, text, "💬")


async def converse(name, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    me = PRESENT[name] = Client(name, send)
    pouring = asyncio.ensure_future(me.pour())
    tell_everyone("system", f"{name} joined the chat! 👋", "📢")
    while (event := await receive())["type"] != "websocket.disconnect":
        hear(me, event["text"])
    pouring.cancel()
    if PRESENT.get(name) is me:
        del PRESENT[name]
        tell_everyone("system", f"{name} left the chat 👋", "📢")


async def app(scope, receive, send):
    if scope["type"] == "websocket" and scope["path"].startswith("/ws/"):
        await converse(scope["path"][4:], receive, send)
    elif scope["type"] == "http":
        body = json.dumps(sorted(PRESENT)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "lifespan":
        raise NotImplementedError("no lifespan here")
