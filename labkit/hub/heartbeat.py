"""When to ping a peer, and when to give it up."""

from __future__ import annotations

from enum import Enum, auto


class Beat(Enum):
    """What to do with a peer now."""

    WAIT = auto()
    PING = auto()
    GIVE_UP = auto()


class Heartbeat:
    """One peer's pulse: a ping every interval, and anything heard counts as an answer.

    The ping also goes to a peer that talks, because a page gives up a server that is silent for too long.
    A peer that has never answered an app-level ping is not given up here: it may not know the message
    (a learner's plain client does not), and the server's protocol-level pings find it when it is dead.
    """

    __slots__ = (
        "_answer_by",
        "_answers",
        "_heard_at",
        "_interval_s",
        "_ping_at",
        "_pinged_at",
        "_slack_s",
        "rtt_s",
    )

    def __init__(self, now: float, *, interval_s: float, slack_s: float) -> None:
        self._interval_s = interval_s
        self._slack_s = slack_s
        self._heard_at = now
        self._ping_at = now + interval_s
        self._pinged_at: float | None = None
        self._answer_by: float | None = None
        self._answers = False
        self.rtt_s: float | None = None

    def heard(self, now: float) -> None:
        """Note that the peer sent something."""
        self._heard_at = now

    def pong(self, now: float) -> None:
        """Note an answer to our ping; one that we did not ask for says nothing about the round trip."""
        self._heard_at = now
        self._answers = True
        if self._pinged_at is not None:
            self.rtt_s = now - self._pinged_at
            self._pinged_at = None
            self._answer_by = None

    def check(self, now: float) -> tuple[Beat, float]:
        """Decide what to do now, and when to ask again."""
        if self._answer_by is not None and now >= self._answer_by:
            if self._pinged_at is not None and self._heard_at < self._pinged_at:
                return Beat.GIVE_UP, now
            self._answer_by = None
        beat = Beat.WAIT
        if now >= self._ping_at:
            beat = Beat.PING
            self._pinged_at = now
            self._ping_at = now + self._interval_s
            if self._answers and self._answer_by is None:
                self._answer_by = now + self._slack_s
        return beat, self._ping_at if self._answer_by is None else min(self._ping_at, self._answer_by)
