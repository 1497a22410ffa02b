"""`serve()`: ready when it returns, one clear error when it cannot, nothing left when it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, WebSocket

from labkit import connect, serve
from labkit.errors import ConnectError, LabError, ServeError, UnknownName
from labkit.host import server as server_module
from labkit.host import sockets, stuck
from labkit.host.server import Lab
from labkit.host.sockets import listen


def test_a_server_answers_as_soon_as_serve_returns(echo_app):
    lab = serve(echo_app)
    ws = connect(lab)
    ws.send("hello")
    assert ws.receive() == "Echo: hello"
    assert lab.url == f"http://127.0.0.1:{lab.port}"
    assert lab.ws_url == f"ws://127.0.0.1:{lab.port}"


def test_a_server_answers_while_the_calling_thread_is_blocked(echo_app):
    """A cell may compute or wait: the server has a thread and a loop of its own."""
    lab = serve(echo_app)
    with socket.create_connection(("127.0.0.1", lab.port), timeout=2) as plain:
        plain.sendall(b"GET /_lab/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 200")  # recv blocks this thread, the only other one


def test_only_the_loopback_address_listens(echo_app):
    lab = serve(echo_app)
    assert lab._sock.getsockname()[0] == "127.0.0.1"


def test_a_kit_app_is_served_by_its_name():
    with serve("echo") as lab:
        assert lab.name == "echo"
        assert "<html" in httpx.get(lab.url + "/", trust_env=False).text.lower()


def test_a_typo_in_an_app_name_is_answered_with_the_nearest_one():
    with pytest.raises(UnknownName) as caught:
        serve("ehco")
    assert str(caught.value).startswith("There is no app called 'ehco'.")
    assert "Try: 'echo' - is that what you meant?" in str(caught.value)


async def _two_arguments(scope, receive):
    """Not an ASGI application."""


def _factory():
    return FastAPI()


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (None, "None is no ASGI application."),
        (42, "42 cannot be called."),
        (FastAPI, "'FastAPI' is a class."),
        (_factory, "'_factory' takes no arguments: it looks like a factory."),
        (_two_arguments, "'_two_arguments' takes 2 argument(s)."),
        (asyncio, "'asyncio' is a module."),
    ],
)
def test_what_is_no_asgi_app_is_named(thing, message):
    with pytest.raises(ServeError) as caught:
        serve(thing)
    assert str(caught.value).startswith(message)
    assert "Expected: an ASGI application" in str(caught.value)


def test_a_taken_port_is_an_error_in_the_cell_within_the_deadline(echo_app, busy_port):
    """uvicorn would end its thread with SystemExit, which nobody sees: F1."""
    started = time.monotonic()
    with pytest.raises(ServeError) as caught:
        serve(echo_app, port=busy_port)
    assert str(caught.value).startswith(f"Port {busy_port} is taken: another program listens there.")
    assert time.monotonic() - started < server_module.READY_TIMEOUT_S


def test_a_port_of_another_labkit_server_is_told_with_its_name(echo_app, monkeypatch):
    monkeypatch.setattr(sockets, "WHO_HAS_IT_TIMEOUT_S", 20)  # its answer comes in the end, on any machine
    monkeypatch.setenv("JPY_SESSION_NAME", "/somewhere/03_chat.ipynb")
    lab = serve(echo_app)
    with pytest.raises(ServeError, match=r"labkit's server 'small echo' of 03_chat\.ipynb in process \d+"):
        serve(echo_app, port=lab.port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_refused(echo_app, port):
    with pytest.raises(ServeError, match="is no TCP port"):
        serve(echo_app, port=port)


@pytest.mark.parametrize("option", ["ping_interval_s", "ping_timeout_s"])
def test_a_ping_time_must_be_positive(echo_app, option):
    with pytest.raises(ServeError, match=rf"{option} is 0\."):
        serve(echo_app, **{option: 0})


def test_an_app_that_raises_at_startup_raises_its_true_error_in_the_cell():
    @asynccontextmanager
    async def lifespan(app):
        raise ValueError("no database")
        yield

    with pytest.raises(ServeError) as caught:
        serve(FastAPI(lifespan=lifespan, title="shop"))
    assert str(caught.value).startswith("shop failed while it was starting: ValueError: no database")
    assert isinstance(caught.value.__cause__, ValueError)
    shown = "\n".join(caught.value._render_traceback_())
    assert 'raise ValueError("no database")' in shown, "the learner's own line is shown"
    assert "starlette" not in shown
    assert "labkit/host" not in shown.replace("\\", "/")


def test_a_middleware_that_cannot_be_built_is_an_error_too():
    """Raised before Starlette reports it: with lifespan="auto" it would be lost in the log."""

    class Broken:
        def __init__(self, app):
            raise TypeError("the middleware is broken")

    app = FastAPI()
    app.add_middleware(Broken)
    with pytest.raises(ServeError, match="TypeError: the middleware is broken"):
        serve(app)


def test_startup_code_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(server_module, "READY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(server_module, "STOP_TIMEOUT_S", 0.2)

    @asynccontextmanager
    async def lifespan(app):
        await blocked.wait()
        yield

    blocked = asyncio.Event()
    with pytest.raises(ServeError, match="was not ready within 0.2 s: its start-up code is still waiting"):
        serve(FastAPI(lifespan=lifespan))


def test_an_app_without_lifespan_is_served():
    async def bare(scope, receive, send):
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "bare"})
        await receive()

    with serve(bare) as lab:
        assert connect(lab, "/anywhere").receive() == "bare"


def test_no_answer_waits_for_the_acknowledgement_of_the_one_before(echo_app):
    """Nagle's algorithm is off on what is accepted: with it a second small write is held back for 40 ms."""
    with serve(echo_app) as lab:
        ws = connect(lab)
        ws.send("x")
        ws.receive()
        (protocol,) = lab._server.server_state.connections
        sock = protocol.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def _waits_for_ever(starting: threading.Event) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app):
        starting.set()
        await asyncio.Event().wait()
        yield

    return FastAPI(lifespan=lifespan)


