"""Rooms: order, who gets what, coming back without a gap, presence with grace, vanishing."""

from __future__ import annotations

import asyncio

import pytest

from labkit.hub import Envelope, Hub, Limits, MemoryBroker, Position, Rate, Refused, latest


def test_everyone_in_the_room_gets_it_in_one_order_and_nobody_else(run, arrive, settle):
    async def story():
        hub = Hub()
        ada, ben = await arrive(hub, "ada"), await arrive(hub, "ben")
        other = await arrive(hub, "cy", "other")
        for n in range(20):
            assert (ada if n % 2 else ben).connection.publish("room", {"n": n})
        await settle()
        assert ada.numbers == ben.numbers == list(range(20))
        assert [message["seq"] for message in ada.transport.messages()] == list(range(1, 21))
        assert other.transport.sent == []
        await hub.close()

    run(story())


def test_to_others_leaves_out_this_connection_only(run, arrive, settle):
    async def story():
        hub = Hub()
        tab, second, ben = [await arrive(hub, user) for user in ("ada", "ada", "ben")]
        tab.connection.publish("room", {"n": 1}, delivery=latest("typing:ada"), to_others=True)
        await settle()
        assert (tab.numbers, second.numbers, ben.numbers) == ([], [1], [1])
        assert "seq" not in ben.transport.messages()[0]
        await hub.close()

    run(story())


def test_what_an_app_numbers_for_itself_is_in_order_with_the_rest_unnumbered_and_not_replayed(
    run, arrive, settle
):
    async def story():
        hub = Hub()
        ada = await arrive(hub, "ada")
        for n in range(6):
            hub.publish("room", {"n": n}, stored=n % 2 == 0)
        await settle()
        assert ada.numbers == list(range(6))
        assert [message.get("seq") for message in ada.transport.messages()] == [1, None, 2, None, 3, None]
        back = await arrive(hub, "ben", since=Position(ada.joined.position.epoch, 0))
        await settle()
        assert (back.joined.missed, back.numbers) == (3, [0, 2, 4])
        await hub.close()

    run(story())


def test_an_app_may_take_a_refusal_and_say_more_about_it(run, arrive, settle, clock):
    async def story():
        hub = Hub(rates={"one": Rate(1, 1)}, clock=clock)
        ada = await arrive(hub, "ada")
        ada.connection.check_publish("room", rate="one")
        with pytest.raises(Refused) as fast:
            ada.connection.check_publish("room", rate="one")
        ada.connection.refuse(fast.value.about(id="a1"))
        clock.now += 2
        hub.controls("room").mute("ada")
        with pytest.raises(Refused) as muted:
            ada.connection.check_publish("room", rate="one")
        assert muted.value.code == "muted"
        await settle()
        (error,) = ada.transport.messages()
        assert (error["code"], error["id"], error["retry_ms"]) == ("too_fast", "a1", 1000)
        assert Refused("a word of the app's own", "No.").close_code == 4522
        await hub.close()

    run(story())


def test_a_whisper_reaches_both_and_nobody_else_and_is_not_replayed(run, arrive, settle):
    async def story():
        hub = Hub()
        ada, ben, cy = [await arrive(hub, user) for user in ("ada", "ben", "cy")]
        assert ada.connection.whisper("ben", {"n": 1})
        assert not ada.connection.whisper("nobody", {"n": 2})
        await settle()
        assert (ben.numbers, cy.transport.sent) == ([1], [])
        private, error = ada.transport.messages()
        assert private == {"n": 1}
        assert error == {
            "type": "error",
            "code": "not_here",
            "detail": "'nobody' is not here.\nTry: look at the list of who is.",
        }
        back = await arrive(hub, "ben", since=Position(ben.joined.position.epoch, 0))
        assert (back.joined.recovered, back.joined.missed) == (True, 0)
        await hub.close()

    run(story())


def test_a_room_vanishes_when_it_is_empty_and_its_memory_some_time_later(run, arrive, clock):
    async def story():
        hub = Hub(clock=clock)
        client = await arrive(hub, "ada")
        hub.publish("room", {"n": 1})
        assert hub.rooms() == {"room": 1}
        await client.leave()
        stats = hub.stats()
        assert (hub.rooms(), stats.connections, stats.users, stats.rooms, stats.tasks) == ({}, 0, 0, 0, 0)
        assert len(hub._broker.topics) == 1  # its history, for who comes back
        clock.now += 299
        hub.alarm.ring()
        assert len(hub._broker.topics) == 1
        clock.now += 1
        hub.alarm.ring()
        assert (len(hub._broker.topics), hub.stats().deadlines) == (0, 0)
        await hub.close()

    run(story())


