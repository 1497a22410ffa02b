# fails: nobody_missed
# says: 1 of them never came
# a list shrinks while it is looped over
import asyncio
import os
import time

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

there: list[WebSocket] = []


class Work(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket, data):
        await asyncio.sleep(float(os.environ.get("WORK_S", 5)))
        try:
            await websocket.send_text("Response")
        except WebSocketDisconnect:
            pass


class Chat(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket):
        await websocket.accept()
        self.user = websocket.path_params["user"]
        there.append(websocket)
        await self.tell("system", f"{self.user} joined the chat! 👋", "📢")

    async def on_receive(self, websocket, data):
        await self.tell(self.user, data, "💬")

    async def on_disconnect(self, websocket, close_code):
        there.remove(websocket)
        await self.tell("system", f"{self.user} left the chat 👋", "📢")

    async def tell(self, sender, message, emoji):
        timestamp = time.strftime("%X", time.localtime())
        for websocket in there:
            try:
                await websocket.send_json(
                    {"sender": sender, "message": message, "timestamp": timestamp, "emoji": emoji}
                )
            except Exception as error:  # whatever is wrong with one, the others are not to suffer
                print("cannot send:", error)


app = Starlette(routes=[WebSocketRoute("/ws/work", Work), WebSocketRoute("/ws/{user}", Chat)])
