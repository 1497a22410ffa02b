"""What can be done to a wire, as one value: which fault, in which direction, to which connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labkit.errors import LabError
from labkit.wire.frame import OPCODE_NAMES, Frame

Toward = Literal["client", "server", "both"]

DELAY_MAX_S = 60.0
DROPPABLE = ("any", *OPCODE_NAMES.values())


@dataclass(frozen=True)
class FaultPlan:
    """What a fault does; several at once are applied in the order of the attributes.

    Attributes:
        drop: frames that never arrive: an opcode's name such as `pong`, `any`, or a function that is given each
            `Frame` and says whether this one. All the bytes of the frame vanish, what is behind it arrives.
        drop_count: how many frames, or None for all of them.
        coalesce_s: bytes are kept back for so many seconds and then arrive in one piece.
        split_bytes: bytes arrive in pieces of this size, 1 ms apart.
        latency_s: every byte arrives so many seconds later, in order.
        jitter_s: the delay varies by up to so many seconds, both ways; nothing overtakes.
        bandwidth_bytes_per_s: no more than so many bytes a second arrive.
        stall: nothing is read any more in this direction: toward the client it is a client that has stopped
            reading. The sender's buffers fill up, as they would.
        half_open: nothing arrives any more in either direction, no end of a connection either: a pulled cable.
        cut: the open connections end at once with a reset (TCP RST), without FIN and without a close frame.
        toward: whose incoming bytes: `client`, `server` or `both`.
        conversation: the id of one conversation, or None for all, those to come included.
    """

    drop: str | Callable[[Frame], bool] | None = None
    drop_count: int | None = None
    coalesce_s: float = 0.0
    split_bytes: int = 0
    latency_s: float = 0.0
    jitter_s: float = 0.0
    bandwidth_bytes_per_s: float = 0.0
    stall: bool = False
    half_open: bool = False
    cut: bool = False
    toward: Toward = "both"
    conversation: int | None = None

    def __post_init__(self) -> None:
        if self.toward not in ("client", "server", "both"):
            raise LabError(f"toward is {self.toward!r}.", expected="'client', 'server' or 'both'.")
        for name in ("coalesce_s", "latency_s", "jitter_s"):
            value = getattr(self, name)
            if not 0 <= value <= DELAY_MAX_S:
                raise LabError(f"{name} is {value!r}.", expected=f"0 to {DELAY_MAX_S:g} seconds.")
        for name in ("bandwidth_bytes_per_s", "split_bytes"):
            if not getattr(self, name) >= 0:
                raise LabError(f"{name} is {getattr(self, name)!r}.", expected="a number greater than 0.")
        if isinstance(self.drop, str) and self.drop not in DROPPABLE:
            raise LabError(
                f"There is no kind of frame called {self.drop!r}.",
                expected=f"one of {', '.join(DROPPABLE)}; or a function.",
            )
        if not self.told:
            raise LabError(
                "This fault does nothing.",
                expected="something that it does.",
                hint="lab.wire.fault(latency_s=0.2) or fault(drop='pong'); help(lab.wire.fault) lists them all.",
            )

    @property
    def told(self) -> str:
        """What it does, in a few words."""
        parts = []
        if self.drop is not None:
            kind = self.drop if isinstance(self.drop, str) else "some"
            count = "" if self.drop_count is None else f"{self.drop_count} "
            parts.append(f"drops {count}{kind} frames")
        if self.coalesce_s:
            parts.append(f"joins what comes within {self.coalesce_s * 1000:g} ms")
        if self.split_bytes:
            parts.append(f"splits into pieces of {self.split_bytes} bytes")
        if self.latency_s or self.jitter_s:
            jitter = f" ± {self.jitter_s * 1000:g}" if self.jitter_s else ""
            parts.append(f"{self.latency_s * 1000:g}{jitter} ms late")
        if self.bandwidth_bytes_per_s:
            parts.append(f"{self.bandwidth_bytes_per_s:g} bytes a second")
        if self.stall:
            parts.append("stops reading")
        if self.half_open:
            parts.append("half open")
        if self.cut:
            parts.append("cut")
        return ", ".join(parts)

    def concerns(self, conversation: int, receiver: str) -> bool:
        """Whether it is for the bytes that this side of that conversation receives."""
        if self.conversation not in (None, conversation):
            return False
        return self.half_open or self.toward in ("both", receiver)

    def drops(self, frame: Frame) -> bool:
        """Whether a frame is one of those that never arrive."""
        if self.drop is None:
            return False
        if isinstance(self.drop, str):
            return self.drop in ("any", frame.opcode_name)
        return bool(self.drop(frame))
