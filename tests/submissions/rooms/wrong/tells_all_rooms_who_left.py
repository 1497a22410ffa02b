# fails: rooms_apart
# says: user_left
# a goodbye is heard in all rooms
from collections import Counter
from dataclasses import asdict, dataclass, field

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

here = {}


@dataclass
class Came:
    user: str
    room_members: int
    message: str = "somebody came"
    type: str = field(default="user_joined", init=False)


@dataclass
class Went:
    user: str
    room_members: int
    message: str = "somebody went"
    type: str = field(default="user_left", init=False)


@dataclass
class Said:
    room_id: str
    user: str
    message: str
    type: str = field(default="message", init=False)


class Room(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket):
        await websocket.accept()
        self.name = websocket.query_params.get("name", "?")
        self.room = websocket.path_params["room"]
        here[websocket] = self.room
        await self.tell(Came(self.name, self.count()))

    async def on_receive(self, websocket, data):
        await self.tell(Said(self.room, self.name, data))

    async def on_disconnect(self, websocket, close_code):
        del here[websocket]
        await self.tell(Went(self.name, self.count()))

    def count(self):
        return list(here.values()).count(self.room)

    async def tell(self, what):
        for websocket in [one for one, room in here.items() if room == self.room or what.type == "user_left"]:
            try:
                await websocket.send_json(asdict(what))
            except WebSocketDisconnect:
                pass


async def rooms(request):
    return JSONResponse(Counter(here.values()))


app = Starlette(routes=[Route("/rooms", rooms), WebSocketRoute("/ws/rooms/{room}", Room)])
