"""When who does what: due times counted from a start, so that nothing drifts."""

from __future__ import annotations

import random


def phases_s(clients: int, rate_hz: float, seed: int) -> list[float]:
    """Return for each client how long after the common start its first message is due.

    One period is cut into as many slices as there are clients; each client gets a slice by lot and a
    random moment within it. So the load is even, and nobody marches in step.
    """
    chance = random.Random(seed)
    period_s = 1 / rate_hz
    phases = [(slot + chance.random()) / clients * period_s for slot in range(clients)]
    chance.shuffle(phases)
    return phases


def due_s(phase_s: float, rate_hz: float, sequence: int) -> float:
    """Return when a client's message of that number (from 0) is due, in seconds after the start."""
    return phase_s + sequence / rate_hz


def arrival_s(index: int, ramp_up_per_s: float) -> float:
    """Return when the client of that index (from 0) connects, in seconds after the ramp's start."""
    return index / ramp_up_per_s


SLOT_CHOICES_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
MAX_SLOTS = 60


def slot_width_s(duration_s: float) -> float:
    """Return into slots of how many seconds a run is divided for its chart: at most 60 of them."""
    return next((width for width in SLOT_CHOICES_S if duration_s / width <= MAX_SLOTS), SLOT_CHOICES_S[-1])
