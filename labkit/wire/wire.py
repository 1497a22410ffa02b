"""`lab.wire`: a recorded way to a server, which can be looked at, asked and disturbed."""

from __future__ import annotations

import html
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from labkit.errors import LabError
from labkit.host.identity import ASGIApp, Identity
from labkit.host.sockets import LOOPBACK
from labkit.wire.asgi_lane import AsgiLane
from labkit.wire.expecting import EXPECT_TIMEOUT_S, Expectation
from labkit.wire.fault import FaultPlan, Toward
from labkit.wire.frame import Frame
from labkit.wire.pipe import Fault
from labkit.wire.proxy import Proxy
from labkit.wire.recorder import Recorder
from labkit.wire.trace import Trace

if TYPE_CHECKING:
    from labkit.host.server import Lab
    from labkit.wire.conversation import Conversation
    from labkit.wire.handshake import Handshake
    from labkit.wire.live import Live
    from labkit.wire.rows import Table
    from labkit.wire.timeline import TraceView

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Wire:
    """A loopback proxy in front of a server that records what goes through.

        wire = lab.wire
        ws = connect(wire, "/ws")        # or wire.show(), or any client at wire.ws_url
        ws.send("hello")
        wire.trace()[1].messages

    Only what connects here is recorded. Of a server from `serve()` the app's side is recorded as well.

    Attributes:
        name: what is served.
        identity: the server's, which answers through the wire.
        port: the wire's own TCP port on 127.0.0.1.
        url: `http://127.0.0.1:PORT` with that port.
        ws_url: `ws://127.0.0.1:PORT`, likewise.
        recorder: what keeps the record.
    """

    def __init__(self, url: str, *, name: str = "", port: int = 0, identity: Identity | None = None) -> None:
        """Open a wire to a server by its URL.

        Args:
            url: the server: `ws://`, `wss://`, `http://` or `https://`; a path in it is not looked at.
            name: what to call it.
            port: the wire's own port, or 0 for any free one.
            identity: the server's, if it is a lab.

        Raises:
            LabError: no such URL.
            ServeError: the port is taken.
        """
        host, upstream_port, tls = _address(url)
        self.name = name or f"{host}:{upstream_port}"
        self.identity = identity if identity is not None else Identity(server=self.name)
        self.recorder = Recorder(self.name)
        self._proxy = Proxy(host, upstream_port, self.recorder, listen_on=port, tls=tls)
        self.port = self._proxy.port
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.ws_url = f"ws://{LOOPBACK}:{self.port}"
        self._unwatch: Callable[[], None] = lambda: None
        self._stop_lock = threading.Lock()
        _OPEN.add(self)
        self._proxy.start()

    @classmethod
    def of(cls, lab: Lab) -> Self:
        """Open the wire of a running server; use `lab.wire`, which does it once."""
        wire = cls(lab.url, name=lab.name, identity=lab.identity)

        def wrap(app: ASGIApp) -> ASGIApp:
            return AsgiLane(app, wire.recorder)

        lab.watch(wrap)
        wire._unwatch = lambda: lab.watch(None)
        return wire

    # -- life ------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether connections are accepted and recorded now."""
        return self._proxy.running

    def stop(self) -> None:
        """End the wire and every connection through it; what was recorded stays. A lab's ends with the lab."""
        with self._stop_lock:
            self._unwatch()
            self._unwatch = lambda: None
            self._proxy.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- the record ------------------------------------------------------------------------------

    def trace(self) -> Trace:
        """Return what was recorded until now, with cookies, Authorization and tokens hidden."""
        return self.recorder.trace()

    def save(self, path: str | Path) -> None:
        """Write what was recorded to a file, as JSON; `Trace.load()` reads it."""
        self.trace().save(path)

    def clear(self) -> None:
        """Forget what was recorded; open connections go on being recorded."""
        self.recorder.clear()

    def wait_for(self, look: Callable[[Trace], Any], *, timeout_s: float = EXPECT_TIMEOUT_S) -> Any:
        """Return what `look(trace)` returns as soon as that is true.

        Raises:
            LabError: it was not within `timeout_s` seconds.
        """
        result = self.recorder.wait_for(look, timeout_s)
        if not result:
            raise LabError(
                f"What was waited for was not on the wire within {timeout_s:g} s.",
                hint="print(lab.wire) shows what was.",
            )
        return result

    def expect(self, conversation: int | None = None, *, timeout_s: float = EXPECT_TIMEOUT_S) -> Expectation:
        """Return what assertions on the record begin with: `wire.expect().closed_by("server").close_code(1000)`.

        Args:
            conversation: the id of one conversation; without it, the newest WebSocket.
            timeout_s: how long each assertion may take to come true.
        """
        return Expectation(self.recorder.wait_for, conversation, timeout_s)

    # -- faults ----------------------------------------------------------------------------------

    def fault(
        self,
        *,
        latency_s: float = 0.0,
        jitter_s: float = 0.0,
        bandwidth_bytes_per_s: float = 0.0,
        stall: bool = False,
        cut: bool = False,
        half_open: bool = False,
        drop: str | Callable[[Frame], bool] | None = None,
        drop_count: int | None = None,
        split_bytes: int = 0,
        coalesce_s: float = 0.0,
        toward: Toward | None = None,
        conversation: int | None = None,
    ) -> WireFault:
        """Disturb the wire, until the fault is cleared: by `.clear()`, or at the end of a `with` block.

            with lab.wire.fault(latency_s=0.2, jitter_s=0.1): ...
            lab.wire.fault(drop="pong", toward="server")
            lab.wire.fault(cut=True)

        Args:
            latency_s: bytes arrive so many seconds later, in order; the round trip grows by twice that.
            jitter_s: the delay varies by up to so much, both ways.
            bandwidth_bytes_per_s: no more than so many bytes a second arrive.
            stall: nobody reads any more: a client that has stopped reading, unless `toward="server"`.
            cut: every open connection ends now with a reset (RST), without FIN and without a close frame.
            half_open: nothing arrives in either direction, no end either: a pulled cable. Cleared, it all arrives.
            drop: frames that never arrive: `text`, `binary`, `continuation`, `ping`, `pong`, `close`, `any`, or a
                function that says so of a `Frame`.
            drop_count: how many of them; all, unless given.
            split_bytes: bytes arrive in pieces of this size, each in a TCP segment of its own.
            coalesce_s: what comes within so many seconds arrives in one piece.
            toward: `client`, `server` or `both`: whose incoming bytes. Both unless given; `stall`: the client's.
            conversation: the id of one conversation; without it all of them, those to come too.

        Raises:
            LabError: a fault that does nothing, or a value out of its range.
        """
        plan = FaultPlan(
            drop=drop,
            drop_count=drop_count,
            coalesce_s=coalesce_s,
            split_bytes=split_bytes,
            latency_s=latency_s,
            jitter_s=jitter_s,
            bandwidth_bytes_per_s=bandwidth_bytes_per_s,
            stall=stall,
            half_open=half_open,
            cut=cut,
            toward=toward or ("client" if stall else "both"),
            conversation=conversation,
        )
        return WireFault(self._proxy, self._proxy.add_fault(plan))

    @property
    def faults(self) -> list[WireFault]:
        """The faults at work."""
        return [WireFault(self._proxy, each) for each in self._proxy.faults]

    def clear_faults(self) -> None:
        """Take every fault back."""
        for fault in self.faults:
            fault.clear()

    # -- looks -----------------------------------------------------------------------------------

    @property
    def last(self) -> Conversation:
        """The newest WebSocket that was recorded, be it refused.

        Raises:
            LabError: there is none yet.
        """
        talks = self.trace().websockets
        if not talks:
            raise LabError(
                f"No WebSocket went over the wire of {self.name!r} yet.",
                hint="only what connects to the wire is recorded: connect(lab.wire, '/ws').",
            )
        return talks[-1]

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames of the newest WebSocket, oldest first."""
        return self.last.frames

    @property
    def handshake(self) -> Handshake:
        """The handshake of the newest WebSocket; `.explain()` tells what each line is for."""
        shake = self.last.handshake
        if shake is None:  # a WebSocket is what has one
            raise LabError("The newest connection has no handshake.")
        return shake

    def timeline(self, *, app: bool = False) -> TraceView:
        """Return what was recorded as a picture, for a cell to display; so does the wire itself.

        Args:
            app: draw also what the app received and sent, in a third lane.
        """
        return self.trace().timeline(app=app)

    def table(self) -> Table:
        """Return what was recorded as rows: a list of dictionaries that a cell shows as a table."""
        return self.trace().table()

    def live(self) -> Live:
        """Return the timeline as a widget that moves while frames flow, with buttons for faults."""
        from labkit.wire.live import Live

        return Live(self)

    def show(self, path: str = "/", *, height_px: int = 420) -> object:
        """Return the app's page through the wire, as something that a cell displays; see `labkit.show`."""
        from labkit.host.frame import Frame as PageFrame

        return PageFrame(self, path, height_px=height_px)

    def __str__(self) -> str:
        from labkit.wire.log_text import log_lines

        return "\n".join([repr(self), *log_lines(self.trace())])

    def __repr__(self) -> str:
        state = f"recording at {self.url}" if self.running else "stopped"
        return f"<Wire to {self.name!r} {state}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        shown = self.timeline()
        words = {"text/plain": f"{self!r}\n\n{shown}"}
        return {"text/html": f"<div><code>{html.escape(repr(self))}</code></div>{shown.html()}"} | words