def _left_of(name: str) -> list[threading.Thread]:
    """Return the threads of a server that are still there, once those that are ending have had the time to."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(f"labkit {name}")]
    for thread in threads:
        thread.join(10)
    return [thread for thread in threads if thread.is_alive()]


@pytest.mark.skipif(os.name == "nt", reason="a signal interrupts no waiting thread on Windows")
def test_an_interrupt_while_a_server_starts_leaves_none_behind():
    starting = threading.Event()

    def interrupt():
        starting.wait(10)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        serve(_waits_for_ever(starting), name="interrupted")
    assert not _left_of("interrupted")


def test_an_interrupt_in_the_very_start_of_the_thread_leaves_none_behind(monkeypatch):
    starting = threading.Event()
    start = threading.Thread.start

    def interrupted_start(thread):
        start(thread)
        if thread.name.startswith("labkit interrupted"):
            assert starting.wait(10)  # start() returns late: the server is well on its way
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        serve(_waits_for_ever(starting), name="interrupted")
    assert not _left_of("interrupted")


def test_a_server_that_is_ended_before_its_thread_is_up_never_serves():
    starting = threading.Event()
    lab = Lab(_waits_for_ever(starting), name="ended early", sock=listen(0))
    with lab.release():
        lab._thread.start()
        lab._thread.join(10)
        assert not lab._thread.is_alive()
        assert not starting.is_set()


def test_leaving_the_with_block_stops_the_server_and_frees_its_port(echo_app):
    with serve(echo_app) as lab:
        assert lab.running
    assert not lab.running
    with pytest.raises(ConnectError, match="The server 'small echo' is stopped."):
        connect(lab)
    with socket.create_server(("127.0.0.1", lab.port)):
        pass


def test_stopping_twice_is_fine(echo_app):
    lab = serve(echo_app)
    lab.stop()
    lab.stop()
    assert repr(lab) == f"<Lab 'small echo' stopped at {lab.url}>"


def test_stopping_closes_open_connections_with_1012(echo_app):
    lab = serve(echo_app)
    ws = connect(lab)
    lab.stop()
    close = ws.wait_closed()
    assert (close.code, close.closed_by) == (1012, "server")


def test_stopping_returns_although_a_handler_never_ends():
    app = FastAPI()

    @app.websocket("/ws")
    async def stubborn(ws: WebSocket):
        await ws.accept()
        await asyncio.Event().wait()

    lab = serve(app)
    ws = connect(lab)
    started = time.monotonic()
    lab.stop()
    assert time.monotonic() - started < server_module.STOP_TIMEOUT_S
    assert ws.wait_closed().code == 1012


def test_stopping_ends_shutdown_code_that_waits_for_ever(monkeypatch, capsys):
    monkeypatch.setattr(server_module, "STOP_TIMEOUT_S", 0.2)
    cancelled = []

    @asynccontextmanager
    async def lifespan(app):
        yield
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    lab = serve(FastAPI(lifespan=lifespan))
    lab.stop()
    assert cancelled
    assert "blocks" not in capsys.readouterr().err


def test_a_client_that_is_closing_already_does_not_keep_the_app_from_its_own_end():
    """Its close frame was answered, and the answer waits behind what it does not read."""
    ended = []

    @asynccontextmanager
    async def lifespan(app):
        yield
        ended.append(True)

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/ws")
    async def flood(ws: WebSocket):
        await ws.accept()
        while True:
            await ws.send_text("x" * 60_000)

    @app.websocket("/calm")
    async def calm(ws: WebSocket):
        await ws.accept()
        await ws.receive_text()

    with serve(app) as lab, socket.create_connection(("127.0.0.1", lab.port)) as stalled:
        calm_one = connect(lab, "/calm")
        stalled.sendall(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

        def protocols():
            return [each for each in lab._server.server_state.connections if hasattr(each, "writable")]

        def wait_until(holds):
            moment, deadline = threading.Event(), time.monotonic() + 20
            while not holds():
                assert time.monotonic() < deadline
                moment.wait(0.01)

        wait_until(lambda: any(not each.writable.is_set() for each in protocols()))
        stalled.sendall(b"\x88\x82\0\0\0\0\x03\xe9")
        wait_until(lambda: any(each.conn.close_rcvd is not None for each in protocols()))
        lab.stop()
    assert ended
    assert calm_one.wait_closed().code == 1012


def test_stopping_returns_although_a_handler_blocks_the_loop(monkeypatch, capsys):
    monkeypatch.setattr(server_module, "STOP_TIMEOUT_S", 0.2)
    release = threading.Event()
    app = FastAPI()

    @app.websocket("/ws")
    async def blocking(ws: WebSocket):
        await ws.accept()
        await ws.send_text("blocking now")
        release.wait(10)

    lab = serve(app)
    ws = connect(lab)
    ws.receive()
    lab.stop()
    told = "did not stop within 0.2 s: a handler blocks its event loop in blocking(), line "
    for place in (str(lab.logs), capsys.readouterr().err):
        assert told in place
        assert ": release.wait(10)\n" in place
        assert "It is left behind and ends when that call returns" in place
    release.set()
    lab._thread.join(5)
    ws.wait_closed()


def test_a_handler_that_loops_for_ever_is_broken_off_and_its_port_serves_again(monkeypatch, capsys, run_cell):
    monkeypatch.setattr(server_module, "STOP_TIMEOUT_S", 0.2)
    monkeypatch.setattr(stuck, "BREAK_OFF_TIMEOUT_S", 10.0)  # it returns as soon as the thread has ended
    app = FastAPI()

    @app.websocket("/ws")
    async def endless(ws: WebSocket):
        await ws.accept()
        await ws.send_text("looping now")
        while True:
            pass

    lab = run_cell("the cell", lambda: serve(app))
    ws = connect(lab)
    ws.receive()
    again = run_cell("the cell", lambda: serve("echo"))
    told = capsys.readouterr().err
    assert "a handler blocks its event loop in endless(), line " in told
    assert told.endswith("It has been broken off.\n")
    assert not lab._thread.is_alive()
    assert ws.wait_closed().code == 1006
    assert again.port == lab.port
    with connect(again) as other:
        other.send("hi")
        assert other.receive() == "Echo: hi 🔊"


def test_a_handler_may_stop_its_own_server():
    app = FastAPI()

    @app.websocket("/ws")
    async def suicidal(ws: WebSocket):
        await ws.accept()
        lab.stop()
        await ws.receive()

    lab = serve(app)
    ws = connect(lab)
    assert ws.wait_closed().code == 1012
    lab._thread.join(5)
    assert not lab.running


def test_two_fresh_apps_share_nothing():
    one, other = serve("lifecycle"), serve("lifecycle")
    ws = connect(one, "/ws/ada")
    ws.send("x")
    ws.receive()
    assert len(httpx.get(one.url + "/events", trust_env=False).json()) == 2
    assert httpx.get(other.url + "/events", trust_env=False).json() == []


def test_serving_works_after_nest_asyncio_was_applied():
    """In a process of its own: the patch cannot be undone."""
    import subprocess
    import sys

    program = (
        "import asyncio, warnings; warnings.simplefilter('error')\n"
        "from labkit.host import nested, serve, connect\n"
        "nested(); nested()\n"
        "lab = serve('echo'); ws = connect(lab); ws.send('x'); print(ws.receive())\n"
        "async def outer(): return asyncio.run(inner())\n"
        "async def inner(): return 'nested'\n"
        "print(asyncio.run(outer())); lab.stop()\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        encoding="utf-8",
    )
    assert done.stdout.splitlines() == ["Echo: x 🔊", "nested"], done.stderr


def test_importing_the_host_patches_nothing():
    import subprocess
    import sys

    program = "import asyncio, labkit.host; print(hasattr(asyncio, '_nest_patched'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False", done.stderr


def test_the_process_ends_by_itself_with_a_server_and_a_client_open():
    import subprocess
    import sys

    program = "from labkit import serve, connect; lab = serve('echo'); ws = connect(lab); print('end')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "end", "")


def test_an_app_may_use_threads_to_write_what_it_has_when_the_process_ends(tmp_path):
    import subprocess
    import sys

    program = f"""
import asyncio, contextlib, pathlib
from fastapi import FastAPI
from labkit import serve

@contextlib.asynccontextmanager
async def lifespan(app):
    yield
    await asyncio.to_thread(pathlib.Path({str(tmp_path / "kept")!r}).write_text, "all of it")

lab = serve(FastAPI(lifespan=lifespan))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "kept").read_text() == "all of it"


def test_errors_are_told_as_what_happened_what_was_expected_and_what_to_try():
    error = LabError("It rained.", expected="sun.", hint="an umbrella.")
    assert str(error) == "It rained.\nExpected: sun.\nTry: an umbrella."
    assert error._render_traceback_() == [f"LabError: {error}"]