def test_rooms_that_empty_one_after_another_are_all_forgotten(run, arrive, clock):
    async def story():
        hub = Hub(clock=clock)
        for number in range(3):
            client = await arrive(hub, "ada", f"room-{number}")
            hub.publish(f"room-{number}", {"n": 1})
            await client.leave()
            clock.now += 100
        for _ in range(3):
            clock.now += 150
            hub.alarm.ring()
        assert (len(hub._broker.topics), hub.stats().deadlines) == (0, 0)
        await hub.close()

    run(story())


def test_visiting_ever_new_rooms_takes_bounded_memory(run, arrive):
    async def story():
        hub = Hub(limits=Limits(rooms_kept_max=5))
        client = await arrive(hub, "ada", None)
        for number in range(20):
            await client.connection.join(f"room-{number}")
            hub.publish(f"room-{number}", {"n": 1})
            client.connection.leave(f"room-{number}")
        assert len(hub._broker.topics) <= 6  # and the topic of the user, who is here
        await hub.close()

    run(story())


@pytest.mark.parametrize(("code", "announced_at_once"), [(1000, True), (1001, False), (1006, False)])
def test_a_goodbye_is_told_at_once_and_a_cut_after_the_grace(run, arrive, clock, code, announced_at_once):
    async def story():
        left = []
        hub = Hub(clock=clock, on_left=lambda *who: left.append(who))
        await arrive(hub, "ben")
        ada = await arrive(hub, "ada")
        await ada.leave(code)
        assert (left == [("room", "ada")]) is announced_at_once
        assert hub.users("room") == (["ben"] if announced_at_once else ["ada", "ben"])
        clock.now += 1.9
        hub.alarm.ring()
        assert (left == [("room", "ada")]) is announced_at_once
        clock.now += 0.2
        hub.alarm.ring()
        assert left == [("room", "ada")]
        assert hub.users("room") == ["ben"]
        await hub.close()

    run(story())


def test_who_is_back_within_the_grace_never_left(run, arrive, clock):
    async def story():
        left = []
        hub = Hub(clock=clock, on_left=lambda *who: left.append(who))
        ada = await arrive(hub, "ada")
        await ada.leave(1006)
        clock.now += 1
        back = await arrive(hub, "ada")
        clock.now += 60
        hub.alarm.ring()
        assert (back.joined.first, left, hub.users("room")) == (False, [], ["ada"])
        await hub.close()

    run(story())


def test_an_app_whose_hook_fails_is_told_in_the_log_and_nothing_else_breaks(run, arrive, caplog):
    async def story():
        def on_left(room, user):
            raise ZeroDivisionError

        hub = Hub(on_left=on_left)
        ada, ben = await arrive(hub, "ada"), await arrive(hub, "ben")
        await ada.leave()
        assert hub.users("room") == ["ben"]
        assert hub.stats().hook_errors == 1
        assert "the app's hook failed for 'ada' in 'room'" in caplog.text
        await ben.leave()
        await hub.close()

    run(story())


def test_typing_ends_by_itself_by_speaking_and_by_leaving(run, arrive, clock):
    async def story():
        quiet = []
        hub = Hub(clock=clock, on_quiet=lambda *who: quiet.append(who))
        ada = await arrive(hub, "ada")
        assert ada.connection.typing("room") is True
        assert ada.connection.typing("room") is False  # they know
        assert hub.typing("room") == ["ada"]
        clock.now += 4.9
        hub.alarm.ring()
        assert quiet == []
        clock.now += 0.2
        hub.alarm.ring()
        assert (quiet, hub.typing("room")) == ([("room", "ada")], [])
        ada.connection.typing("room")
        ada.connection.publish("room", {"n": 1})
        assert len(quiet) == 2
        ada.connection.typing("room")
        await ada.leave()
        assert quiet == [("room", "ada")] * 3
        await hub.close()

    run(story())


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\u202e"])
def test_a_name_that_no_room_can_have_closes_with_a_reason(run, arrive, name):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada", name)
        await client.over()
        assert client.transport.closed[0] == 4522
        assert "can't be the name of a room" in client.transport.closed[1]
        assert client.task.exception() is None
        await hub.close()

    run(story())


