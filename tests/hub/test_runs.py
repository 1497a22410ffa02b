"""What goes to a whole room is held until the end of the turn and then written past the outboxes.

Nothing of that may show: order, membership, bounds and figures are as if each message had been queued at once.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from labkit.hub import VOLATILE, Hub, Limits


@pytest.fixture
def make_transport(arrive):
    """Return a transport that has `send_now`, which says no while `blocked`, and fails with `error`."""

    def make(kind: type) -> object:
        class Quick(kind):
            blocked = False

            def send_now(self, data: str | bytes) -> bool:
                self.overlapped |= self.busy > 0 or self.closed is not None
                if self.error is not None:
                    raise self.error
                if self.blocked:
                    return False
                self.sent.append(data)
                return True

        return Quick()

    return make


@pytest.fixture
def enter(arrive, make_transport):
    async def enter(hub, user, room="room", **options):
        probe = await arrive(Hub(), "probe", None)
        transport = make_transport(type(probe.transport))
        await probe.leave()
        return await arrive(hub, user, room, transport=transport, **options)

    return enter


def test_a_burst_to_a_room_is_one_frame_for_who_takes_batches_and_many_for_others(run, enter, settle):
    async def story():
        hub = Hub()
        plain = await enter(hub, "plain")
        batching = await enter(hub, "batching", batches=True)
        for n in range(5):
            hub.publish("room", {"n": n})
        assert plain.transport.sent == batching.transport.sent == []
        await settle()
        assert plain.numbers == batching.numbers == list(range(5))
        assert [len(plain.transport.sent), len(batching.transport.sent)] == [5, 1]
        stats = hub.stats()
        assert (stats.queued, stats.written, stats.frames, stats.outbox_messages) == (10, 10, 6, 0)
        await hub.close()

    run(story())


def test_what_is_said_to_one_keeps_its_place_among_what_is_said_to_all(run, enter, settle):
    async def story():
        hub = Hub()
        ada, ben = await enter(hub, "ada"), await enter(hub, "ben")
        hub.publish("room", {"n": 0})
        ada.connection.send({"n": "for ada"})
        hub.publish("room", {"n": 1})
        hub.publish("room", {"n": 2}, skip=ada.connection)
        hub.publish("room", {"n": 3}, delivery=VOLATILE)
        hub.send_to("ben", {"n": "for ben"})
        hub.publish("room", {"n": 4})
        await settle()
        assert ada.numbers == [0, "for ada", 1, 3, 4]
        assert ben.numbers == [0, 1, 2, 3, "for ben", 4]
        await hub.close()

    run(story())


def test_a_welcome_keeps_its_place_before_what_is_said_to_all(run, enter, settle):
    async def story():
        hub = Hub()
        ada = await enter(hub, "ada")
        ada.connection.writer.send_free('{"n": "welcome"}')
        hub.publish("room", {"n": 1})
        await settle()
        assert ada.numbers == ["welcome", 1]
        await hub.close()

    run(story())


def test_the_way_is_clear_exactly_while_nothing_is_in_it(run, enter, settle):
    """A client whose way stayed blocked would get everything all the same, only by the slow way."""

    async def story():
        hub = Hub()
        ada = await enter(hub, "ada")
        writer = ada.connection.writer
        assert writer.clear
        ada.connection.send({"n": 0})
        assert writer.clear is None
        await settle()
        assert writer.clear
        ada.transport.blocked = True
        ada.transport.reading.clear()
        ada.connection.send({"n": 1})
        await settle()
        assert writer.outbox.stalled
        assert writer.clear is None
        ada.transport.blocked = False
        ada.transport.reading.set()
        await settle()
        assert writer.clear
        ada.connection.close()
        assert writer.clear is None
        await settle()
        assert ada.numbers == [0, 1]
        await hub.close()

    run(story())


def test_who_comes_hears_what_follows_and_who_goes_heard_what_was_before(run, enter, settle):
    async def story():
        hub = Hub()
        stays, goes = await enter(hub, "stays"), await enter(hub, "goes")
        comes = await enter(hub, "comes", None)
        hub.publish("room", {"n": 0})
        goes.connection.leave("room")
        hub.publish("room", {"n": 1})
        await comes.connection.join("room")
        hub.publish("room", {"n": 2})
        await settle()
        assert (stays.numbers, goes.numbers, comes.numbers) == ([0, 1, 2], [0], [2])
        hub.publish("room", {"n": 3})
        stays.connection.close(4000, "bye")
        await settle()
        assert stays.numbers == [0, 1, 2, 3]
        assert stays.transport.closed == (4000, "bye")
        await hub.close()

    run(story())


def test_who_resumes_in_the_turn_of_a_message_gets_it_once(run, enter, settle):
    async def story():
        hub = Hub()
        ada = await enter(hub, "ada")
        position = ada.joined.position
        ben = await enter(hub, "ben", None)
        hub.publish("room", {"n": 0})
        joining = asyncio.ensure_future(ben.connection.join("room", since=position))
        hub.publish("room", {"n": 1})
        while not joining.done():
            hub.publish("room", {"n": len(ada.numbers) + 100})
            await asyncio.sleep(0)
        await settle()
        assert joining.result().recovered
        assert ben.numbers == ada.numbers
        assert len(set(ben.numbers)) == len(ben.numbers) >= 3
        await hub.close()

    run(story())


def test_a_client_that_is_behind_is_queued_for_and_one_that_is_lost_harms_nobody(run, enter, settle):
    async def story():
        hub = Hub(limits=Limits(presence_grace_s=0))
        behind, lost, well = [await enter(hub, user) for user in ("behind", "lost", "well")]
        behind.transport.blocked = True
        behind.transport.reading.clear()
        lost.transport.error = OSError("connection reset")
        for n in range(20):
            hub.publish("room", {"n": n})
        await settle()
        assert well.numbers == list(range(20))
        assert (behind.numbers, lost.numbers) == ([], [])
        assert hub.stats().blocked_now == 1
        assert hub.users("room") == ["behind", "well"]
        behind.transport.reading.set()
        await settle()
        assert behind.numbers == list(range(20))
        stats = hub.stats()
        # The one that failed was given to its transport, and counts as written.
        assert (stats.written, stats.outbox_messages, stats.transport_errors) == (41, 0, 1)
        await hub.close()

    run(story())


def test_a_large_room_leaves_the_others_their_turns(run, enter, settle, monkeypatch):
    async def story():
        monkeypatch.setattr("labkit.hub.turn.TURN_MAX_WRITES", 3)
        hub = Hub()
        clients = [await enter(hub, f"user{n}") for n in range(10)]
        hub.publish("room", {"n": 0})
        counts = []
        for _ in range(6):
            counts.append(sum(len(client.numbers) for client in clients))
            await asyncio.sleep(0)
        assert counts == [0, 3, 6, 9, 10, 10]
        await hub.close()

    run(story())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_in_whatever_order_everybody_hears_the_same(run, enter, settle, seed):
    async def story():
        dice = random.Random(seed)
        hub = Hub()
        clients = [await enter(hub, f"user{n}", batches=n % 2 == 0) for n in range(6)]
        said = []
        for n in range(150):
            who = dice.choice(clients)
            match dice.randrange(6):
                case 0:
                    who.connection.send({"whisper": n})
                case 1:
                    who.transport.blocked = not who.transport.blocked
                    (who.transport.reading.clear if who.transport.blocked else who.transport.reading.set)()
                case 2:
                    await asyncio.sleep(0)
                case 3:
                    await settle(3)
                case _:
                    said.append(n)
                    hub.publish("room", {"n": n})
        for client in clients:
            client.transport.blocked = False
            client.transport.reading.set()
        await settle(100)
        assert all(client.numbers == said for client in clients)
        assert not any(client.transport.overlapped for client in clients)
        stats = hub.stats()
        assert stats.queued == stats.written
        assert (stats.outbox_messages, stats.outbox_bytes) == (0, 0)
        await hub.close()

    run(story())
