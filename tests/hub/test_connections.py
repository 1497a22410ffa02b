"""A connection's life: how it ends, who hears of it, and that nothing is left."""

from __future__ import annotations

import asyncio
import time

import pytest

from labkit.errors import LabError
from labkit.hub import Hub, Limits, Refused
from labkit.hub.alarm import Alarm
from labkit.hub.close_codes import REPLACED, comes_back


def left_recorder():
    left = []
    return left, lambda room, user: left.append((room, user))


def test_the_handler_that_returns_closes_with_1000(run, arrive):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        client.finished.set()
        await client.over()
        assert client.transport.closed == (1000, "")
        assert client.task.exception() is None
        await hub.close()

    run(story())


def test_the_handler_that_fails_closes_with_1011_before_it_raises(run, arrive):
    async def story():
        hub = Hub()
        transport_closed_at_raise = []

        async def handler(transport):
            try:
                async with hub.connect(transport, user="ada"):
                    raise ZeroDivisionError
            except ZeroDivisionError:
                transport_closed_at_raise.append(transport.closed)

        client = await arrive(hub, "ben")
        transport = type(client.transport)()
        await handler(transport)
        assert transport_closed_at_raise == [(1011, "internal error")]
        assert hub.stats().connections == 1
        await hub.close()

    run(story())


def test_a_timeout_of_the_handler_is_not_taken_for_ours(run, arrive):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ben")
        transport = type(client.transport)()
        with pytest.raises(TimeoutError):
            async with hub.connect(transport, user="ada"):
                raise TimeoutError("the app's own")
        assert transport.closed == (1011, "internal error")
        await hub.close()

    run(story())


def test_cancelling_a_handler_is_never_swallowed(run, arrive, settle):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        client.task.cancel()
        await client.over()
        assert client.task.cancelled()
        assert client.transport.closed == (1012, "the server is stopping")
        assert hub.stats().connections == 0
        await hub.close()

    run(story())


def test_closing_ends_the_handler_that_waits_for_a_silent_client(run, arrive):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        client.connection.close(4501, "who are you?")
        client.connection.close(4999, "the first one counts")
        await client.over()
        assert client.task.exception() is None
        assert client.transport.closed == (4501, "who are you?")
        assert client.transport.close_calls == 1
        assert hub.stats().closed == {4501: 1}
        await hub.close()

    run(story())


def test_a_close_reason_is_cut_to_what_a_frame_carries(run, arrive):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        client.connection.close(4501, "é" * 100)
        await client.over()
        assert client.transport.closed == (4501, "é" * 61)
        await hub.close()

    run(story())


def test_what_was_sent_before_a_close_still_arrives(run, arrive):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        for n in range(50):
            client.connection.send({"n": n})
        client.connection.close()
        client.connection.send({"n": "too late"})
        await client.over()
        assert client.numbers == list(range(50))
        assert client.transport.closed == (1000, "")
        await hub.close()

    run(story())


def test_a_close_waits_for_the_write_under_way(run, arrive, settle):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        client.transport.reading.clear()
        client.connection.send({"n": 1})
        await settle()
        client.connection.send({"n": 2})
        client.connection.close()
        await settle()
        client.transport.reading.set()
        await client.over()
        assert client.numbers == [1, 2]
        assert client.transport.closed == (1000, "")
        assert not client.transport.overlapped
        await hub.close()

    run(story())


@pytest.mark.parametrize("waiting", [False, True], ids=["at once", "while it waits"])
def test_a_transport_that_fails_is_unregistered_once_and_harms_nobody(run, arrive, settle, waiting):
    async def story():
        left, on_left = left_recorder()
        hub = Hub(on_left=on_left, limits=Limits(presence_grace_s=0.0))
        broken, other = await arrive(hub, "broken"), await arrive(hub, "other")
        broken.transport.error = OSError("connection reset")
        if waiting:
            broken.transport.reading.clear()
        hub.publish("room", {"n": 1})
        hub.publish("room", {"n": 2})
        await settle()
        broken.transport.reading.set()
        await broken.over()
        assert broken.task.exception() is None
        assert other.numbers == [1, 2]
        assert left == [("room", "broken")]
        stats = hub.stats()
        assert (stats.transport_errors, stats.retired, stats.connections) == (1, 1, 1)
        assert hub.users("room") == ["other"]
        await hub.close()

    run(story())


