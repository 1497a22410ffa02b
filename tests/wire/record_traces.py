"""Records the traces in `traces/` anew, from real servers and clients: run it by hand, and look at what it prints.

python tests/wire/record_traces.py
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect

from labkit import connect, serve
from labkit.errors import HandshakeRefused
from labkit.host import Connection, Lab
from labkit.wire.wire import Wire

FOLDER = Path(__file__).parent / "traces"
TIMEOUT_S = 10
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

app = FastAPI()


@app.websocket("/ws")
async def echo(ws: WebSocket) -> None:
    await ws.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await ws.send_text(f"Echo: {await ws.receive_text()}")


@app.websocket("/returns")
async def returns(ws: WebSocket) -> None:
    await ws.accept()
    await ws.receive_text()


@app.websocket("/closes")
async def closes(ws: WebSocket) -> None:
    await ws.accept()
    await ws.receive_text()
    await ws.close(4401, "no ticket")


@app.websocket("/before")
async def before(ws: WebSocket) -> None:
    raise HTTPException(401, "no ticket")


@app.websocket("/deaf")
async def deaf(ws: WebSocket) -> None:
    await ws.accept()
    while True:
        await ws.send_text("news")
        await asyncio.sleep(0.1)


def record(name: str, act: Callable[[Lab, Wire], None], **options: Any) -> None:
    """Serve, let something happen, wait until the connection has ended, save."""
    with serve(app, **options) as lab:
        act(lab, lab.wire)
        lab.wire.wait_for(lambda trace: trace[1].endings, timeout_s=TIMEOUT_S)
    lab.wire.save(FOLDER / f"{name}.json")
    print(f"== {name}\n{lab.wire.timeline()}\n")


def talk(wire: Wire, path: str = "/ws", text: str = "hello") -> Connection:
    ws = connect(wire, path)
    ws.send(text)
    if path == "/ws":
        ws.receive()
    return ws


def raw(wire: Wire, frame: bytes, until: Callable[[Any], Any]) -> None:
    """Shake hands by hand, send bytes, and answer nothing."""
    with socket.create_connection(("127.0.0.1", wire.port), timeout=TIMEOUT_S) as line:
        line.sendall(HANDSHAKE.format(port=wire.port).encode())
        line.recv(4096)
        line.sendall(frame)
        wire.wait_for(until, timeout_s=TIMEOUT_S)


def refuse(lab: Lab, wire: Wire) -> None:
    with contextlib.suppress(HandshakeRefused):
        connect(wire, "/before")


def lose_the_pong(lab: Lab, wire: Wire) -> None:
    ws = talk(wire)
    wire.wait_for(lambda trace: trace[1].pings and trace[1].pings[0].pong, timeout_s=TIMEOUT_S)
    with wire.fault(drop="pong", toward="server"):
        ws.wait_closed(timeout_s=TIMEOUT_S)


def answer_pings(lab: Lab, wire: Wire) -> None:
    ws = talk(wire)
    wire.wait_for(
        lambda trace: sum(ping.pong is not None for ping in trace[1].pings) >= 3, timeout_s=TIMEOUT_S
    )
    ws.close()


def be_cut(lab: Lab, wire: Wire) -> None:
    ws = talk(wire)
    wire.fault(cut=True)
    ws.wait_closed(timeout_s=TIMEOUT_S)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    record("client_closes", lambda lab, wire: talk(wire).close(4000, "lunch"))
    record("server_closes", lambda lab, wire: talk(wire, "/closes").wait_closed())
    record(
        "close_without_code",
        lambda lab, wire: raw(
            wire, bytes.fromhex("888037fa213d"), lambda trace: len(trace[1].close_frames) == 2
        ),
    )
    record("handler_returns", lambda lab, wire: talk(wire, "/returns").wait_closed())
    record("client_lost", lambda lab, wire: talk(wire, text="I am going into a tu").abort())
    record("refused", refuse)
    record(
        "deaf_handler",
        lambda lab, wire: talk(wire, "/deaf").wait_closed(),
        ping_interval_s=0.2,
        ping_timeout_s=0.3,
    )
    record("pong_dropped", lose_the_pong, ping_interval_s=0.1, ping_timeout_s=0.3)
    record(
        "ping_unanswered",
        lambda lab, wire: raw(wire, bytes.fromhex("818237fa213d5f93"), lambda trace: trace[1].endings),
        ping_interval_s=0.2,
        ping_timeout_s=0.3,
    )
    record("server_stops", lambda lab, wire: (talk(wire), lab.stop()))
    record("fault_cuts", be_cut)
    record("pings_answered", answer_pings, ping_interval_s=0.1, ping_timeout_s=2)
