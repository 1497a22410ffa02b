"""What counts as delivered, lost, repeated and foreign."""

from __future__ import annotations

import pytest

from labkit.swarm.report import CloseCount
from labkit.swarm.tally import Tally

RUN = "3fa92c"
SECOND = 1_000_000


def tally(clients: int, expect: str = "auto") -> Tally:
    """A tally with all clients connected, measuring since second 1."""
    made = Tally(clients, RUN, expect, 1.0)
    for client in range(1, clients + 1):
        made.open(client, 0)
    made.start_measuring(SECOND)
    return made


def say(counting: Tally, sender: int, at_s: float, *receivers: int, after_ms: float = 5) -> bytes:
    """Send a message that so many clients receive; return it."""
    sent_us = round(at_s * SECOND)
    frame = counting.send(sender, sent_us).encode()
    for receiver in receivers:
        counting.receive(receiver, frame, sent_us + round(after_ms * 1000))
    return frame


def outcome(counting: Tally) -> tuple[str, int | None, int | None]:
    mode = counting.mode()
    return mode, counting.expected(mode), counting.lost(mode)


def test_an_echo_is_seen_and_its_losses_counted():
    counting = tally(2)
    say(counting, 1, 2, 1)
    say(counting, 2, 2, 2)
    say(counting, 1, 3)
    assert outcome(counting) == ("echo", 3, 1)


def test_a_fan_out_is_seen_and_its_losses_counted():
    counting = tally(3)
    for sender in (1, 2, 3):
        say(counting, sender, 2, 1, 2, 3)
    say(counting, 1, 3, 1, 3)
    assert outcome(counting) == ("everyone", 12, 1)
    assert counting.delivered == 11


def test_rooms_are_neither_so_nothing_is_called_lost():
    counting = tally(4)
    for sender, others in ((1, (1, 2)), (2, (1, 2)), (3, (3, 4)), (4, (3, 4))):
        say(counting, sender, 2, *others)
    assert outcome(counting) == ("unknown", None, None)


@pytest.mark.parametrize(("told", "expected"), [("echo", (1, 1)), ("everyone", (4, 4))])
def test_what_was_told_holds_without_any_arrival(told, expected):
    counting = tally(2 if told == "everyone" else 1, told)
    say(counting, 1, 2)
    if told == "everyone":
        say(counting, 2, 2)
    assert outcome(counting) == (told, *expected)


def test_with_nothing_expected_nothing_is_lost():
    counting = tally(2, "nothing")
    say(counting, 1, 2)
    assert outcome(counting) == ("unknown", None, None)


def test_a_repeated_message_does_not_make_up_for_a_lost_one():
    counting = tally(1)
    frame = say(counting, 1, 2, 1)
    say(counting, 1, 3)
    counting.receive(1, frame, 4 * SECOND)
    assert (counting.repeated, outcome(counting)) == (1, ("echo", 2, 1))


def test_what_is_sent_while_warming_up_is_not_counted():
    counting = tally(1)
    say(counting, 1, 0.5, 1)
    say(counting, 1, 1.5, 1)
    assert (counting.sent, counting.delivered, outcome(counting)) == (1, 1, ("echo", 1, 0))


def test_what_is_sent_after_the_measurement_is_not_counted_and_what_arrives_after_it_is():
    counting = tally(1)
    frame = say(counting, 1, 1.5)
    counting.stop_measuring(2 * SECOND)
    counting.receive(1, frame, 3 * SECOND)
    say(counting, 1, 4, 1)
    assert (counting.sent, counting.delivered, counting.delivered_in_time) == (1, 1, 0)
    assert counting.measured_s == 1.0


def test_clients_that_left_early_are_left_out_of_the_loss():
    counting = tally(3)
    for sender in (1, 2, 3):
        say(counting, sender, 2, 1, 2, 3)
    counting.close(3, 4001, "server", early=True)
    say(counting, 1, 3, 1, 2)
    say(counting, 3, 3)
    assert outcome(counting) == ("everyone", 6, 0)
    assert counting.closes() == (CloseCount(4001, "server", 1, early=True),)
    assert counting.still_open == 2


def test_leaving_at_the_end_changes_nothing():
    counting = tally(1)
    say(counting, 1, 2, 1)
    counting.close(1, 1000, "swarm", early=False)
    assert outcome(counting) == ("echo", 1, 0)


def test_a_history_is_no_delivery():
    counting = Tally(2, RUN, "auto", 1.0)
    counting.open(1, 0)
    counting.start_measuring(0)
    frame = say(counting, 1, 2, 1)
    counting.open(2, 3 * SECOND)
    counting.receive(2, frame, 3 * SECOND + 10)
    assert (counting.delivered, counting.other_messages) == (1, 1)


@pytest.mark.parametrize(
    "frame",
    [
        b"user1 joined",
        b"swarm.000000.1.0.2000000.",
        b"swarm.3fa92c.9.0.2000000.",
        b"swarm.3fa92c.1.7.2000000.",
        b"swarm.3fa92c.1.0.999999999.",
    ],
    ids=["no marker", "another run", "no such client", "not sent yet", "from the future"],
)
def test_what_we_did_not_send_is_another_message(frame):
    counting = tally(1)
    say(counting, 1, 2, 1)
    counting.receive(1, frame, 3 * SECOND)
    assert (counting.delivered, counting.repeated, counting.other_messages) == (1, 0, 1)


def test_own_messages_are_round_trips_and_others_deliveries():
    counting = tally(2)
    say(counting, 1, 2, 1, after_ms=10)
    say(counting, 2, 2.5, 1, after_ms=80)
    round_trip, delivery = (histogram.summary() for histogram in counting.latencies())
    assert (round_trip.count, round_trip.max_ms) == (1, 10)
    assert (delivery.count, delivery.max_ms) == (1, 80)


def test_slots_are_by_the_time_of_sending_and_without_gaps():
    counting = tally(1)
    say(counting, 1, 1.2, 1, after_ms=3000)
    say(counting, 1, 3.9, 1)
    assert [(slot.start_s, slot.sent, slot.round_trip.count) for slot in counting.slots()] == [
        (0, 1, 1),
        (1, 0, 0),
        (2, 1, 1),
    ]


def test_it_is_complete_when_all_has_arrived():
    counting = tally(2)
    assert not counting.is_complete("unknown")
    frame = say(counting, 1, 2, 1)
    assert counting.is_complete("echo")
    assert not counting.is_complete("everyone")
    counting.receive(2, frame, 3 * SECOND)
    assert counting.is_complete("everyone")