def test_the_room_may_change_while_it_is_broadcast_to(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(presence_grace_s=0.0, outbox_max_messages=1), on_left=lambda *_: None)
        clients = [await arrive(hub, f"user-{i}") for i in range(6)]
        for client in clients[::2]:
            client.transport.reading.clear()
        # Every second client overflows in the middle of a fan-out; its neighbours must get each message.
        for n in range(4):
            hub.publish("room", {"n": n})
            await settle()
        for client in clients[1::2]:
            assert client.numbers == [0, 1, 2, 3]
        assert hub.users("room") == ["user-1", "user-3", "user-5"]
        for client in clients[::2]:
            client.transport.reading.set()
            await client.over()
        await hub.close()

    run(story())


def test_a_newer_connection_survives_the_older_ones_clean_up(run, arrive, settle, clock):
    async def story():
        left, on_left = left_recorder()
        hub = Hub(duplicates="replace", on_left=on_left, clock=clock, limits=Limits(presence_grace_s=0.0))
        old = await arrive(hub, "ada")
        witness = await arrive(hub, "ben")
        new = await arrive(hub, "ada")
        await old.over()
        assert old.transport.closed == (REPLACED, "you connected again elsewhere")
        assert not comes_back(REPLACED)
        assert new.joined.first is False
        await old.leave()
        clock.now += 60
        hub.alarm.ring()
        hub.publish("room", {"n": 1})
        hub.send_to("ada", {"n": 2})
        await settle()
        assert new.numbers == [1, 2]
        assert witness.numbers == [1]
        assert old.numbers == []
        assert hub.users("room") == ["ada", "ben"]
        assert left == []
        await hub.close()

    run(story())


def test_a_replaced_user_who_never_enters_again_is_announced_after_all(run, arrive, settle, clock):
    async def story():
        left, on_left = left_recorder()
        hub = Hub(duplicates="replace", on_left=on_left, clock=clock)
        await arrive(hub, "ada", "room")
        await arrive(hub, "ada", "elsewhere")
        clock.now += 4.9
        hub.alarm.ring()
        assert left == []
        clock.now += 0.2
        hub.alarm.ring()
        assert left == [("room", "ada")]
        await hub.close()

    run(story())


def test_a_second_connection_can_be_rejected_and_the_first_goes_on(run, arrive, settle):
    async def story():
        hub = Hub(duplicates="reject")
        first = await arrive(hub, "ada")
        second = await arrive(hub, "ada")
        error = second.task.exception()
        assert isinstance(error, Refused)
        assert (error.code, error.close_code) == ("already_here", 4529)
        assert str(error) == (
            "'ada' is connected already.\n"
            "Expected: one connection a user.\n"
            "Try: close the other tab, or choose another name."
        )
        assert second.transport.close_calls == 0
        hub.publish("room", {"n": 1})
        await settle()
        assert first.numbers == [1]
        assert hub.stats().refused == {"already_here": 1}
        await hub.close()

    run(story())


def test_several_connections_of_a_user_are_one_user(run, arrive, settle):
    async def story():
        left, on_left = left_recorder()
        hub = Hub(on_left=on_left, limits=Limits(connections_per_user=2))
        one, two = await arrive(hub, "ada"), await arrive(hub, "ada")
        three = await arrive(hub, "ada")
        assert three.task.exception().code == "too_many_connections"
        assert (one.joined.first, two.joined.first, two.joined.members) == (True, False, 1)
        await one.leave()
        assert left == []
        assert hub.users("room") == ["ada"]
        await two.leave()
        assert left == [("room", "ada")]
        await hub.close()

    run(story())


def test_the_hub_is_full_at_its_limit_and_has_room_again_afterwards(run, arrive):
    async def story():
        hub = Hub(limits=Limits(max_connections=1))
        first = await arrive(hub, "ada")
        second = await arrive(hub, "ben")
        assert second.task.exception().close_code == 1013
        await first.leave()
        third = await arrive(hub, "ben")
        assert third.joined is not None
        await hub.close()

    run(story())


