"""Counts what happens to a swarm's messages and connections. Plain values in and out: no loop, no clock."""

from __future__ import annotations

from array import array
from collections import Counter

from labkit.swarm.histogram import Histogram
from labkit.swarm.marker import Marker, encode, find
from labkit.swarm.plan import Expect
from labkit.swarm.report import CloseCount, Closer, Mode, Slot
from labkit.swarm.seen import Seen


class Tally:
    """The figures of one run. Times are microseconds since the run began; clients count from 1.

    Args:
        clients: how many there are.
        run_id: six hexadecimal digits.
        expect: what the plan says about who gets a message back.
        slot_s: the width of a slice of the measured time.
    """

    def __init__(self, clients: int, run_id: str, expect: Expect, slot_s: float) -> None:
        self.clients = clients
        self.expect = expect
        self.slot_s = slot_s
        self.opened = 0
        self.sent = 0
        self.delivered = 0
        self.delivered_in_time = 0
        self.repeated = 0
        self.other_messages = 0
        self.refused: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.recent = Histogram()
        self._run_id = run_id
        self._run_id_bytes = run_id.encode()
        self._slot_us = round(slot_s * 1e6)
        self._start_us: int | None = None
        self._end_us: int | None = None
        self._opened_at = array("q", [-1]) * (clients + 1)
        self._next = array("l", [0]) * (clients + 1)
        self._sent_by = array("l", [0]) * (clients + 1)
        self._seen: dict[int, Seen] = {}
        self._got: dict[int, array[int]] = {}
        self._staying: set[int] = set()
        self._closes: Counter[tuple[int, Closer, bool]] = Counter()
        self._slots: dict[int, _SlotCounts] = {}

    # -- connections -----------------------------------------------------------------------------

    def open(self, client: int, now_us: int) -> None:
        """Note that a client's handshake is done."""
        self.opened += 1
        self._opened_at[client] = now_us
        self._staying.add(client)
        self._seen[client] = Seen(self.clients)
        self._got[client] = array("l", [0]) * (self.clients + 1)

    def close(self, client: int, code: int, closed_by: Closer, *, early: bool) -> None:
        """Note that a client's connection is over; `early` is before the swarm was done."""
        self._closes[code, closed_by, early] += 1
        if early:
            self._staying.discard(client)

    @property
    def still_open(self) -> int:
        """Return how many connections are open."""
        return self.opened - sum(self._closes.values())

    def closes(self) -> tuple[CloseCount, ...]:
        """Return how the connections ended, the most frequent way first."""
        ordered = sorted(self._closes.items(), key=lambda item: (-item[1], item[0]))
        return tuple(CloseCount(code, by, count, early) for (code, by, early), count in ordered)

    # -- the measured time -----------------------------------------------------------------------

    def start_measuring(self, start_us: int) -> None:
        """Count what is sent from that moment on."""
        self._start_us = start_us

    def stop_measuring(self, now_us: int) -> None:
        """Count no more of what is sent; what was sent before may still arrive."""
        self._end_us = now_us

    @property
    def measured_s(self) -> float:
        """Return how long was measured; 0 until it is over."""
        if self._start_us is None or self._end_us is None:
            return 0.0
        return (self._end_us - self._start_us) / 1e6

    def _slot(self, sent_us: int) -> _SlotCounts | None:
        """Return where a message is counted that was sent at that time; None if it is not measured."""
        if self._start_us is None or sent_us < self._start_us:
            return None
        if self._end_us is not None and sent_us > self._end_us:
            return None
        index = (sent_us - self._start_us) // self._slot_us
        slot = self._slots.get(index)
        if slot is None:
            slot = self._slots[index] = _SlotCounts()
        return slot

    # -- messages --------------------------------------------------------------------------------

    def send(self, client: int, sent_us: int) -> str:
        """Note that a client is about to send a message and return the marker for it."""
        sequence = self._next[client]
        self._next[client] += 1
        slot = self._slot(sent_us)
        if slot is not None:
            self.sent += 1
            self._sent_by[client] += 1
            slot.sent += 1
        return encode(self._run_id, Marker(client, sequence, sent_us))

    def receive(self, client: int, data: bytes, now_us: int) -> None:
        """Note what a client received."""
        markers = find(self._run_id_bytes, data)
        if not markers:
            self.other_messages += 1
            return
        for marker in markers:
            self._receive(client, marker, now_us)

    def _receive(self, client: int, marker: Marker, now_us: int) -> None:
        sender, sequence, sent_us = marker
        known = 1 <= sender <= self.clients and sequence < self._next[sender] and sent_us <= now_us
        if not known or sent_us < self._opened_at[client]:  # garbled, or from a history
            self.other_messages += 1
            return
        if not self._seen[client].is_new(sender, sequence):
            self.repeated += 1
            return
        slot = self._slot(sent_us)
        if slot is None:
            return
        self.delivered += 1
        if self._end_us is None:
            self.delivered_in_time += 1
        self._got[client][sender] += 1
        (slot.round_trip if sender == client else slot.delivery).record(now_us - sent_us)
        self.recent.record(now_us - sent_us)

    # -- figures ---------------------------------------------------------------------------------

    def mode(self) -> Mode:
        """Return who gets a message back: as told, or what was seen.

        Seen is `echo` when nobody got anything of another client, and `everyone` when everybody who stayed
        got something of everybody.
        """
        if self.expect == "nothing" or not self._staying or not self.delivered:
            return self.expect if self.expect in ("echo", "everyone") else "unknown"
        if self.expect != "auto":
            return self.expect
        senders = [client for client in self._staying if self._sent_by[client]]
        own = sum(self._got[client][client] for client in self._got)
        if own == self.delivered:
            return "echo"
        heard_all = all(self._got[client][sender] for client in self._staying for sender in senders)
        return "everyone" if heard_all else "unknown"

    def expected(self, mode: Mode) -> int | None:
        """Return how many arrivals a mode demands between the clients that stayed, None if it is unknown."""
        if mode == "unknown":
            return None
        sent = sum(self._sent_by[client] for client in self._staying)
        return sent if mode == "echo" else sent * len(self._staying)

    def lost(self, mode: Mode) -> int | None:
        """Return how many of the expected arrivals are missing, None if the mode is unknown."""
        expected = self.expected(mode)
        if expected is None:
            return None
        if mode == "echo":
            return expected - sum(self._got[client][client] for client in self._staying)
        return expected - sum(
            self._got[client][sender] for client in self._staying for sender in self._staying
        )

    def is_complete(self, mode: Mode) -> bool:
        """Tell whether everything expected has arrived, cheaply: False if clients left or it is unknown."""
        if mode == "unknown" or len(self._staying) < self.opened:
            return False
        return self.delivered >= self.sent * (1 if mode == "echo" else self.opened)

    def slots(self) -> tuple[Slot, ...]:
        """Return the measured time in slices, also those in which nothing was sent."""
        if not self._slots:
            return ()
        nothing = _SlotCounts()
        counts = [self._slots.get(index, nothing) for index in range(max(self._slots) + 1)]
        return tuple(
            Slot(round(index * self.slot_s, 3), slot.sent, slot.round_trip.summary(), slot.delivery.summary())
            for index, slot in enumerate(counts)
        )

    def latencies(self) -> tuple[Histogram, Histogram]:
        """Return all round trips, and all deliveries to others."""
        round_trip, delivery = Histogram(), Histogram()
        for slot in self._slots.values():
            round_trip.add(slot.round_trip)
            delivery.add(slot.delivery)
        return round_trip, delivery


class _SlotCounts:
    """What was sent in one slice of the measured time, and how long it took."""

    def __init__(self) -> None:
        self.sent = 0
        self.round_trip = Histogram()
        self.delivery = Histogram()
