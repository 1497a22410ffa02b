"""Rooms: what is said in one is heard in that one and in no other."""

from fastapi import FastAPI, WebSocket

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.host_view import add_host_view
from labkit.apps.hub_lifespan import hub_lifespan
from labkit.apps.messages.reading import encode
from labkit.apps.messages.rooms import CHANNELS, Message, UserJoined, UserLeft, read_message
from labkit.apps.messages.session import Welcome
from labkit.apps.names import WATCHER, check_name, people
from labkit.apps.page_files import add_page
from labkit.apps.socket_transport import accept, as_text, incoming, refuse
from labkit.apps.watching import watch
from labkit.hub import Hub, Joined, Limits, Position, Refused

# A name is no identity here: anybody may choose any, and be in many rooms by it.
LIMITS = Limits(connections_per_user=256)


def create_app(limits: Limits = LIMITS) -> FastAPI:
    """Return fresh rooms: a page at `/`, the WebSocket at `/ws/rooms/{room_id}?name=`, and `GET /rooms`."""

    def announce_left(room: str, user: str) -> None:
        if not user.startswith(WATCHER):
            hub.publish(room, UserLeft.of(user, members(hub, room)))

    hub = Hub(on_left=announce_left, limits=limits, encode=encode)
    app = FastAPI(title="rooms", lifespan=hub_lifespan(hub))
    add_page(app, "rooms")
    add_host_view(app, hub)
    add_asyncapi(app, *CHANNELS)

    @app.get("/rooms")
    async def list_rooms() -> dict[str, int]:
        counts = {room: members(hub, room) for room in hub.rooms()}
        return {room: count for room, count in counts.items() if count}

    @app.websocket("/ws/rooms/{room_id}")
    async def enter(
        ws: WebSocket,
        room_id: str,
        name: str = "guest",
        resume: str = "",
        since: str | None = None,
        epoch: str | None = None,
    ) -> None:
        position = Position.parse(since, epoch)
        resumes = bool(resume or position)

        def welcome(joined: Joined) -> Welcome | None:
            rules = hub.controls(room_id).rules
            return Welcome.of(joined, user=name, users=people(hub, room_id), rules=rules) if resumes else None

        # accept
        transport = await accept(ws)
        try:
            check_name(name)
            # register
            async with hub.connect(
                transport, user=name, batches=transport.batches, pings=resumes
            ) as connection:
                joined = await connection.join(room_id, since=position, welcome=welcome)
                if joined.first or position is None:
                    hub.publish(room_id, UserJoined.of(name, members(hub, room_id)))
                try:
                    # receive loop
                    async for text in incoming(ws, connection, read_message if resumes else as_text):
                        # fan out
                        connection.publish(room_id, Message(room_id=room_id, user=name, message=str(text)))
                finally:
                    # unregister: the block's end does it; who can't resume has left for good, without grace
                    if not resumes:
                        connection.leave(room_id)
                        if hub.connections(room_id, name):
                            left = UserLeft.of(name, members(hub, room_id), namesake=True)
                            hub.publish(room_id, left)
        except Refused as refusal:
            await refuse(ws, refusal)

    @app.websocket("/watch/{room_id}")
    async def watch_room(ws: WebSocket, room_id: str) -> None:
        await watch(hub, ws, room_id)

    return app


def members(hub: Hub, room: str) -> int:
    """Return how many are in a room: each connection is one, whatever it is called."""
    return sum(max(1, hub.connections(room, user)) for user in people(hub, room))


app = create_app()