def test_connection_ids_are_made_by_the_server_and_never_alike(run, arrive):
    async def story():
        hubs = [Hub(), Hub()]
        ids = [(await arrive(hub, "ada")).connection.id for hub in hubs for _ in range(3)]
        assert len(set(ids)) == 6
        for hub in hubs:
            await hub.close()

    run(story())


def test_twenty_comings_and_goings_leave_nothing(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(presence_grace_s=0.0, room_kept_s=0.0))
        before = asyncio.all_tasks()
        for number in range(20):
            client = await arrive(hub, "ada")
            hub.publish("room", {"n": number})
            await (client.leave(1006) if number % 2 else client.leave())
        assert asyncio.all_tasks() == before
        stats = hub.stats()
        assert (stats.connections, stats.users, stats.rooms, stats.tasks) == (0, 0, 0, 0)
        assert (stats.accepted, stats.retired) == (20, 20)
        assert len(hub._broker.topics) == 0
        hub.alarm.ring()
        assert len(hub.alarm) == 0
        await hub.close()

    run(story())


def test_draining_closes_everybody_with_1012_and_lets_nobody_in(run, arrive):
    async def story():
        left, on_left = left_recorder()
        hub = Hub(on_left=on_left, limits=Limits(drain_batch=2))
        clients = [await arrive(hub, f"user-{i}") for i in range(5)]
        hub.publish("room", {"n": 1})
        await hub.drain("a new version")
        assert [client.transport.closed for client in clients] == [(1012, "a new version")] * 5
        assert [client.numbers for client in clients] == [[1]] * 5
        assert comes_back(1012)
        late = await arrive(hub, "late")
        assert late.task.exception().close_code == 1012
        await hub.close()
        assert left == []

    run(story())


def test_draining_is_bounded_when_a_client_is_stuck(run, arrive):
    async def story():
        hub = Hub(limits=Limits(drain_s=0.05, write_timeout_s=60.0))
        before = asyncio.all_tasks()
        stuck, other = await arrive(hub, "stuck"), await arrive(hub, "other")
        stuck.transport.reading.clear()
        hub.publish("room", {"n": 1})
        await hub.close()
        assert other.transport.closed == (1012, "the server is restarting")
        assert stuck.transport.closed is None
        await stuck.over()
        await other.over()
        assert asyncio.all_tasks() == before
        assert hub.stats().tasks == 0
        assert hub.stats().deadlines == 0

    run(story())


def test_two_hubs_in_one_process_share_nothing(run, arrive, settle):
    async def story():
        one, two = Hub(), Hub()
        ada, ben = await arrive(one, "ada"), await arrive(two, "ben")
        one.publish("room", {"n": 1})
        two.send_to("ada", {"n": 2})
        await settle()
        assert (ada.numbers, ben.numbers) == ([1], [])
        assert (one.users("room"), two.users("room")) == (["ada"], ["ben"])
        await one.close()
        two.publish("room", {"n": 3})
        await settle()
        assert ben.numbers == [3]
        await two.close()

    run(story())


def test_a_call_from_another_thread_is_refused_before_anything_happens(run, arrive, settle):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")

        async def elsewhere():
            hub.publish("room", {"n": 1})

        with pytest.raises(LabError, match="another thread or event loop"):
            await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
        await settle()
        assert client.numbers == []
        await hub.close()

    run(story())


def test_a_handler_may_still_do_things_after_its_client_has_gone(run, arrive, settle):
    async def story():
        hub = Hub()
        done = []
        client = await arrive(hub, "ben")

        async def handler(transport):
            async with hub.connect(transport, user="ada") as connection:
                connection.gone(1000)
                await settle()
                done.append("saved")

        await handler(type(client.transport)())
        assert done == ["saved"]
        await hub.close()

    run(story())


