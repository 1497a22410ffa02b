"""Another framework: Litestar. The producer waits on an event that is set while somebody watches; whole figures only."""

import asyncio
import json
import os
from datetime import UTC, datetime

from litestar import Litestar, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect

sockets: dict[int, WebSocket] = {}
somebody = asyncio.Event()
ticks = 0


async def produce() -> None:
    global ticks
    while True:
        await somebody.wait()
        started = asyncio.get_running_loop().time()
        ticks += 1
        figures = {
            "timestamp": datetime.now(UTC).isoformat(),
            "cpu": (ticks * 7) % 101,
            "memory": (ticks * 3) % 101,
            "requests_per_second": ticks % 50,
            "active_users": len(sockets),
            "emoji_mood": "💪",
        }
        text = json.dumps(figures)
        for number, socket in list(sockets.items()):
            try:
                async with asyncio.timeout(0.05):
                    await socket.send_text(text)
            except Exception:
                sockets.pop(number, None)
        took_s = asyncio.get_running_loop().time() - started
        await asyncio.sleep(max(0.001, float(os.environ.get("DASHBOARD_INTERVAL_S", "1.0")) - took_s))


async def start(app: Litestar) -> None:
    app.state.producer = asyncio.create_task(produce())


async def stop(app: Litestar) -> None:
    app.state.producer.cancel()


@get("/stats")
async def stats() -> dict[str, int]:
    return {"viewers": len(sockets), "ticks": ticks}


@websocket("/ws/dashboard")
async def watch(socket: WebSocket) -> None:
    await socket.accept()
    sockets[id(socket)] = socket
    somebody.set()
    try:
        while True:
            await socket.receive_data(mode="text")
    except WebSocketDisconnect:
        pass
    finally:
        sockets.pop(id(socket), None)
        if not sockets:
            somebody.clear()


app = Litestar([stats, watch], on_startup=[start], on_shutdown=[stop])
