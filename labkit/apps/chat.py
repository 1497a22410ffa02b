"""Chat: everyone hears everyone, in one order; whispers go to one; nobody's bad line slows the others."""

from fastapi import FastAPI, WebSocket

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.host_view import add_host_view
from labkit.apps.hub_lifespan import hub_lifespan
from labkit.apps.messages.chat import (
    CHANNELS,
    Message,
    Private,
    PrivateMessage,
    Typing,
    TypingNow,
    read_message,
)
from labkit.apps.messages.reading import encode
from labkit.apps.messages.session import Welcome
from labkit.apps.names import WATCHER, check_name, people
from labkit.apps.page_files import add_page
from labkit.apps.socket_transport import accept, incoming, refuse
from labkit.apps.watching import watch
from labkit.hub import VOLATILE, Hub, Joined, Limits, Position, Rate, Refused

ROOM = "chat"
TYPING_RATE = Rate(20, 40, silent=True)


def create_app(limits: Limits | None = None) -> FastAPI:
    """Return a fresh chat: a page at `/`, the WebSocket at `/ws/{user_id}`, and `GET /users`."""

    def announce_left(room: str, user: str) -> None:
        if not user.startswith(WATCHER):
            hub.publish(room, Message.left(user))

    hub = Hub(
        duplicates="replace",
        on_left=announce_left,
        limits=limits,
        rates={"typing": TYPING_RATE},
        encode=encode,
    )
    app = FastAPI(title="chat", lifespan=hub_lifespan(hub))
    add_page(app, "chat")
    add_host_view(app, hub, rooms=[ROOM])
    add_asyncapi(app, *CHANNELS)

    @app.get("/users")
    async def list_users() -> list[str]:
        return people(hub, ROOM)

    @app.websocket("/ws/{user_id}")
    async def chat(
        ws: WebSocket, user_id: str, resume: str = "", since: str | None = None, epoch: str | None = None
    ) -> None:
        position = Position.parse(since, epoch)
        resumes = bool(resume or position)

        def welcome(joined: Joined) -> Welcome | None:
            rules = hub.controls(ROOM).rules
            return Welcome.of(joined, user=user_id, users=people(hub, ROOM), rules=rules) if resumes else None

        # accept
        transport = await accept(ws)
        try:
            check_name(user_id)
            # register: this replaces an older connection of the same user
            async with hub.connect(
                transport, user=user_id, batches=transport.batches, pings=resumes
            ) as connection:
                joined = await connection.join(ROOM, since=position, welcome=welcome)
                if joined.first or position is None:
                    hub.publish(ROOM, Message.joined(user_id))
                # receive loop
                async for message in incoming(ws, connection, read_message):
                    # fan out
                    match message:
                        case str():
                            connection.publish(ROOM, Message(sender=user_id, message=message))
                        case Private(to=to, message=text):
                            if connection.may_publish(ROOM, rate=""):
                                connection.whisper(to, PrivateMessage(sender=user_id, to=to, message=text))
                        case Typing():
                            if connection.may("typing"):
                                connection.typing(ROOM)
                                hub.publish(
                                    ROOM, TypingNow(sender=user_id), delivery=VOLATILE, skip=connection
                                )
                # unregister: the block's end does it; who can't resume has left for good, without grace
                if not resumes:
                    connection.leave(ROOM)
        except Refused as refusal:
            await refuse(ws, refusal)

    @app.websocket("/watch")
    async def watch_chat(ws: WebSocket) -> None:
        await watch(hub, ws, ROOM)

    return app


app = create_app()
