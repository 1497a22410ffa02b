"""Drawing together: everybody draws on one board, and nobody's board ever differs from another's."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, WebSocket

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.board_export import add_export
from labkit.apps.board_host import BoardHost
from labkit.apps.boards import Boards
from labkit.apps.drawing_requests import load, perform, save, told
from labkit.apps.host_view import add_host_view
from labkit.apps.messages.drawing import (
    CHANNELS,
    DRAW_PROTOCOL,
    Hello,
    Load,
    Pointed,
    Request,
    Save,
    Undo,
    read_class,
    read_hello,
    read_plain,
)
from labkit.apps.messages.reading import encode
from labkit.apps.messages.session import read_pong
from labkit.apps.names import WATCHER
from labkit.apps.page_files import add_page
from labkit.apps.settings import data_folder
from labkit.apps.socket_transport import accept, incoming, refuse
from labkit.board.refusal import BoardRefused
from labkit.hub import DRAWING_RATE, Hub, Limits, Rate, Refused
from labkit.hub.limits import AUTH_TIMEOUT_S

BOARD = "main"
"""The board of those who name none."""
FILES_RATE = Rate(1, 20)
LIMITS = Limits(outbox_max_bytes=16_777_216, outbox_max_messages=1_000)
"""A full board goes to all when it is loaded, and is larger than what chat lets wait."""


def create_app(limits: Limits = LIMITS, *, data_dir: Path | None = None) -> FastAPI:
    """Return a fresh drawing app: a page at `/`, the WebSocket at `/ws/draw` and `/ws/draw/{board}`.

    Args:
        data_dir: where boards and saved drawings are kept; DATA_DIR unless given, else in memory alone.
    """

    def left(board: str, artist_id: str) -> None:
        if (live := boards.get(board)) is not None:
            live.left(artist_id)

    hub = Hub(
        duplicates="replace",
        on_left=left,
        limits=limits,
        rates={"drawing": DRAWING_RATE, "files": FILES_RATE},
        encode=encode,
    )
    boards = Boards(hub, data_dir or data_folder())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with boards:
            yield {"before_stop": [hub.drain]}
            await hub.close()

    app = FastAPI(title="drawing", lifespan=lifespan)
    add_page(app, "drawing")
    add_host_view(app, hub, rooms=[BOARD], things=BoardHost(boards), shown=lambda room: "/" not in room)
    add_export(app, boards)
    add_asyncapi(app, *CHANNELS)

    @app.websocket("/ws/draw")
    @app.websocket("/ws/draw/{board}")
    async def draw(ws: WebSocket, board: str = BOARD, name: str = "") -> None:
        # accept
        transport = await accept(ws, DRAW_PROTOCOL)
        try:
            batched = transport.protocol == DRAW_PROTOCOL
            hello = await first_message(ws) if batched else None
            live = await boards.open(board)
            artist = (
                live.artists.recognise(hello.name, hello.token) if hello else live.artists.recognise(name)
            )
            # register
            async with hub.connect(transport, user=artist.id, pings=batched) as connection:
                await live.enter(connection, artist, hello)
                # receive loop
                async for message in incoming(ws, connection, read_class if batched else read_plain):
                    try:
                        # fan out
                        match message:
                            case Pointed(x=x, y=y):
                                live.point(artist, x, y)
                            case Save():
                                connection.spend("files")
                                connection.send(await save(live, boards.shelf, message.name))
                            case Load():
                                connection.check_publish(board, rate="files")
                                live.accept(await load(live, boards.shelf, message.name, artist))
                            case Request():
                                if message.starts:
                                    # A stroke that was begun by a slip of the finger can be taken back at once.
                                    counts = not isinstance(message, Undo)
                                    connection.check_publish(board, rate="drawing", slowed=counts)
                                else:
                                    connection.spend("drawing")
                                live.accept(perform(live.board, artist, message))
                    except (Refused, BoardRefused) as refusal:
                        connection.refuse(told(refusal, message))
                # unregister: the block's end does it; who can't come back has left for good, without grace
                if not batched:
                    connection.leave(board)
        except Refused as refusal:
            await refuse(ws, refusal)

    @app.websocket("/watch")
    @app.websocket("/watch/{board}")
    async def watch(ws: WebSocket, board: str = BOARD) -> None:
        transport = await accept(ws, DRAW_PROTOCOL)
        try:
            hello = await first_message(ws)
            live = await boards.open(board)
            user = WATCHER + secrets.token_hex(8)
            async with hub.connect(transport, user=user, host=True) as connection:
                await live.watch(connection, None, hello)
                async for _ in incoming(ws, connection, read_pong):
                    pass
        except Refused as refusal:
            await refuse(ws, refusal)

    return app


async def first_message(ws: WebSocket) -> Hello:
    """Return what a client of `labkit.draw.v2` says first: who it is, and where it was.

    Raises:
        Refused: it said something else, or nothing for too long, or has gone.
    """
    try:
        async with asyncio.timeout(AUTH_TIMEOUT_S):
            event = await ws.receive()
    except TimeoutError:
        raise Refused("bad_message", "No hello came.", expected="one within 10 s.") from None
    return read_hello(event.get("text") or "")


app = create_app()
