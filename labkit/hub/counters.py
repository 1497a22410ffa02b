"""Figures about a hub: running totals, and one frozen snapshot of everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Running totals since the hub was made.

    Fan-out counts what it offers, once a message; the rare ways in which an offer fails count themselves.
    What was queued and written follows from these, and costs nothing while it happens.
    """

    accepted: int = 0
    retired: int = 0
    published: int = 0
    offered: int = 0
    ignored: int = 0
    held: int = 0
    frames: int = 0
    dropped: int = 0
    replaced: int = 0
    discarded: int = 0
    overflows: int = 0
    blocked: int = 0
    write_timeouts: int = 0
    transport_errors: int = 0
    close_timeouts: int = 0
    hook_errors: int = 0
    pings: int = 0
    pongs: int = 0
    silent: int = 0
    recovered: int = 0
    not_recovered: int = 0
    heard: int = 0
    heard_bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class HubStats:
    """What a hub holds now, and what it has done since it was made.

    Attributes:
        connections, users, rooms: registered now; rooms with somebody in them.
        outbox_messages, outbox_bytes: waiting now, over all clients.
        blocked_now: clients that a write waits for now.
        tasks: tasks of the hub that are alive now.
        deadlines: timed things pending: heartbeats, graces, typing, kept rooms.
        accepted, retired: connections that came and went.
        published: messages that came back from the broker, whoever published them.
        queued: deliveries put into outboxes; one message to 200 clients is 200.
        written, frames: messages given to transports, and in how many frames.
        dropped: latest or volatile ones skipped for clients that were behind.
        replaced: latest ones superseded before they were written.
        discarded: messages thrown away with a connection that was closed or lost.
        overflows: clients closed because their outbox was full.
        blocked: times that a write had to wait for the peer.
        write_timeouts, close_timeouts: waits that were given up.
        transport_errors: connections lost because a send or close failed.
        hook_errors: exceptions raised by the app's `on_left` and `on_quiet`.
        pings, pongs, silent: app-level heartbeat; `silent` counts peers given up.
        recovered, not_recovered: resumes, by outcome.
        heard, heard_bytes: messages from clients.
        refused: refusals by code. closed: connections by close code.
        rtt_max_s: the longest last round trip of those connected, None before the first pong.
        broker_healthy: False while messages may be missed.
    """

    connections: int
    users: int
    rooms: int
    outbox_messages: int
    outbox_bytes: int
    blocked_now: int
    tasks: int
    deadlines: int
    accepted: int
    retired: int
    published: int
    queued: int
    written: int
    frames: int
    dropped: int
    replaced: int
    discarded: int
    overflows: int
    blocked: int
    write_timeouts: int
    transport_errors: int
    close_timeouts: int
    hook_errors: int
    pings: int
    pongs: int
    silent: int
    recovered: int
    not_recovered: int
    heard: int
    heard_bytes: int
    refused: Mapping[str, int]
    closed: Mapping[int, int]
    rtt_max_s: float | None
    broker_healthy: bool
