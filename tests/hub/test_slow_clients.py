"""One client that does not read: what it costs the others (nothing) and itself."""

from __future__ import annotations

import json

import pytest

from labkit.hub import RELIABLE, VOLATILE, Hub, Limits, Position, latest
from labkit.hub.close_codes import SLOW, comes_back

SMALL = Limits(outbox_max_messages=4, outbox_max_bytes=2_000)


def test_a_stalled_client_delays_nobody(run, arrive, settle):
    async def story():
        hub = Hub()
        slow, fast = await arrive(hub, "slow"), await arrive(hub, "fast")
        slow.transport.reading.clear()
        for n in range(100):
            hub.publish("room", {"n": n})
            await settle(3)
            assert fast.numbers == list(range(n + 1))
        assert slow.numbers == []
        slow.transport.reading.set()
        await settle(40)
        assert slow.numbers == list(range(100))
        assert not slow.transport.overlapped
        await hub.close()

    run(story())


def test_a_full_outbox_closes_with_a_code_that_means_come_back(run, arrive, settle):
    async def story():
        hub = Hub(limits=SMALL)
        slow, fast = await arrive(hub, "slow"), await arrive(hub, "fast")
        slow.transport.reading.clear()
        # One is in the transport's hands, four wait, the sixth is too many.
        for n in range(5):
            hub.publish("room", {"n": n})
            await settle()
        assert slow.connection.closing is None
        hub.publish("room", {"n": 5})
        await settle()
        assert slow.connection.closing == (SLOW, "too slow: come back and resume")
        assert comes_back(SLOW)
        assert hub.stats().outbox_messages == 0
        assert hub.stats().overflows == 1
        assert fast.numbers == list(range(6))
        slow.transport.reading.set()
        await slow.over()
        assert slow.transport.closed == (SLOW, "too slow: come back and resume")
        await hub.close()

    run(story())


def test_an_outbox_is_bounded_in_bytes_too(run, arrive, settle):
    async def story():
        hub = Hub(limits=SMALL)
        slow = await arrive(hub, "slow")
        slow.transport.reading.clear()
        for _ in range(3):
            hub.publish("room", {"text": "ä" * 450})  # 900 bytes, and a little
            await settle()
        assert slow.connection.closing is None
        assert 1_800 < hub.stats().outbox_bytes <= 2_000
        hub.publish("room", {"text": "ä" * 450})
        await settle()
        assert slow.connection.closing is not None
        assert hub.stats().outbox_bytes == 0
        slow.transport.reading.set()
        await hub.close()

    run(story())


def test_who_overflows_comes_back_and_gets_each_message_once(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(outbox_max_messages=4))
        slow = await arrive(hub, "slow")
        hub.publish("room", {"n": 0})
        await settle()
        slow.transport.reading.clear()
        for n in range(1, 10):
            hub.publish("room", {"n": n})
            await settle()
        slow.transport.reading.set()
        await slow.over()
        last = slow.transport.messages()[-1]
        assert last["n"] < 9
        position = Position(slow.joined.position.epoch, last["seq"])
        back = await arrive(Hub(), "slow", since=position)  # another hub: another life
        assert back.joined.recovered is False
        again = await arrive(hub, "slow", since=Position(position.epoch, 6))
        assert again.joined.recovered is True
        assert again.joined.missed == 4
        assert again.numbers == [6, 7, 8, 9]
        await back.hub.close()
        await hub.close()

    run(story())


def test_a_replay_that_does_not_fit_is_not_begun(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(outbox_max_messages=4))
        first = await arrive(hub, "ada")
        for n in range(5):
            hub.publish("room", {"n": n})
            await settle()
        back = await arrive(hub, "ben", since=Position(first.joined.position.epoch, 0))
        assert (back.joined.recovered, back.joined.missed, back.numbers) == (False, 0, [])
        fits = await arrive(hub, "cy", since=Position(first.joined.position.epoch, 1))
        assert (fits.joined.recovered, fits.numbers) == (True, [1, 2, 3, 4])
        await hub.close()

    run(story())


@pytest.mark.parametrize("delivery", [VOLATILE, latest("cursor")])
def test_what_may_be_skipped_never_closes_a_slow_client(run, arrive, settle, delivery):
    async def story():
        hub = Hub(limits=SMALL)
        slow = await arrive(hub, "slow")
        slow.transport.reading.clear()
        for n in range(50):
            hub.publish("room", {"n": n}, delivery=delivery)
            await settle(2)
        assert slow.connection.closing is None
        slow.transport.reading.set()
        await settle()
        # The first was under way; of the latest ones the last arrives, of the volatile ones none.
        assert slow.numbers == ([0] if delivery is VOLATILE else [0, 49])
        stats = hub.stats()
        assert (stats.dropped, stats.replaced) == ((49, 0) if delivery is VOLATILE else (0, 48))
        await hub.close()

    run(story())


def test_a_write_that_never_ends_is_given_up(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(write_timeout_s=0.01))
        stuck, other = await arrive(hub, "stuck"), await arrive(hub, "other")
        stuck.transport.reading.clear()
        hub.publish("room", {"n": 1})
        await stuck.over()  # the close frame can't be written either, and that ends too
        assert stuck.connection.closing[0] == SLOW
        assert stuck.transport.closed is None
        stats = hub.stats()
        assert (stats.write_timeouts, stats.close_timeouts, stats.connections) == (1, 1, 1)
        assert other.numbers == [1]
        assert stats.tasks == 0
        await hub.close()

    run(story())


def test_a_burst_shares_frames_with_a_client_that_takes_batches(run, arrive, settle):
    async def story():
        hub = Hub()
        batches, plain = await arrive(hub, "b", batches=True), await arrive(hub, "p")
        for n in range(40):
            hub.publish("room", {"n": n})
        await settle()
        assert batches.numbers == plain.numbers == list(range(40))
        assert [len(frame.split("\n")) for frame in batches.transport.sent] == [16, 16, 8]
        assert len(plain.transport.sent) == 40
        assert hub.stats().written == 80
        assert hub.stats().frames == 43
        await hub.close()

    run(story())


def test_a_flood_leaves_the_loop_to_others_between_turns(run, arrive):
    async def story():
        hub = Hub(limits=Limits(outbox_max_messages=10_000))
        client = await arrive(hub, "ada")
        for n in range(1_000):
            hub.publish("room", {"n": n})
        import asyncio

        seen = []
        while len(client.numbers) < 1_000:
            seen.append(len(client.transport.sent))
            await asyncio.sleep(0)
        assert len(seen) > 50
        await hub.close()

    run(story())


def test_a_message_is_serialised_once_for_all(run, arrive, settle):
    async def story():
        encoded = []

        def encode(message):
            encoded.append(message)
            return json.dumps(message)

        hub = Hub(encode=encode)
        clients = [await arrive(hub, f"user-{i}") for i in range(5)]
        hub.publish("room", {"n": 1}, delivery=RELIABLE)
        await settle()
        assert encoded == [{"n": 1}]
        frames = {id(client.transport.sent[0]) for client in clients}
        assert len(frames) == 1
        await hub.close()

    run(story())
