"""What came out of a swarm's visit, as plain values, as text and for a notebook cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from labkit.swarm.histogram import Percentiles

if TYPE_CHECKING:
    from labkit.svg import Chart

Mode = Literal["echo", "everyone", "unknown"]
Closer = Literal["server", "swarm", "nobody"]
Ended = Literal["as planned", "stopped", "nobody left", "nobody connected"]


@dataclass(frozen=True)
class CloseCount:
    """So many connections ended in one way.

    Attributes:
        code: the close code; 1006 if no close frame came (RFC 6455 section 7.4.1).
        closed_by: who sent the first close frame, `nobody` if the connection was lost.
        count: how many.
        early: whether it happened before the swarm was done.
    """

    code: int
    closed_by: Closer
    count: int
    early: bool


@dataclass(frozen=True)
class Slot:
    """What happened to the messages that were sent in one slice of the measured time.

    Attributes:
        start_s: the slice's start, from the start of the measurement.
        sent: messages sent in it.
        round_trip: how long their way back to the sender took.
        delivery: how long their way to the others took.
    """

    start_s: float
    sent: int
    round_trip: Percentiles
    delivery: Percentiles


@dataclass(frozen=True)
class SwarmReport:
    """What came out of a swarm's visit. All messages are those of the measured time, without the warm-up's.

    Attributes:
        url: where, with tokens made unreadable.
        clients, rate_hz, duration_s, seed: as planned.
        ended: `as planned`, `stopped` (Ctrl-C), `nobody left` (all connections ended) or `nobody connected`.
        measured_s: seconds that were measured.
        opened: connections that came about.
        refused: refused handshakes by HTTP status.
        failed: connections that did not come about otherwise, by kind.
        closed: how the connections ended.
        sent: messages sent.
        mode: who gets a message back: `echo` its sender, `everyone`, or `unknown`.
        mode_told: whether the plan said so; otherwise it is what was seen.
        delivered: arrivals of sent messages, each client counted, none twice.
        delivered_per_s: those within the measured time, a second.
        expected: arrivals that `mode` demands, between clients that stayed; None if it is unknown.
        lost: how many of the expected did not arrive.
        repeated: arrivals of a message at a client that already had it.
        other_messages: messages without a marker of this run, such as joins and ticks, warm-up included.
        round_trip: from sending to the own message's return.
        delivery: from one client's sending to another one's receiving.
        loop_lag: how late the swarm's own timers were: time that the server is not to blame for.
        cpu_share: the part of one core that the swarm used, 0 to 1.
        slots: the measured time in slices.
        warnings: what makes the figures doubtful, or is worth knowing.
    """

    url: str
    clients: int
    rate_hz: float
    duration_s: float
    seed: int
    ended: Ended
    measured_s: float
    opened: int
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    closed: tuple[CloseCount, ...]
    sent: int
    mode: Mode
    mode_told: bool
    delivered: int
    delivered_per_s: float
    expected: int | None
    lost: int | None
    repeated: int
    other_messages: int
    round_trip: Percentiles
    delivery: Percentiles
    loop_lag: Percentiles
    cpu_share: float
    slot_s: float
    slots: tuple[Slot, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def closed_early(self) -> int:
        """Connections that ended before the swarm was done."""
        return sum(close.count for close in self.closed if close.early)

    @property
    def clean(self) -> bool:
        """Whether all clients connected and stayed, and nothing that is expected was lost or came twice."""
        return self.opened == self.clients and not (self.closed_early or self.lost or self.repeated)

    def to_json(self) -> str:
        """Return the report as one JSON object on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> SwarmReport:
        """Return the report that `to_json()` wrote."""
        told: dict[str, Any] = json.loads(text)
        for name in ("round_trip", "delivery", "loop_lag"):
            told[name] = Percentiles(**told[name])
        told["closed"] = tuple(CloseCount(**close) for close in told["closed"])
        told["slots"] = tuple(_slot(slot) for slot in told["slots"])
        told["warnings"] = tuple(told["warnings"])
        return cls(**told)

    def plot(self) -> Chart:
        """Return the chart of latencies over time; a notebook shows it, `.svg` is the picture."""
        from labkit.swarm.chart import draw

        return draw(self)

    def __str__(self) -> str:
        from labkit.swarm.report_text import render_plain

        return render_plain(self)

    def _repr_html_(self) -> str:
        from labkit.swarm.report_html import render_html

        return render_html(self)


def _slot(told: dict[str, Any]) -> Slot:
    latencies = {name: Percentiles(**told[name]) for name in ("round_trip", "delivery")}
    return Slot(start_s=told["start_s"], sent=told["sent"], **latencies)
