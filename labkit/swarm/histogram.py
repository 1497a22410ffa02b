"""Latencies in bounded memory: buckets that grow by 2 %, as in HdrHistogram, so millions cost no more than ten.

A percentile is right to 1 %; the count and the maximum are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GROWTH = 1.02
_BUCKETS_PER_E = 1 / math.log(GROWTH)


@dataclass(frozen=True)
class Percentiles:
    """A summary of latencies in milliseconds. Without any, all are 0."""

    count: int = 0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


class Histogram:
    """Counts of durations, in microseconds."""

    def __init__(self) -> None:
        self.count = 0
        self.max_us = 0
        self._buckets: dict[int, int] = {}

    def record(self, us: int) -> None:
        """Count one duration; what is below 1 microsecond counts as 1."""
        us = max(us, 1)
        bucket = int(math.log(us) * _BUCKETS_PER_E)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        if us > self.max_us:
            self.max_us = us

    def add(self, other: Histogram) -> None:
        """Count all that another one counted."""
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.count += other.count
        self.max_us = max(self.max_us, other.max_us)

    def percentile_us(self, percent: float) -> float:
        """Return the duration that `percent` of all do not exceed (nearest rank); 0 if there are none."""
        rank = max(1, math.ceil(self.count * percent / 100))
        passed = 0
        for bucket in sorted(self._buckets):
            passed += self._buckets[bucket]
            if passed >= rank:
                return min(math.exp((bucket + 0.5) / _BUCKETS_PER_E), self.max_us)
        return 0.0

    def summary(self) -> Percentiles:
        """Return the usual percentiles in milliseconds."""
        p50, p90, p99 = (round(self.percentile_us(percent) / 1000, 3) for percent in (50, 90, 99))
        return Percentiles(self.count, p50, p90, p99, round(self.max_us / 1000, 3))