def test_a_write_that_fails_while_closing_does_not_lose_track_of_the_close(run, arrive, settle):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        client.transport.reading.clear()
        client.connection.send({"n": 1})
        await settle()
        client.connection.close(4501, "bye")
        await settle()
        closing = client.connection.writer._task
        client.transport.error = OSError("reset")
        client.transport.reading.set()
        await client.over()
        assert client.connection.writer._task is closing
        assert hub.stats().tasks == 0
        assert hub.stats().closed == {4501: 1}
        await hub.close()

    run(story())


def test_what_could_not_be_written_takes_what_was_behind_it_along(run, arrive, settle):
    """A gap in the middle would be hidden from who resumes after what came behind it."""

    async def story():
        hub = Hub(limits=Limits(write_timeout_s=0.3, drain_s=5.0))
        client = await arrive(hub, "ada")
        client.transport.reading.clear()
        for number in range(3):
            hub.publish("room", {"n": number})
            await settle()
        await asyncio.sleep(0.15)
        draining = asyncio.create_task(hub.drain())  # a polite close, with what waits before it
        while client.connection.writer.outbox:
            await asyncio.sleep(0.01)  # until the first write's own time is over
        client.transport.reading.set()
        await draining
        assert client.numbers == []
        await client.over()
        await hub.close()

    run(story())


def test_between_drain_and_close_nobodys_grace_ends(run, arrive, settle):
    async def story():
        left: list[str] = []
        limits = Limits(presence_grace_s=0.01, restart_grace_s=0.01)
        hub = Hub(limits=limits, on_left=lambda room, user: left.append(user))
        clients = [await arrive(hub, name) for name in ("ada", "ben")]
        await hub.drain()
        await asyncio.sleep(0.1)
        await hub.close()
        assert left == []
        assert hub.dump()["present"] == {"room": ["ada", "ben"]}
        for client in clients:
            await client.over()

    run(story())


def test_a_burst_larger_than_an_outbox_counts_all_its_frames(run, arrive, settle):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        for number in range(1_000):
            hub.publish("room", {"n": number})
        while len(client.numbers) < 1_000:
            await settle()
        assert hub.stats().frames == len(client.transport.sent) == 1_000
        await hub.close()

    run(story())


def test_a_drain_gives_up_stuck_clients_by_itself(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(drain_s=0.05, write_timeout_s=60.0))
        stuck = await arrive(hub, "stuck")
        stuck.transport.reading.clear()
        hub.publish("room", {"n": 1})
        await settle()
        await hub.drain()
        await settle()
        assert hub.stats().tasks == 0
        await stuck.over()
        await hub.close()

    run(story())


def test_a_user_is_gone_as_soon_as_the_block_is_left(run, arrive):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ben")
        transport = type(client.transport)()
        transport.reading.clear()
        here = []

        async def handler():
            async with hub.connect(transport, user="ada"):
                asyncio.get_running_loop().call_soon(lambda: here.append(hub.is_here("ada")))

        task = asyncio.create_task(handler())
        while not here:
            await asyncio.sleep(0)
        assert here == [False]
        transport.reading.set()
        await task
        await hub.close()

    run(story())


def test_a_turn_with_very_many_clients_is_shared_with_the_rest_of_the_loop(run, arrive, monkeypatch):
    async def story():
        monkeypatch.setattr("labkit.hub.turn.TURN_MAX_WRITES", 2)
        hub = Hub()
        clients = [await arrive(hub, f"user-{n}") for n in range(8)]
        hub.publish("room", {"n": 1})
        steps = []
        while len(steps) < 50 and (not steps or steps[-1] < 8):
            await asyncio.sleep(0)
            steps.append(sum(len(client.numbers) for client in clients))
        assert [step for step in steps if step] == [2, 4, 6, 8]
        await hub.close()

    run(story())


def test_an_earlier_deadline_is_not_kept_waiting_by_a_later_one(run):
    async def story():
        alarm = Alarm(time.monotonic)
        rang = asyncio.Event()
        now = time.monotonic()
        alarm.set(("late",), now + 3_600, lambda: None)
        alarm.set(("soon",), now + 0.01, rang.set)
        async with asyncio.timeout(5):
            await rang.wait()
        assert len(alarm) == 1
        alarm.stop()

    run(story())
