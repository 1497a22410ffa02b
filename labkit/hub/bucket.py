"""A token bucket: so many a second, so many at once."""

from __future__ import annotations

from labkit.hub.limits import Rate

ROUNDING = 1e-6


class Bucket:
    """Holds up to `burst` tokens and gains `per_s` a second. A clock that steps back adds nothing."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0.0, or take nothing and return the seconds until there is one."""
        if now > self._at:
            self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_s)
            self._at = now
        # Who waits for exactly as long as we said must not fail by a rounding error.
        if self._tokens >= 1.0 - ROUNDING:
            self._tokens = max(0.0, self._tokens - 1.0)
            return 0.0
        return (1.0 - self._tokens) / self._rate.per_s
