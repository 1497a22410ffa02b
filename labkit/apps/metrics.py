"""Where the dashboard's figures come from: a simulated server that has a day, or this machine and this app."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Literal

import psutil

from labkit.apps.messages.dashboard import Metrics
from labkit.errors import UnknownName
from labkit.hub import HubStats

Source = Callable[[], Metrics]
"""Called once a tick, however many watch."""

SourceName = Literal["simulation", "system"]
SOURCES = ("simulation", "system")

STEPS_A_DAY = 240
"""A simulated day takes four minutes at one tick a second: long enough to talk over, short enough to see."""


def source_of(name: str, stats: Callable[[], HubStats], *, seed: int = 1) -> Source:
    """Return a source of figures by its name.

    Args:
        name: "simulation", where one seed always tells the same story, or "system".
        stats: the figures of the hub whose viewers and messages "system" counts.

    Raises:
        UnknownName: there is none of that name.
    """
    if name == "simulation":
        return Simulation(seed)
    if name == "system":
        return System(stats)
    raise UnknownName("source of figures", name, SOURCES)


class Simulation:
    """A web server's day in small: users come and go in waves, and the rest follows from how many there are.

    Each figure is pulled towards what it should be and pushed about by chance, so it wanders without jumping
    (an Ornstein-Uhlenbeck walk), and now and then a crowd comes at once.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._step = 0
        self._users = 60.0
        self._crowd = 0.0
        self._cpu = 30.0
        self._memory = 42.0

    def __call__(self) -> Metrics:
        """Return the next step of the walk."""
        self._step += 1
        chance = self._random.gauss
        if self._random.random() < 0.02:
            self._crowd += self._random.uniform(40, 110)
        self._crowd *= 0.93
        wave = 70 + 45 * math.sin(2 * math.pi * self._step / STEPS_A_DAY)
        self._users = max(0.0, self._users + 0.15 * (wave + self._crowd - self._users) + chance(0, 2.0))
        requests_per_second = max(0.0, self._users * (3.2 + chance(0, 0.25)))
        self._cpu += 0.35 * (8 + requests_per_second * 0.13 - self._cpu) + chance(0, 2.2)
        self._cpu = min(99.0, max(1.0, self._cpu))
        # Memory grows with the users, and falls back when the garbage is taken out.
        self._memory += 0.1 * (34 + self._users * 0.15 - self._memory) + abs(chance(0, 0.35))
        if self._memory > 74 or self._random.random() < 0.015:
            self._memory -= self._random.uniform(6, 14)
        self._memory = min(96.0, max(12.0, self._memory))
        return Metrics.now(
            cpu=self._cpu,
            memory=self._memory,
            requests_per_second=requests_per_second,
            active_users=round(self._users),
        )


class System:
    """The real figures: processor and memory of this machine, messages written and viewers of this app."""

    def __init__(self, stats: Callable[[], HubStats], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stats = stats
        self._clock = clock
        self._written = stats().written
        self._at = clock()
        psutil.cpu_percent()  # says 0.0 the first time: it measures from one call to the next

    def __call__(self) -> Metrics:
        """Measure since the call before."""
        stats, now = self._stats(), self._clock()
        passed_s = max(now - self._at, 0.001)
        written_per_s = (stats.written - self._written) / passed_s
        self._written, self._at = stats.written, now
        return Metrics.now(
            cpu=psutil.cpu_percent(),
            memory=psutil.virtual_memory().percent,
            requests_per_second=written_per_s,
            active_users=stats.connections,
        )