class WireFault:
    """A fault at work, as `wire.fault()` returns it; as a context manager it is cleared at the end."""

    def __init__(self, proxy: Proxy, fault: Fault) -> None:
        self._proxy = proxy
        self._fault = fault

    @property
    def plan(self) -> FaultPlan:
        """What it does."""
        return self._fault.plan

    @property
    def active(self) -> bool:
        """Whether it is still at work; one that cuts has done its work at once."""
        return self._fault in self._proxy.faults

    def clear(self) -> None:
        """Take it back; what it held arrives now. Clearing twice changes nothing."""
        self._proxy.remove_fault(self._fault)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __repr__(self) -> str:
        where = "" if self.plan.conversation is None else f", conversation {self.plan.conversation}"
        return f"<fault: {self.plan.told}, toward {self.plan.toward}{where}{'' if self.active else ', over'}>"


def _address(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether it is TLS."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == -1:
        raise LabError(
            f"{url!r} is no address of a server.", expected="ws://host:port, wss://…, http://… or https://…"
        )
    return parts.hostname, port or DEFAULT_PORTS[parts.scheme], parts.scheme in ("wss", "https")


_OPEN: weakref.WeakSet[Wire] = weakref.WeakSet()


def stop_wires() -> None:
    """Stop every wire of this process."""
    for wire in list(_OPEN):
        wire.stop()
