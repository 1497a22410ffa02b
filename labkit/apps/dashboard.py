"""Dashboard: one producer, and everybody who watches gets the same figures at the same tick."""

import asyncio
import itertools
import logging
import math
import os

from fastapi import FastAPI, WebSocket

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.hub_lifespan import hub_lifespan
from labkit.apps.messages.dashboard import CHANNELS
from labkit.apps.messages.reading import encode
from labkit.apps.metrics import Source, source_of
from labkit.apps.page_files import add_page
from labkit.apps.settings import seconds
from labkit.apps.socket_transport import accept, refuse
from labkit.hub import Connection, Hub, Limits, Refused, latest

ROOM = "dashboard"
INTERVAL_S = 1.0
INTERVAL_MIN_S = 0.005
LIMITS = Limits(presence_grace_s=0)  # who has gone watches no more
NEWEST = latest("metrics")  # for a viewer that is behind, the newest figures take the place of older ones

logger = logging.getLogger("labkit.apps")


def next_due(previous: float, now: float, interval_s: float) -> float:
    """Return when the next tick is due, on the grid of the ticks before.

    Sleeping for the interval instead would add what each tick takes. Of ticks that were missed, one is due
    at once, and the others are not made up for.
    """
    missed = max(0, math.floor((now - previous) / interval_s) - 1)
    return previous + interval_s * (1 + missed)


class Producer:
    """Makes a message at each tick while somebody watches, and never runs twice.

    Attributes:
        ticks: how many messages it has made.
    """

    def __init__(self, hub: Hub, source: Source, interval_s: float) -> None:
        self.ticks = 0
        self._hub = hub
        self._source = source
        self._interval_s = interval_s
        # Kept here, because the event loop alone does not keep a task from being garbage-collected.
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """See to it that it runs. One that has nobody left is still running until its next tick."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="dashboard producer")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = next_due(due, loop.time(), self._interval_s)
            await asyncio.sleep(due - loop.time())
            if not self._hub.rooms():
                return
            try:
                self._hub.publish(ROOM, self._source(), delivery=NEWEST)
                self.ticks += 1
            except Exception:
                logger.exception("the figures of this tick are missing")


def create_app(*, source: str | None = None, interval_s: float | None = None, seed: int = 1) -> FastAPI:
    """Return a fresh dashboard: a page at `/`, the WebSocket at `/ws/dashboard`, and `GET /stats`.

    Args:
        source: "simulation" or "system"; DASHBOARD_SOURCE unless given, else the simulation.
        interval_s: seconds between ticks; DASHBOARD_INTERVAL_S unless given, else 1.0.
        seed: which story the simulation tells.

    Raises:
        LabError: there is no such source, or the interval can't be.
    """
    if interval_s is None:
        interval_s = seconds("DASHBOARD_INTERVAL_S", INTERVAL_S, least=INTERVAL_MIN_S)
    hub = Hub(ping=None, limits=LIMITS, encode=encode)
    figures = source_of(source or os.environ.get("DASHBOARD_SOURCE", "simulation"), hub.stats, seed=seed)
    producer = Producer(hub, figures, interval_s)
    viewer_names = (f"viewer {number}" for number in itertools.count(1))
    app = FastAPI(title="dashboard", lifespan=hub_lifespan(hub))
    add_page(app, "dashboard")
    add_asyncapi(app, *CHANNELS)

    @app.get("/stats")
    async def show_stats() -> dict[str, int]:
        return {"viewers": hub.stats().connections, "ticks": producer.ticks}

    @app.websocket("/ws/dashboard")
    async def watch(ws: WebSocket) -> None:
        # accept
        transport = await accept(ws)
        try:
            # register
            async with hub.connect(transport, user=next(viewer_names)) as connection:
                await connection.join(ROOM)
                # fan out: one producer for all
                producer.wake()
                # receive loop: all of it is ignored, and without it pongs and closes would not be read
                await ignore_incoming(ws, connection)
                # unregister: the block's end does it, and a producer with nobody left ends at its next tick
        except Refused as refusal:
            await refuse(ws, refusal)

    return app


async def ignore_incoming(ws: WebSocket, connection: Connection) -> None:
    """Read whatever a viewer sends, until it goes."""
    while (event := await ws.receive())["type"] != "websocket.disconnect":
        pass
    connection.gone(event["code"])


app = create_app()
