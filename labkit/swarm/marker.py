"""The marker that every message carries, so that it is known again wherever it turns up.

    swarm.3fa92c.12.345.10234567.

A run's id, the client's number, its message's number and the time of sending, in microseconds since the
run began. Only letters, digits and dots: JSON, HTML and URLs leave it as it is. The last dot ends the last
number, whatever a server writes behind it.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

_PATTERN = re.compile(rb"swarm\.([0-9a-f]{6})\.([0-9]{1,4})\.([0-9]{1,9})\.([0-9]{1,12})\.")


class Marker(NamedTuple):
    """What one message says of itself."""

    client: int
    sequence: int
    sent_us: int


def new_run_id() -> str:
    """Return six hexadecimal digits that tell this run's messages from an earlier run's in a history."""
    return secrets.token_hex(3)


def encode(run_id: str, marker: Marker) -> str:
    """Return a marker as text."""
    return f"swarm.{run_id}.{marker.client}.{marker.sequence}.{marker.sent_us}."


def find(run_id: bytes, data: bytes) -> list[Marker]:
    """Return this run's markers in a frame, each once, in order. A batch of messages has several."""
    found = _PATTERN.findall(data)
    if len(found) > 1:
        found = list(dict.fromkeys(found))
    return [Marker(int(n), int(seq), int(us)) for run, n, seq, us in found if run == run_id]
