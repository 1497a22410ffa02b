"""Nothing but ASGI, and no lifespan."""

PAGE = b"""<!doctype html><form><input id="text"><button>Send</button></form><ul id="replies"></ul>
<script>
const socket = new WebSocket(new URL("ws", document.baseURI.replace(/^http/, "ws")));
socket.onmessage = (e) => document.querySelector("ul").append(e.data, document.createElement("br"));
document.querySelector("form").onsubmit = (e) => { e.preventDefault(); socket.send(document.querySelector("input").value); };
</script>"""


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await talk(receive, send)
    elif scope["type"] == "http":
        found = scope["path"] == "/"
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE if found else b""})
    else:
        raise NotImplementedError(scope["type"])


async def talk(receive, send):
    while True:
        event = await receive()
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif event["type"] == "websocket.receive":
            try:
                await send({"type": "websocket.send", "text": f"Echo: {event['text']} 🔊"})
            except OSError:
                return
        else:
            return
