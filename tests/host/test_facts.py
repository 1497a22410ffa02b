"""The traps of servers in notebooks, each shown on the libraries as pinned, and the kit's way past it.

Where a trap belongs to a library, the test shows the library falling into it: should it be mended one day,
the test fails and the guard (and the lesson that tells of it) can go.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import httpx_ws
import pytest
import uvicorn
from fastapi import FastAPI, WebSocket

from labkit import connect, serve
from labkit.errors import ServeError


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_f1_a_busy_port_ends_a_plain_uvicorn_thread_in_silence(busy_port):
    """uvicorn calls sys.exit; threading swallows it; `started` stays False: a wait for it never ends."""
    server = uvicorn.Server(uvicorn.Config(FastAPI(), port=busy_port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert server.started is False
    with pytest.raises(ServeError, match=f"Port {busy_port} is taken"):
        serve(FastAPI(), port=busy_port)


def test_f2_a_busy_port_ends_a_loop_that_uvicorn_shares(busy_port):
    """As a task on the kernel's loop it would end the kernel; ours has a loop of its own."""
    server = uvicorn.Server(uvicorn.Config(FastAPI(), port=busy_port, log_config=None))
    loop = asyncio.new_event_loop()
    task = loop.create_task(server._serve())
    with pytest.raises(SystemExit):
        loop.run_until_complete(task)
    assert isinstance(task.exception(), SystemExit)
    for left in asyncio.all_tasks(loop):  # uvicorn leaves its lifespan behind
        left.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(left)
    loop.close()

    async def in_a_cell() -> str:
        with pytest.raises(ServeError):
            serve(FastAPI(), port=busy_port)
        return "the loop still runs"

    assert asyncio.run(in_a_cell()) == "the loop still runs"


@pytest.mark.slow
def test_f3_a_handler_that_never_reads_is_closed_with_1011_after_one_message():
    """uvicorn stops reading after a message that nobody takes, so it never sees the pong."""
    app = FastAPI()

    @app.websocket("/deaf")
    async def deaf(ws: WebSocket):
        await ws.accept()
        await asyncio.Event().wait()

    @app.websocket("/reading")
    async def reading(ws: WebSocket):
        await ws.accept()
        async for _ in ws.iter_text():
            pass

    lab = serve(app, ping_interval_s=0.1, ping_timeout_s=2.0)
    victim, neighbour, silent = connect(lab, "/deaf"), connect(lab, "/reading"), connect(lab, "/deaf")
    victim.send("one message")
    neighbour.send("one message")
    close = victim.wait_closed(timeout_s=20)
    assert (close.code, close.reason) == (1011, "keepalive ping timeout")
    assert neighbour.closed is None
    assert silent.closed is None, "a client that sends nothing is not affected"


@pytest.mark.slow
def test_f4_an_async_httpx_ws_client_with_unread_messages_stops_answering_pings():
    """Its queue has length zero; the kit's client reads in a thread and answers."""
    dropped: list[str] = []
    gone = threading.Event()
    app = FastAPI()

    @app.websocket("/ws/{who}")
    async def push_two(ws: WebSocket, who: str):
        await ws.accept()
        await ws.send_text("one")
        await ws.send_text("two")
        async for _ in ws.iter_text():
            pass
        dropped.append(who)
        gone.set()

    lab = serve(app, ping_interval_s=0.1, ping_timeout_s=2.0)
    ours = connect(lab, "/ws/ours")

    async def leave_unread() -> None:
        with contextlib.suppress(httpx_ws.HTTPXWSException):
            async with httpx_ws.aconnect_ws(f"{lab.url}/ws/httpx-ws"):
                assert await asyncio.to_thread(gone.wait, 30), "the server has dropped a client"

    with contextlib.suppress(BaseExceptionGroup):
        asyncio.run(leave_unread())
    assert dropped == ["httpx-ws"]
    ours.ping()
    assert ours.received() == ["one", "two"]


@pytest.mark.slow
def test_f5_six_hundred_unread_messages_do_not_hang_the_end():
    """httpx-ws's own sync session joins a thread that waits on a full queue of 512."""
    app = FastAPI()

    @app.websocket("/ws")
    async def flood(ws: WebSocket):
        await ws.accept()
        for number in range(600):
            await ws.send_text(str(number))
        await ws.send_text("done")
        async for _ in ws.iter_text():
            pass

    lab = serve(app)
    ws = connect(lab)
    ws.ping()
    assert ws.close().code == 1000
    assert len(ws.received()) == 601
    assert not ws._reader.is_alive()


def test_f6_a_connection_is_opened_in_one_task_and_used_in_others(echo_app):
    """ipykernel 7 runs each cell in a task of its own, which httpx-ws's async session cannot survive."""
    lab = serve(echo_app)

    async def cells() -> list[str | bytes]:
        ws = await asyncio.create_task(_cell(lambda: connect(lab)))
        await asyncio.create_task(_cell(lambda: ws.send("hello")))
        answer = await asyncio.create_task(_cell(ws.receive))
        await asyncio.create_task(_cell(ws.close))
        return [answer]

    assert asyncio.run(cells()) == ["Echo: hello"]


async def _cell(function):
    return function()


def test_f7_a_client_that_connects_between_two_servers_is_served_by_the_next(run_cell, echo_app):
    """The listening socket outlives the server, so the port is never anybody else's."""
    first = run_cell("cell", lambda: serve(echo_app))
    sock = first._sock
    first.release()
    waiting = socket.create_connection(("127.0.0.1", first.port), timeout=5)
    waiting.sendall(b"GET /_lab/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    from labkit.host.server import Lab

    second = Lab(echo_app, name="second", sock=sock)
    second.start()
    assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
    waiting.close()
    second.stop()


def test_equal_routes_keep_the_first_handler_so_a_cell_must_build_its_app_anew():
    """Re-running `@app.websocket("/ws")` on the same app would silently keep the old code."""
    app = FastAPI()
    for answer in ("old", "new"):

        @app.websocket("/ws")
        async def handler(ws: WebSocket, answer: str = answer):
            await ws.accept()
            await ws.send_text(answer)

    assert connect(serve(app)).receive() == "old"