def test_rooms_a_connection_are_limited(run, arrive):
    async def story():
        hub = Hub(limits=Limits(rooms_per_connection=2))
        client = await arrive(hub, "ada", None)
        for name in ("a", "b"):
            await client.connection.join(name)
        with pytest.raises(Refused, match="at most 2 a connection"):
            await client.connection.join("c")
        with pytest.raises(Refused, match="You are in 2 rooms already|You are in 'a' already"):
            await client.connection.join("a")
        assert hub.rooms() == {"a": 1, "b": 1}
        await hub.close()

    run(story())


def test_who_is_not_in_the_room_cannot_speak_in_it(run, arrive, settle):
    async def story():
        hub = Hub()
        ada, ben = await arrive(hub, "ada", "here"), await arrive(hub, "ben", "there")
        assert not ada.connection.publish("there", {"n": 1})
        await settle()
        assert ben.transport.sent == []
        assert ada.transport.messages()[0]["code"] == "not_in_room"
        await hub.close()

    run(story())


def test_too_many_messages_are_refused_and_who_will_not_stop_is_closed(run, arrive, settle, clock):
    async def story():
        hub = Hub(clock=clock)
        ada, ben = await arrive(hub, "ada"), await arrive(hub, "ben")
        assert [ada.connection.publish("room", {"n": n}) for n in range(41)] == [True] * 40 + [False]
        await settle()
        assert ben.numbers == list(range(40))
        assert ada.transport.messages()[-1] == {
            "type": "error",
            "code": "too_fast",
            "detail": "Too many messages.\nExpected: at most 20 a second, 40 at once.\nTry: wait 0.05 s.",
            "retry_ms": 50,
        }
        clock.now += 0.05
        assert ada.connection.publish("room", {"n": 40})
        for _ in range(100):
            ada.connection.publish("room", {"n": "flood"})
        await ada.over()
        assert ada.transport.closed == (4429, "too many refusals: Too many messages.")
        assert ben.numbers == list(range(41))
        await hub.close()

    run(story())


def test_more_messages_in_one_turn_than_an_outbox_holds_close_no_healthy_client(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(outbox_max_messages=4))
        client = await arrive(hub, "ada")
        for n in range(100):
            hub.publish("room", {"n": n})
        await settle(60)
        assert client.numbers == list(range(100))
        assert client.connection.closing is None
        await hub.close()

    run(story())


# Coming back


def test_the_welcome_comes_first_then_what_was_missed_then_what_is_new(run, arrive, settle):
    async def story():
        hub = Hub()
        ada = await arrive(hub, "ada")
        for n in range(3):
            hub.publish("room", {"n": n})
        at = Position(ada.joined.position.epoch, 1)
        ben = await arrive(hub, "ben", since=at, welcome=lambda joined: {"n": "welcome", **joined.resume})
        hub.publish("room", {"n": 3})
        await settle()
        assert ben.numbers == ["welcome", 1, 2, 3]
        assert ben.transport.messages()[0] == {
            "n": "welcome",
            "epoch": at.epoch,
            "seq": 3,
            "recovered": True,
            "missed": 2,
        }
        await hub.close()

    run(story())


def test_a_welcome_may_be_larger_than_the_outbox(run, arrive, settle):
    async def story():
        hub = Hub(limits=Limits(outbox_max_bytes=1_000))
        ada = await arrive(hub, "ada", welcome=lambda _: {"n": "x" * 5_000})
        hub.publish("room", {"n": 1})
        await settle()
        assert ada.numbers == ["x" * 5_000, 1]
        assert ada.connection.closing is None
        await hub.close()

    run(story())


def test_an_empty_room_is_found_again_by_those_who_were_cut_off(run, arrive, settle, clock):
    async def story():
        hub = Hub(clock=clock)
        ada = await arrive(hub, "ada")
        hub.publish("room", {"n": 1})
        await settle()
        await ada.leave(1006)
        clock.now += 10
        hub.alarm.ring()
        assert hub.rooms() == {}
        hub.publish("room", {"n": 2})
        back = await arrive(hub, "ada", since=Position(ada.joined.position.epoch, 1))
        assert (back.joined.recovered, back.numbers) == (True, [2])
        await hub.close()

    run(story())


