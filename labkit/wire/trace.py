"""Everything that was recorded on a wire, as plain values: what pictures, assertions and files are made from.

    trace = lab.wire.trace()
    for talk in trace.websockets:
        print(talk.path, talk.closed_by, talk.close_code, len(talk.frames))

All times are seconds since the trace began, taken in the proxy, so they only bound what happened at either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from labkit.wire.conversation import Conversation

if TYPE_CHECKING:
    from labkit.wire.rows import Table
    from labkit.wire.timeline import TraceView


@dataclass(frozen=True, slots=True)
class Secret:
    """A place where a token, a cookie or the like went over the wire, and was hidden.

    Attributes:
        conversation: the conversation's id.
        where: such as `the request's target`, `the request's Cookie header` or `frame 3`.
    """

    conversation: int
    where: str


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """A fault of the proxy, and how long it was at work.

    Attributes:
        began_s: since when, in seconds since the trace began.
        ended_s: until when; None while it is.
        text: what it does, such as `200 ms later`.
        toward: `client`, `server` or `both`: the direction that it concerns.
        conversation: the id of the one conversation that it concerns, or None for all.
    """

    began_s: float
    ended_s: float | None
    text: str
    toward: str
    conversation: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A record of conversations. What the recorder gives out has its secrets hidden already.

    Attributes:
        started_at: when it began, in seconds since the epoch.
        conversations: oldest first.
        secrets: where something was hidden.
        dropped_conversations: how many of the oldest were dropped because the record was full.
        dropped_frames: how many frames were dropped, those of dropped conversations included.
        dropped_bytes: how many bytes these had on the wire.
        title: what was recorded, such as the server's name.
        faults: what was done to the wire meanwhile.
    """

    started_at: float
    conversations: tuple[Conversation, ...] = ()
    secrets: tuple[Secret, ...] = ()
    dropped_conversations: int = 0
    dropped_frames: int = 0
    dropped_bytes: int = 0
    title: str = ""
    faults: tuple[FaultSpan, ...] = ()

    @property
    def websockets(self) -> tuple[Conversation, ...]:
        """The conversations in which a WebSocket was asked for."""
        return tuple(each for each in self.conversations if each.is_websocket)

    def __getitem__(self, id: int) -> Conversation:
        """Return the conversation with that id.

        Raises:
            LookupError: there is none, or no longer.
        """
        for each in self.conversations:
            if each.id == id:
                return each
        raise LookupError(f"The trace has no conversation {id}.")

    def timeline(self, *, app: bool = False) -> TraceView:
        """Return its connections drawn, one below the other; `app` adds what the app received and sent."""
        from labkit.wire.timeline import TraceView

        return TraceView(self, app=app)

    def table(self) -> Table:
        """Return a row for each request, response and frame: a list of dictionaries that a cell shows as a table."""
        from labkit.wire.rows import rows_of

        return rows_of(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.timeline()._repr_mimebundle_()

    def to_json(self) -> dict[str, Any]:
        """Return the trace as JSON values, secrets hidden and masking keys replaced by the RFC's own."""
        from labkit.wire.trace_json import write

        return write(self)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the trace that `to_json()` made these values from.

        Raises:
            LabError: it is no such trace.
        """
        from labkit.wire.trace_json import read

        return read(cls, value)

    def save(self, path: Any) -> None:
        """Write the trace to a file, as JSON; secrets are hidden."""
        from labkit.wire.trace_json import save

        save(self, path)

    @classmethod
    def load(cls, path: Any) -> Self:
        """Return the trace in a file that `save()` wrote.

        Raises:
            LabError: there is no such file, or it holds no trace.
        """
        from labkit.wire.trace_json import load

        return load(cls, path)
