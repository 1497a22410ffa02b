"""Pitfalls: the server of the bug hunt, mended. Each comment names a fault that the starter has there."""

import asyncio
import itertools

from fastapi import FastAPI, WebSocket

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.hub_lifespan import hub_lifespan
from labkit.apps.messages.chat import Message
from labkit.apps.messages.pitfalls import CHANNELS
from labkit.apps.messages.reading import encode
from labkit.apps.names import WATCHER, check_name
from labkit.apps.page_files import add_page
from labkit.apps.settings import seconds
from labkit.apps.socket_transport import accept, as_text, incoming, refuse
from labkit.hub import Connection, Hub, Limits, Refused

ROOM = "pitfalls"
WORK_S = 5.0
LIMITS = Limits(presence_grace_s=0)


def create_app(*, work_s: float | None = None) -> FastAPI:
    """Return a fresh server: a page at `/`, a chat at `/ws/{user_id}`, and slow answers at `/ws/work`.

    Args:
        work_s: seconds that the work takes; WORK_S unless given, else 5.

    Raises:
        LabError: WORK_S is no number of seconds.
    """
    duration_s = seconds("WORK_S", WORK_S) if work_s is None else work_s

    def announce_left(room: str, user: str) -> None:
        hub.publish(room, Message.left(user))

    hub = Hub(duplicates="replace", on_left=announce_left, ping=None, limits=LIMITS, encode=encode)
    app = FastAPI(title="pitfalls", lifespan=hub_lifespan(hub))
    add_page(app, "pitfalls")
    add_asyncapi(app, *CHANNELS)
    worker_names = (f"{WATCHER}work {number}" for number in itertools.count(1))

    async def answer(connection: Connection) -> None:
        # time.sleep() would stop this server for everybody; this lets all others run meanwhile
        await asyncio.sleep(duration_s)
        connection.send("Response")

    # Before /ws/{user_id}: of two routes that match the first wins, and "work" would be a user.
    @app.websocket("/ws/work")
    async def work(ws: WebSocket) -> None:
        # accept
        transport = await accept(ws)
        try:
            # register
            async with hub.connect(transport, user=next(worker_names)) as connection:
                jobs: set[asyncio.Task[None]] = set()  # kept: the event loop alone doesn't keep a task alive
                try:
                    # receive loop: it goes on reading while the work is done, so pings are answered
                    async for _ in incoming(ws, connection, as_text):
                        if connection.may():
                            job = asyncio.create_task(answer(connection))
                            jobs.add(job)
                            job.add_done_callback(jobs.discard)
                finally:
                    # unregister: what was begun for a client ends with it
                    for job in jobs:
                        job.cancel()
        except Refused as refusal:
            await refuse(ws, refusal)

    @app.websocket("/ws/{user_id}")
    async def chat(ws: WebSocket, user_id: str) -> None:
        # accept
        transport = await accept(ws)
        try:
            check_name(user_id)
            # register by connection, not by name: the end of an older one can't remove a newer one
            async with hub.connect(transport, user=user_id, batches=transport.batches) as connection:
                await connection.join(ROOM)
                hub.publish(ROOM, Message.joined(user_id))
                # receive loop: it ends when the client leaves, however it does
                async for text in incoming(ws, connection, as_text):
                    # fan out: publishing only queues, so nobody's slow line delays it, and nobody
                    # can come or go in the middle of it
                    connection.publish(ROOM, Message(sender=user_id, message=str(text)))
                # unregister: the block's end does it, also after an error, which is logged and not hidden
        except Refused as refusal:
            await refuse(ws, refusal)

    return app


app = create_app()