class LateBroker(MemoryBroker):
    """A broker over a network: history is answered when the test says so, deliveries take a turn."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()
        self.asked = asyncio.Event()

    async def history(self, topic, since):
        self.asked.set()
        await self.answer.wait()
        return await super().history(topic, since)

    def publish(self, envelope: Envelope) -> None:
        asyncio.get_running_loop().call_soon(super().publish, envelope)


def test_what_is_published_while_one_resumes_arrives_once_and_in_order(run, arrive, settle):
    async def story():
        broker = LateBroker()
        broker.answer.set()
        hub = Hub(broker=broker)
        ada = await arrive(hub, "ada")
        for n in range(5):
            hub.publish("room", {"n": n})
        await settle()
        broker.answer.clear()
        broker.asked.clear()
        since = Position(ada.joined.position.epoch, 2)
        ben = await arrive(hub, "ben", since=since, wait=False)
        await broker.asked.wait()
        for n in range(5, 8):
            hub.publish("room", {"n": n})  # in the replay, and held back as well
        hub.publish("room", {"n": "cursor"}, delivery=latest("c"))
        await settle()
        assert ben.numbers == []
        broker.answer.set()
        hub.publish("room", {"n": 8})
        await settle()
        hub.publish("room", {"n": 9})
        await settle()
        assert [n for n in ben.numbers if n != "cursor"] == [2, 3, 4, 5, 6, 7, 8, 9]
        assert ben.numbers.count("cursor") == 1
        assert ada.numbers == [0, 1, 2, 3, 4, 5, 6, 7, "cursor", 8, 9]
        stats = hub.stats()
        assert (stats.recovered, stats.queued, stats.written) == (1, 20, 20)
        await hub.close()

    run(story())


def test_leaving_in_the_middle_of_joining_leaves_nothing(run, arrive, settle):
    async def story():
        broker = LateBroker()
        hub = Hub(broker=broker)
        ada = await arrive(hub, "ada", wait=False)
        await broker.asked.wait()
        ada.task.cancel()
        await ada.over()
        stats = hub.stats()
        assert (stats.connections, stats.rooms, hub.users("room")) == (0, 0, [])
        assert len(hub._rooms._rooms) == 0
        assert len(broker.topics) == 0
        await hub.close()

    run(story())


def test_one_that_is_cancelled_while_subscribing_does_not_strand_the_next(run, arrive, settle):
    async def story():
        class SlowToSubscribe(MemoryBroker):
            def __init__(self):
                super().__init__()
                self.go = asyncio.Event()

            async def subscribe(self, topic, deliver):
                if topic.startswith("room:"):
                    await self.go.wait()
                await super().subscribe(topic, deliver)

        broker = SlowToSubscribe()
        hub = Hub(broker=broker)
        ada = await arrive(hub, "ada", wait=False)
        ben = await arrive(hub, "ben", wait=False)
        ada.task.cancel()
        await ada.over()
        broker.go.set()
        await settle()
        hub.publish("room", {"n": 1})
        await settle()
        assert ben.numbers == [1]
        await ben.leave()
        assert hub.stats().tasks == 0
        await hub.close()

    run(story())


# Several hubs


def test_two_hubs_on_one_broker_are_one_room_in_one_order(run, arrive, settle):
    async def story():
        broker = LateBroker()
        broker.answer.set()
        one, two = Hub(broker=broker), Hub(broker=broker)
        ada, ben = await arrive(one, "ada"), await arrive(two, "ben")
        for n in range(10):
            (one if n % 2 else two).publish("room", {"n": n})
        assert ada.numbers == ben.numbers == []  # nothing but what comes back from the broker
        one.send_to("ben", {"n": "private"})
        await settle()
        assert [n for n in ben.numbers if n != "private"] == ada.numbers == list(range(10))
        assert ben.numbers.count("private") == 1
        await one.close()
        two.publish("room", {"n": 10})
        await settle()
        assert ben.numbers[-1] == 10
        await two.close()
        assert broker._topics["room:room"].listeners == []

    run(story())


def test_what_a_listener_publishes_meanwhile_comes_after_for_all(run, settle):
    async def story():
        broker = MemoryBroker()
        seen = {"one": [], "two": []}

        def one(envelope):
            seen["one"].append(envelope.data)
            if envelope.data == "first":
                broker.publish(Envelope("room:x", "second", stored=True))

        await broker.subscribe("room:x", one)
        await broker.subscribe("room:x", lambda envelope: seen["two"].append(envelope.data))
        broker.publish(Envelope("room:x", "first", stored=True))
        assert seen == {"one": ["first", "second"], "two": ["first", "second"]}

    run(story())


# Moderation


def test_a_locked_room_lets_nobody_new_in_but_those_in_it_come_back(run, arrive, clock):
    async def story():
        hub = Hub(clock=clock)
        ada = await arrive(hub, "ada")
        hub.controls("room").lock()
        late = await arrive(hub, "late")
        await late.over()
        assert late.transport.closed == (4423, "The host has locked this room.")
        await ada.leave(1006)
        assert (await arrive(hub, "ada")).joined is not None
        assert (await arrive(hub, "teacher", host=True)).joined is not None
        assert hub.controls("room").undo()
        assert (await arrive(hub, "late")).joined is not None
        await hub.close()

    run(story())


def test_a_muted_user_reads_and_does_not_speak(run, arrive, settle):
    async def story():
        hub = Hub()
        ada, ben = await arrive(hub, "ada"), await arrive(hub, "ben")
        hub.controls("room").mute("ada")
        assert not ada.connection.publish("room", {"n": 1})
        assert ben.connection.publish("room", {"n": 2})
        await settle()
        assert (ada.numbers, ben.numbers) == ([2], [2])
        assert ada.transport.messages("error")[0]["code"] == "muted"
        hub.controls("room").unmute("ada")
        assert ada.connection.publish("room", {"n": 3})
        await hub.close()

    run(story())


def test_a_kicked_user_is_closed_for_good_and_kept_out_until_readmitted(run, arrive):
    async def story():
        left = []
        hub = Hub(on_left=lambda *who: left.append(who))
        tabs = [await arrive(hub, "troll"), await arrive(hub, "troll")]
        ada = await arrive(hub, "ada")
        hub.controls("room").kick("troll")
        for tab in tabs:
            await tab.over()
            assert tab.transport.closed == (4504, "the host has removed you")
        assert left == [("room", "troll")]
        assert hub.users("room") == ["ada"]
        back = await arrive(hub, "troll")
        await back.over()
        assert back.transport.closed == (4504, "The host has removed you from this room.")
        hub.controls("room").readmit("troll")
        assert (await arrive(hub, "troll")).joined is not None
        assert ada.connection.closing is None
        await hub.close()

    run(story())


def test_kicking_somebody_who_was_just_cut_off_ends_their_grace(run, arrive):
    async def story():
        left = []
        hub = Hub(on_left=lambda *who: left.append(who))
        await arrive(hub, "ada")
        troll = await arrive(hub, "troll")
        await troll.leave(1006)
        hub.controls("room").kick("troll")
        assert (left, hub.users("room")) == ([("room", "troll")], ["ada"])
        await hub.close()

    run(story())


def test_slow_mode_lets_each_user_speak_once_in_so_many_seconds(run, arrive, settle, clock):
    async def story():
        hub = Hub(clock=clock)
        ada, ben = await arrive(hub, "ada"), await arrive(hub, "ben")
        host = await arrive(hub, "teacher", host=True)
        hub.controls("room").slow(10)
        assert ada.connection.publish("room", {"n": 1})
        assert not ada.connection.publish("room", {"n": 2})
        assert ben.connection.publish("room", {"n": 3})
        assert all(host.connection.publish("room", {"n": n}) for n in (4, 5))
        await settle()
        assert ada.transport.messages("error") == [
            {
                "type": "error",
                "code": "slow_mode",
                "detail": "This room is in slow mode: one message in 10 s.\nTry: wait 10.0 s.",
                "retry_ms": 10_000,
            }
        ]
        # Going and coming back does not dodge it.
        await ada.leave()
        ada = await arrive(hub, "ada")
        assert not ada.connection.publish("room", {"n": 6})
        clock.now += 10
        assert ada.connection.publish("room", {"n": 7})
        hub.controls("room").undo()
        assert ada.connection.publish("room", {"n": 8})
        await hub.close()

    run(story())


def test_clearing_leaves_nothing_to_replay_and_tells_everyone(run, arrive, settle):
    async def story():
        hub = Hub()
        ada = await arrive(hub, "ada")
        for n in range(3):
            hub.publish("room", {"n": n})
        hub.controls("room").clear({"n": "clear"})
        await settle()
        assert ada.numbers == [0, 1, 2, "clear"]
        epoch = ada.joined.position.epoch
        early = await arrive(hub, "ben", since=Position(epoch, 1))
        assert (early.joined.recovered, early.numbers) == (False, [])
        just = await arrive(hub, "cy", since=Position(epoch, 3))
        assert (just.joined.recovered, just.numbers) == (True, ["clear"])
        await hub.close()

    run(story())


def test_the_rules_of_an_empty_room_are_kept_as_long_as_its_history(run, arrive, clock):
    async def story():
        hub = Hub(clock=clock, ping=None)
        hub.controls("room").lock()
        for seconds, code in ((299, 4423), (2, None)):
            clock.now += seconds
            hub.alarm.ring()
            client = await arrive(hub, "ada")
            assert (client.connection.closing or [None])[0] == code
        await hub.close()

    run(story())


# Heartbeat


def test_a_peer_that_used_to_answer_and_falls_silent_is_given_up(run, arrive, settle, clock):
    async def story():
        hub = Hub(clock=clock)
        plain, answering = await arrive(hub, "plain"), await arrive(hub, "answering")
        clock.now += 25
        hub.alarm.ring()
        await settle()
        assert plain.transport.messages() == [{"type": "ping", "t": 1_025_000}]
        clock.now += 0.5
        answering.connection.pong()
        assert hub.stats().rtt_max_s == 0.5
        clock.now += 24.5
        hub.alarm.ring()
        clock.now += 9.9
        hub.alarm.ring()
        await settle()
        assert answering.connection.closing is None
        clock.now += 0.2
        hub.alarm.ring()
        await answering.over()
        assert answering.transport.closed == (4410, "no answer to a ping")
        # It never said that it knows pings: the server's own, at protocol level, watch over it.
        assert plain.connection.closing is None
        assert hub.stats().silent == 1
        await hub.close()

    run(story())


def test_a_message_counts_as_an_answer(run, arrive, settle, clock):
    async def story():
        hub = Hub(clock=clock)
        client = await arrive(hub, "ada")
        client.connection.pong()
        for _ in range(10):
            clock.now += 25
            hub.alarm.ring()
            clock.now += 1
            client.connection.heard(10)
            clock.now += 9
            hub.alarm.ring()
        assert client.connection.closing is None
        assert hub.stats().pings >= 7
        await hub.close()

    run(story())


def test_a_message_that_is_too_big_closes_with_1009(run, arrive):
    async def story():
        hub = Hub()
        client = await arrive(hub, "ada")
        assert client.connection.heard(65_536)
        assert not client.connection.heard(65_537)
        await client.over()
        assert client.transport.closed == (1009, "a message is at most 65536 bytes")
        await hub.close()

    run(story())


def test_a_join_that_fails_leaves_the_connection_as_it_was(run, arrive, settle):
    async def story():
        class Failing(MemoryBroker):
            async def history(self, topic, since):
                raise OSError("the broker is away")

        hub = Hub(broker=Failing())
        client = await arrive(hub, "ada", None)
        with pytest.raises(OSError, match="the broker is away"):
            await client.connection.join("room")
        assert client.connection.rooms == {}
        hub.publish("room", {"n": 1})
        await settle()
        assert client.numbers == []
        assert hub._broker.topics == ["room:room", "user:ada"]  # what was published is kept for a while
        assert hub._broker._topics["room:room"].listeners == []
        await hub.close()

    run(story())


def test_who_leaves_before_the_subscription_comes_about_leaves_no_listener(run, arrive, settle):
    async def story():
        class SlowToSubscribe(MemoryBroker):
            def __init__(self):
                super().__init__()
                self.go = asyncio.Event()

            async def subscribe(self, topic, deliver):
                if topic.startswith("room:"):
                    await self.go.wait()
                await super().subscribe(topic, deliver)

        broker = SlowToSubscribe()
        hub = Hub(broker=broker)
        ada = await arrive(hub, "ada", wait=False)
        ada.task.cancel()
        await ada.over()
        broker.go.set()
        await settle()
        assert broker.topics == []
        await hub.close()

    run(story())
