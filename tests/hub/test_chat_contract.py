"""The chat of the contract, over the hub, in as few lines as it takes."""

from __future__ import annotations

import asyncio
import json
from functools import partial

from labkit.hub import Connection, Hub, Refused, latest


def line(sender: str, message: str, emoji: str, type_: str = "message", **more: str) -> dict[str, str]:
    return {
        "type": type_,
        "sender": sender,
        "message": message,
        "timestamp": "12:00:00",
        "emoji": emoji,
        **more,
    }


class Chat:
    """What labkit's chat app is, but for FastAPI."""

    def __init__(self) -> None:
        self.hub = Hub(duplicates="replace", on_left=self.say_goodbye)

    def say_goodbye(self, room: str, user: str) -> None:
        self.hub.publish(room, line("system", f"{user} left the chat 👋", "📢"))

    def users(self) -> list[str]:
        return self.hub.users("chat")

    async def talk(self, transport, frames, user: str) -> None:
        # register
        async with self.hub.connect(transport, user=user) as connection:
            await connection.join("chat")
            self.hub.publish("chat", line("system", f"{user} joined the chat! 👋", "📢"))
            # receive loop
            async for text in frames(connection):
                self.handle(connection, text)
        # unregister and close: the hub has done it

    def handle(self, connection: Connection, text: str) -> None:
        user = connection.user
        match parse(text):
            case {"type": "private", "to": str(to), "message": str(message)}:
                connection.whisper(to, line(user, message, "🔒", "private", to=to))
            case {"type": "typing"}:
                connection.typing("chat")
                signal = {"type": "typing", "sender": user}
                connection.publish("chat", signal, delivery=latest(f"typing {user}"), to_others=True)
            case _:
                connection.publish("chat", line(user, text, "💬"))


def parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class Wire:
    """The reference adapter's reading half: frames in, `heard` and `gone` reported."""

    def __init__(self, transport_type) -> None:
        self.transport = transport_type()
        self.queue: asyncio.Queue[str | int] = asyncio.Queue()

    async def frames(self, connection):
        while isinstance(frame := await self.queue.get(), str):
            if connection.heard(len(frame.encode())):
                yield frame
        connection.gone(frame)


def test_the_contract_of_chat(run, arrive, settle):
    async def story():
        chat = Chat()
        probe = await arrive(Hub(), "probe", None)
        make = partial(Wire, type(probe.transport))
        await probe.hub.close()

        async def enter(user):
            wire = make()
            wire.task = asyncio.create_task(chat.talk(wire.transport, wire.frames, user))
            await settle()
            return wire

        def told(wire):
            return [
                (m["sender"], m.get("message"), m.get("emoji"))
                for m in wire.transport.messages()
                if "sender" in m
            ]

        ada, ben = await enter("ada"), await enter("ben")
        # On entry everyone, the newcomer too.
        assert told(ada) == [("system", f"{user} joined the chat! 👋", "📢") for user in ("ada", "ben")]
        assert told(ben) == [("system", "ben joined the chat! 👋", "📢")]
        assert chat.users() == ["ada", "ben"]

        for wire in (ada, ben):
            wire.transport.sent.clear()
        for text in ("hello", "[1, 2]", '{"type": "unknown"}', "[" * 100_000, '{"type":"private","to":3}'):
            ada.queue.put_nowait(text) if len(text) < 65_536 else None
        await settle()
        expected = [
            ("ada", text, "💬")
            for text in ("hello", "[1, 2]", '{"type": "unknown"}', '{"type":"private","to":3}')
        ]
        assert told(ada) == told(ben) == expected

        for wire in (ada, ben):
            wire.transport.sent.clear()
        cy = await enter("cy")
        cy.transport.sent.clear()
        ada.queue.put_nowait('{"type": "private", "to": "ben", "message": "psst"}')
        ada.queue.put_nowait('{"type": "private", "to": "nobody", "message": "psst"}')
        ada.queue.put_nowait('{"type": "typing"}')
        await settle()
        private = line("ada", "psst", "🔒", "private", to="ben")
        assert ben.transport.messages("private") == ada.transport.messages("private") == [private]
        assert [m["type"] for m in cy.transport.messages()] == ["typing"]
        assert ben.transport.messages("typing") == [{"type": "typing", "sender": "ada"}]
        assert ada.transport.messages("typing") == []
        assert "not here" in ada.transport.messages("error")[0]["detail"]

        # A second connection replaces the first; when that goes, nothing is announced.
        newer = await enter("ada")
        for wire in (ben, cy, newer):
            wire.transport.sent.clear()
        ada.queue.put_nowait(1006)
        await asyncio.wait([ada.task])
        ben.queue.put_nowait("still here?")
        await settle()
        assert ada.transport.closed[0] == 4509
        assert told(newer) == told(cy) == [("ben", "still here?", "💬")]
        assert chat.users() == ["ada", "ben", "cy"]

        # One that stops reading and one that dies neither delay nor break the others.
        cy.transport.reading.clear()
        newer.transport.error = OSError("reset")
        ben.transport.sent.clear()
        ben.queue.put_nowait("one")
        ben.queue.put_nowait("two")
        await settle()
        assert [m["message"] for m in ben.transport.messages()][:2] == ["one", "two"]
        cy.transport.reading.set()

        ben.queue.put_nowait(1000)
        await settle()
        assert told(cy)[-1] == ("system", "ben left the chat 👋", "📢")
        await chat.hub.close()
        for wire in (ada, ben, cy, newer):
            await asyncio.wait([wire.task])
            assert wire.task.exception() is None

    run(story())


def test_a_refusal_at_the_door_is_the_adapters_to_tell(run, arrive):
    async def story():
        hub = Hub(duplicates="reject")
        first = await arrive(hub, "ada")
        transport = type(first.transport)()
        try:
            async with hub.connect(transport, user="ada"):
                raise AssertionError("must not be let in")
        except Refused as refusal:
            await transport.close(refusal.close_code, refusal.happened)
        assert transport.closed == (4529, "'ada' is connected already.")
        await hub.close()

    run(story())
