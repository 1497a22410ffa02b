"""The engine under the apps: connections, outboxes, rooms, presence, delivery classes, limits, broker seam.

It knows no web framework. `Hub.connect` registers a transport; the `Connection` that it gives does what
its client may do; `hub.controls(room)` is for the host.
"""

from labkit.hub.broker import Broker, Envelope
from labkit.hub.connection import Connection
from labkit.hub.controls import Controls
from labkit.hub.counters import HubStats
from labkit.hub.history import Position
from labkit.hub.hub import Hub
from labkit.hub.limits import CURSOR_RATE, DRAWING_RATE, MESSAGE_RATE, Limits, Rate
from labkit.hub.memory_broker import MemoryBroker
from labkit.hub.moderation import Rules
from labkit.hub.parcel import RELIABLE, VOLATILE, Delivery, latest, to_json
from labkit.hub.refusal import Refused
from labkit.hub.room import Joined
from labkit.hub.transport import Transport

__all__ = [
    "CURSOR_RATE",
    "DRAWING_RATE",
    "MESSAGE_RATE",
    "RELIABLE",
    "VOLATILE",
    "Broker",
    "Connection",
    "Controls",
    "Delivery",
    "Envelope",
    "Hub",
    "HubStats",
    "Joined",
    "Limits",
    "MemoryBroker",
    "Position",
    "Rate",
    "Refused",
    "Rules",
    "Transport",
    "latest",
    "to_json",
]
