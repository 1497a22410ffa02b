"""What must hold for every sequence of events, looked for by Hypothesis."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.hub import RELIABLE, VOLATILE, Limits, Position, Rate, latest
from labkit.hub.bucket import ROUNDING, Bucket
from labkit.hub.history import History
from labkit.hub.outbox import Joiner, Outbox, Put
from labkit.hub.parcel import Parcel
from labkit.hub.presence import Exit, Presence

LIMITS = Limits(outbox_max_messages=5, outbox_max_bytes=40, latest_max_keys=3)
DELIVERIES = st.sampled_from([RELIABLE, VOLATILE, latest("a"), latest("b"), latest("c"), latest("d")])


@given(
    st.lists(
        st.one_of(st.tuples(DELIVERIES, st.integers(0, 15)), st.just("take"), st.booleans()), max_size=60
    ),
    st.booleans(),
)
@settings(max_examples=300)
def test_an_outbox_keeps_its_bounds_its_order_and_the_newest_of_each_key(steps, batches):
    outbox, joiner = Outbox(LIMITS), Joiner() if batches else None
    model: list[tuple[str, object]] = []  # what should wait, in order
    for number, step in enumerate(steps):
        if isinstance(step, bool):
            outbox.stalled = step
        elif step == "take":
            if outbox:
                taken = str(outbox.take(joiner)).split("\n")
                assert taken == [data for data, _ in model[: len(taken)]]
                assert len(taken) == 1 or batches
                del model[: len(taken)]
        else:
            delivery, size = step
            data = f"{number}".ljust(size, ".")
            put = outbox.put(Parcel(data, delivery))
            if put is Put.WAITS:
                model.append((data, delivery))
            elif put is Put.REPLACED:
                model[[kind for _, kind in model].index(delivery)] = (data, delivery)
            elif put is Put.OVERFLOW:
                assert delivery is RELIABLE
            else:
                assert delivery is not RELIABLE
        assert outbox.messages <= LIMITS.outbox_max_messages
        assert outbox.bytes == sum(len(data) for data, _ in model) <= LIMITS.outbox_max_bytes
        assert len(outbox) == len(model)
    while outbox:
        outbox.take(joiner)
    assert (outbox.messages, outbox.bytes) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(0, 4), st.booleans()), max_size=60),
    st.integers(-2, 70),
)
@settings(max_examples=300)
def test_a_resume_gives_all_that_was_missed_or_nothing(events, asked):
    history = History("epoch", max_messages=8, max_bytes=100, ttl_s=10)
    now, said = 0.0, []
    for size, pause_s, clears in events:
        now += pause_s
        if clears and size == 0:
            history.clear()
        said.append(f"message {len(said) + 1}")
        assert history.append(said[-1], size, now) == len(said)
        assert len(history) <= 8
    replay = history.since(Position("epoch", asked), now)
    assert replay.position == Position("epoch", len(said))
    if replay.missed is not None:
        assert 0 <= asked <= len(said)
        assert [entry.data for entry in replay.missed] == said[asked:]
        assert [entry.seq for entry in replay.missed] == list(range(asked + 1, len(said) + 1))
        assert all(now - entry.at <= 10 for entry in replay.missed)
    assert (replay.missed is not None) or asked != len(said)
    assert history.since(Position("another", asked), now).missed is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["in", "out", "time"])),
        max_size=60,
    )
)
def test_presence_announces_each_user_once_in_and_once_out(events):
    presence = Presence()
    now, announced, connected = 0.0, set(), set()
    for user, number, what in events:
        connection = f"{user}{number}"
        if what == "in" and connection not in connected:
            first = presence.enter(user, connection)
            assert first is (user not in announced)
            announced.add(user)
            connected.add(connection)
        elif what == "out":
            outcome = presence.exit(user, connection, now, grace_s=2.0 * (number % 2))
            assert (outcome is Exit.UNKNOWN) is (connection not in connected)
            connected.discard(connection)
            if outcome is Exit.GONE:
                announced.discard(user)
        elif what == "time":
            now += 1
            for name in "abc":
                if presence.expire(name, now):
                    assert not any(c.startswith(name) for c in connected)
                    announced.discard(name)
        assert presence.users == sorted(announced)
        assert {c[0] for c in connected} <= announced
    for name in "abc":
        presence.drop(name)
    assert {c[0] for c in connected} == set(presence.users)


@given(
    st.floats(0.5, 100),
    st.integers(1, 50),
    st.lists(st.floats(-1, 5), max_size=200),
)
def test_a_bucket_never_gives_more_than_its_rate_and_burst(per_s, burst, steps):
    bucket = Bucket(Rate(per_s, burst), now=0.0)
    now = latest_now = 0.0
    given_out = 0
    for step in steps:
        now += step
        latest_now = max(latest_now, now)
        wait_s = bucket.take(now)
        given_out += wait_s == 0.0
        assert wait_s * per_s <= 1.0 + ROUNDING
        assert given_out <= burst + per_s * latest_now + len(steps) * ROUNDING + ROUNDING
