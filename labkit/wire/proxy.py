"""The loopback proxy: listens on a port of its own, and passes every connection on to one server.

It lives in a thread with an event loop of its own, as a server does; see `labkit.host.server`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar

from labkit.errors import LabError
from labkit.host.sockets import listen
from labkit.wire.fault import FaultPlan
from labkit.wire.link import Link, Side, make_small
from labkit.wire.pipe import Fault
from labkit.wire.recorder import Recorder

UPSTREAM_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 3.0
GOODBYE_TIMEOUT_S = 0.5
GOODBYE_POLL_S = 0.005

_Result = TypeVar("_Result")


class Proxy:
    """Passes connections on to one server, and records them.

    Args:
        host: the server's name or address.
        port: its TCP port.
        recorder: where everything is noted.
        listen_on: the proxy's own port on 127.0.0.1, or 0 for any free one.
        tls: whether the server speaks TLS. The proxy does then, towards it; its own port stays plain.

    Attributes:
        port: the proxy's own port.
    """

    def __init__(
        self, host: str, port: int, recorder: Recorder, *, listen_on: int = 0, tls: bool = False
    ) -> None:
        self._upstream = (host, port)
        self._recorder = recorder
        self._tls = tls
        self._sock = listen(listen_on)
        make_small(self._sock)
        self.port: int = self._sock.getsockname()[1]
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: list[Fault] = []
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._started = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"labkit wire :{self.port}", daemon=True)

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start to listen; connections are accepted when it returns."""
        self._thread.start()
        self._started.wait(CALL_TIMEOUT_S)

    @property
    def running(self) -> bool:
        """Whether it accepts connections."""
        return self._thread.is_alive() and not self._stopped

    def stop(self) -> None:
        """End every connection and free the port. Stopping twice is fine."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread.ident is None:
            self._sock.close()
            self._loop.close()
            return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not threading.current_thread():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._server = self._loop.run_until_complete(
                self._loop.create_server(self._accept, sock=self._sock)
            )
            self._started.set()
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._end())
            self._loop.close()
            self._started.set()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT_S)
        await asyncio.sleep(GOODBYE_POLL_S)  # a server that has just stopped may have said goodbye
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                while any(link.record.ended for link in self._links):  # noqa: ASYNC110  rare and short
                    await asyncio.sleep(GOODBYE_POLL_S)
        for link in list(self._links):
            link.cut("the wire was stopped")
        await asyncio.sleep(0)  # lets aborted transports close their sockets

    # -- connections -----------------------------------------------------------------------------

    def _accept(self) -> Side:
        return _ClientSide(self._arrived)

    def _arrived(self, client: Side) -> None:
        task = self._loop.create_task(self._join(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, client: Side) -> None:
        """Connect to the server, and tie both connections together."""
        client_port = client.transport.get_extra_info("peername")[1]
        server = Side("server")
        try:
            async with asyncio.timeout(UPSTREAM_TIMEOUT_S):
                await self._connect(server)
        except (OSError, TimeoutError, UnicodeError) as error:
            record = self._recorder.opened(client_port, 0)
            record.end("server", f"fault: not reached, {error or 'no answer'}")
            client.reset()
            return
        except asyncio.CancelledError:
            client.reset()
            raise
        server_port = server.transport.get_extra_info("sockname")[1]
        record = self._recorder.opened(client_port, server_port)
        link = Link(client, server, record, self._links.discard)
        self._links.add(link)
        link.set_faults(self._faults)
        if client.lost:
            client.connection_lost(None)
        else:
            client.transport.resume_reading()

    async def _connect(self, server: Side) -> None:
        host, port = self._upstream
        if self._tls:
            context = ssl.create_default_context()
            await self._loop.create_connection(lambda: server, host, port, ssl=context)
            return
        family, kind, protocol, _, address = (
            await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            make_small(sock)
            await self._loop.sock_connect(sock, address)
            await self._loop.create_connection(lambda: server, sock=sock)
        except BaseException:
            sock.close()
            raise

    # -- faults ------------------------------------------------------------------------------------

    def add_fault(self, plan: FaultPlan) -> Fault:
        """Put a fault to work and return it; one that cuts has done its work then."""
        return self._call(lambda: self._add_fault(plan))

    def _add_fault(self, plan: FaultPlan) -> Fault:
        fault = Fault(plan)
        self._recorder.fault_began(fault, plan.told, plan.toward, plan.conversation)
        if plan.cut:
            for link in list(self._links):
                if plan.conversation in (None, link.record.id):
                    link.cut("fault: cut")
            self._recorder.fault_ended(fault)
        else:
            self._faults.append(fault)
            self._apply_faults()
        return fault

    def remove_fault(self, fault: Fault) -> None:
        """Take a fault back; what it held arrives. Taking it back twice is fine."""

        def remove() -> None:
            if fault in self._faults:
                self._faults.remove(fault)
                self._recorder.fault_ended(fault)
                self._apply_faults()

        if self.running:
            self._call(remove)

    @property
    def faults(self) -> list[Fault]:
        """The faults at work."""
        return list(self._faults)

    def _apply_faults(self) -> None:
        for link in list(self._links):
            link.set_faults(self._faults)

    def _call(self, function: Callable[[], _Result]) -> _Result:
        """Run a function in the proxy's thread and return what it returns."""
        if not self.running:
            raise LabError("The wire is stopped.", expected="a running one.", hint="run the cell again.")
        if threading.current_thread() is self._thread:
            return function()

        async def call() -> _Result:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(CALL_TIMEOUT_S)


class _ClientSide(Side):
    """The side that connects to the proxy: it is not read before the server has been reached."""

    def __init__(self, on_arrived: Callable[[Side], None]) -> None:
        super().__init__("client")
        self._on_arrived = on_arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._on_arrived(self)
