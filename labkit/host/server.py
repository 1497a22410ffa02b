"""One server: uvicorn in a daemon thread with an event loop of its own.

The cell that starts it may block, be interrupted or run a loop of its own: the server does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import uvicorn

from labkit.errors import ServeError
from labkit.host.guard import Guard, Policy
from labkit.host.identity import PROBE_PATH, WHOAMI_PATH, ASGIApp, IdentifiedApp, Identity
from labkit.host.logs import CURRENT_LOGS, LogBook, capture_logs
from labkit.host.protocol import DEFAULT_TIMINGS, Timings, protocol_options
from labkit.host.sockets import LOOPBACK
from labkit.host.stuck import break_off, line_of, words

if TYPE_CHECKING:
    from labkit.wire.wire import Wire

READY_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 3.0
GOODBYE_TIMEOUT_S = 1.0
GRACEFUL_SHUTDOWN_S = 1
MAX_MESSAGE_BYTES = 64 * 1024
PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 20.0
TICK_S = 1.0
ENDING_POLL_S = 0.002


class _Uvicorn(uvicorn.Server):
    """uvicorn, told when it is ready and woken at once when it shall stop."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._stop_asked = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def main_loop(self) -> None:
        # uvicorn's own loop looks every 0.1 s whether it shall end; this one is told.
        while not await self.on_tick(counter=0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_asked.wait(), TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in uvicorn's order, but let the app say goodbye first, and wait for what is there to end.

        An app that has something to say puts callables into its lifespan state, under ``before_stop``
        (`labkit.apps.hub_lifespan` does). They are awaited, all together for 1 s at most; after that
        everyone left gets a bare 1012. uvicorn's own way sleeps 0.1 s whether or not anybody is connected.
        """
        for server in self.servers:
            server.close()  # who comes back meanwhile waits in the socket's queue for the next server
        try:
            async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                for say_goodbye in self.lifespan.state.get("before_stop", ()):
                    await say_goodbye()
        except Exception as error:  # noqa: BLE001  whatever the app does, the server stops
            logging.getLogger("labkit").error("the app's goodbye failed: %r", error)
        for connection in list(self.server_state.connections):
            try:
                connection.shutdown()
            except Exception as error:  # noqa: BLE001  it was closing already; the others and the app go on
                logging.getLogger("labkit").debug("a connection was closing already: %r", error)
        try:
            async with asyncio.timeout(GRACEFUL_SHUTDOWN_S):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110  uvicorn has no event
                    await asyncio.sleep(ENDING_POLL_S)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel("the server stops and this handler did not end in time")
        await self.lifespan.shutdown()

    def ask_to_stop(self) -> None:
        self.should_exit = True
        self._stop_asked.set()


class Lab:
    """A running server, as `serve()` returns it.

    Attributes:
        name: what it serves.
        port: its TCP port on 127.0.0.1.
        url: `http://127.0.0.1:PORT`, without a slash at the end.
        ws_url: `ws://127.0.0.1:PORT`, likewise.
        logs: its last log lines, tracebacks included.
        guard: who may come in, and how many WebSockets are open.
        wire: what goes over its connections; see there.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        name: str,
        sock: socket.socket,
        ping_interval_s: float = PING_INTERVAL_S,
        ping_timeout_s: float = PING_TIMEOUT_S,
        policy: Policy | None = None,
        timings: Timings = DEFAULT_TIMINGS,
        on_stopped: Callable[[Lab], None] = lambda lab: None,
    ) -> None:
        self.name = name
        self.identity = Identity(server=name)
        self.logs = LogBook()
        self._sock = sock
        self.port: int = sock.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.ws_url = f"ws://{LOOPBACK}:{self.port}"
        self._app = IdentifiedApp(app, self.identity)
        self.guard = Guard(self._app, policy, open_paths=(WHOAMI_PATH, PROBE_PATH))
        self._timings = timings
        self._on_stopped = on_stopped
        self._config_options = {"ws_ping_interval": ping_interval_s, "ws_ping_timeout": ping_timeout_s}
        self._server: _Uvicorn | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ready_or_dead = threading.Event()
        self._failure: BaseException | None = None
        self._stop_lock = threading.RLock()
        self._ending = False
        self._stopped = False
        self._wire: Wire | None = None
        self._wire_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"labkit {name} :{self.port}", daemon=True)

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread and return when the server accepts connections.

        Raises:
            ServeError: the app failed while starting, with its exception as the cause, or it was not
                ready within 5 s. Nothing is left behind then.
        """
        capture_logs()
        try:
            self._thread.start()  # waits too: the thread may be up and serving before this returns
            in_time = self._ready_or_dead.wait(READY_TIMEOUT_S)
        except BaseException:  # the interrupt button: no cell will ever hold this server
            self.stop()
            raise
        if self.running:
            return
        self.stop()
        raise self._why_not_started(in_time)

    def _why_not_started(self, in_time: bool) -> ServeError:
        if not in_time:
            return ServeError(
                f"{self.name} was not ready within {READY_TIMEOUT_S:g} s: its start-up code is still waiting.",
                expected="start-up code (the lifespan) that ends soon.",
                hint="look at what the lifespan awaits; a bare ASGI app should return for scope type 'lifespan'.",
            )
        cause = self._app.startup_error or self._failure
        what = f"{type(cause).__name__}: {cause}" if cause is not None else "uvicorn ended without saying why"
        error = ServeError(
            f"{self.name} failed while it was starting: {what}",
            expected="an app that starts.",
            hint="run the app's start-up code by itself in a cell.",
        )
        error.__cause__ = cause
        return error

    def _run(self) -> None:
        CURRENT_LOGS.set(self.logs)
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve(loop))
        except BaseException as error:  # noqa: BLE001  uvicorn ends a failed start with SystemExit
            self._failure = error
        finally:
            self._abandon_connections()
            _close_loop(loop)
            asyncio.set_event_loop(None)
            self._ready_or_dead.set()

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        config = uvicorn.Config(
            self.guard,
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level=logging.INFO,
            access_log=False,
            proxy_headers=False,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
            **self._config_options,  # type: ignore[arg-type]
            **protocol_options(self._timings),
        )
        self._server = _Uvicorn(config, self._ready_or_dead.set)
        self._serving = asyncio.current_task()
        self._loop = loop
        if self._ending:  # stopped before there was a loop to tell it to
            return
        with self._sock.dup() as sock:  # uvicorn closes the one it gets; the port must outlive it
            await self._server._serve(sockets=[sock])

    def _abandon_connections(self) -> None:
        """Cut what did not close in time, so that no socket outlives its loop."""
        if self._server is None:
            return
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    @property
    def running(self) -> bool:
        """Whether the server accepts connections now."""
        server = self._server
        return server is not None and server.started and not server.should_exit and self._thread.is_alive()

    @property
    def holds_port(self) -> bool:
        """Whether the port is still this server's."""
        return not self._stopped

    @property
    def running_handlers(self) -> int:
        """How many requests and WebSocket connections the app is handling now."""
        return len(self._server.server_state.tasks) if self._server is not None else 0

    def stop(self) -> None:
        """Stop the server: every open WebSocket gets close code 1012, the port is free afterwards.

        Returns within about 3 s, even if a handler never ends. One that blocks the event loop is named, and broken
        off or left behind, after a second more; shutdown code of the app that waits for ever is cancelled, after at
        most two. Stopping twice is fine.
        """
        with self._stop_lock:
            if not self._stopped:
                self.release().close()

    def release(self) -> socket.socket:
        """End the server but return its listening socket, still bound, for the server that comes next."""
        self._ending = True
        server, loop, serving = self._server, self._loop, self._serving
        if server is not None and loop is not None and serving is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop has just closed by itself
                loop.call_soon_threadsafe(server.ask_to_stop if server.started else serving.cancel)
        if self._thread is not threading.current_thread():
            with contextlib.suppress(RuntimeError):  # it never started, or is coming up and ends by itself
                self._thread.join(STOP_TIMEOUT_S)
            if self._thread.is_alive() and not line_of(self._thread) and loop and serving:
                # No code of the app runs: its shutdown waits without an end.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(serving.cancel)
                self._thread.join(GRACEFUL_SHUTDOWN_S + 1)
            if self._thread.is_alive():
                self._give_up_on_its_thread()
        if self._wire is not None:
            self._wire.stop()
        self._on_stopped(self)
        self._stopped = True
        return self._sock

    def _give_up_on_its_thread(self) -> None:
        """Say in the cell and in the log where a handler blocks, and break it off if Python can."""
        line = line_of(self._thread)
        text = words(self.name, STOP_TIMEOUT_S, line, ended=break_off(self._thread))
        self.logs.add(logging.LogRecord("labkit", logging.ERROR, "", 0, text, None, None))
        sys.stderr.write(f"{text}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- the wire --------------------------------------------------------------------------------

    @property
    def wire(self) -> Wire:
        """A recorded way to this server: the first use opens a port of its own in front of it.

        What connects to `lab.wire`, by `connect(lab.wire)`, `lab.wire.show()` or its `url`, is recorded and can be
        disturbed; what connects to `lab` itself is not. A lab whose wire is never used has nothing on its path.

        Raises:
            ServeError: the server is stopped and its wire was never used.
        """
        with self._wire_lock:
            if self._wire is None:
                if not self.running:
                    raise ServeError(
                        f"{self.name!r} is stopped, and nothing was recorded.",
                        expected="a running server.",
                        hint="run the cell with serve(...) again.",
                    )
                from labkit.wire.wire import Wire

                self._wire = Wire.of(self)
            return self._wire

    def watch(self, wrap: Callable[[ASGIApp], ASGIApp] | None) -> None:
        """Put a middleware between uvicorn and the app, for connections that come from now on; None takes it away."""
        if self._server is not None:
            self._server.config.loaded_app = wrap(self.guard) if wrap is not None else self.guard

    # -- looks -----------------------------------------------------------------------------------

    def show(self, path: str = "/", *, height_px: int = 420) -> object:
        """Return the app's page as something that a cell displays; see `labkit.show`."""
        from labkit.host.frame import Frame

        return Frame(self, path, height_px=height_px)

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<Lab {self.name!r} {state} at {self.url}>"

    def _repr_html_(self) -> str:
        name = html.escape(self.name)
        if not self.running:
            return f"<div>⏹ <b>{name}</b> is stopped. Run its cell again to start it.</div>"
        age_s = time.time() - self.identity.started
        return (
            f"<div>▶ <b>{name}</b> is running at "
            f'<a href="{self.url}/" target="_blank" rel="noopener">{self.url}/</a> '
            f"<small>({age_s:.0f} s old, handling {self.running_handlers}) · "
            f"<code>lab.show()</code> embeds its page, <code>lab.stop()</code> ends it</small></div>"
        )


def _close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs on a loop and close it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=GRACEFUL_SHUTDOWN_S))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(asyncio.sleep(0))  # lets aborted transports close their sockets
    loop.close()
