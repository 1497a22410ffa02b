"""Plain Starlette: a WebSocketEndpoint that explains a refusal before it closes, and a timer of the loop."""

import asyncio
import logging
import os
import time

import jwt
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute

logging.basicConfig(level=logging.DEBUG)
log = logging.getLogger("door")


class Door(WebSocketEndpoint):
    encoding = "text"
    timer = None

    async def on_connect(self, websocket):
        await websocket.accept()
        try:
            claims = jwt.decode(
                websocket.query_params.get("token", ""),
                os.environ["SECRET_KEY"],
                algorithms=("HS256",),
                options={"require": ["user_id"]},
            )
            user = claims["user_id"]
            if not (isinstance(user, str) and user):
                raise jwt.InvalidTokenError("user_id")
        except jwt.InvalidTokenError as error:
            log.info("refused because of %s", type(error).__name__)
            await websocket.send_text("❌ You shall not pass.")
            await websocket.close(1008, "no good token")
            return
        log.info("%s comes in", user)
        await websocket.send_text(f"✅ Welcome {user}! You're authenticated 🔐")
        if "exp" in claims:
            loop = asyncio.get_running_loop()
            self.timer = loop.call_later(max(0, claims["exp"] - time.time()), self.end, websocket)

    def end(self, websocket):
        self.closing = asyncio.ensure_future(websocket.close(1008, "token expired"))

    async def on_receive(self, websocket, data):
        if websocket.application_state.name == "CONNECTED":
            await websocket.send_text(f"Secure echo: {data} 🛡️")

    async def on_disconnect(self, websocket, close_code):
        if self.timer is not None:
            self.timer.cancel()


app = Starlette(routes=[WebSocketRoute("/ws/secure", Door)])
