"""How a simulated user names the end of its connection."""

from __future__ import annotations

import asyncio
import errno
import ssl

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidMessage
from websockets.frames import Close

from labkit.swarm import SwarmPlan
from labkit.swarm.client import Client, Clock, describe_end, kind_of
from labkit.swarm.marker import find
from labkit.swarm.script import Template
from labkit.swarm.tally import Tally

OK, PRIVATE, PING = Close(1000, ""), Close(4001, "bye"), Close(1011, "keepalive ping timeout")


@pytest.mark.parametrize(
    ("received", "sent", "received_first", "told"),
    [
        (PRIVATE, PRIVATE, True, (4001, "server")),
        (PRIVATE, None, None, (4001, "server")),
        (OK, OK, False, (1000, "swarm")),
        (None, OK, None, (1006, "swarm")),
        (None, PING, None, (1011, "swarm")),
        (None, None, None, (1006, "nobody")),
    ],
    ids=["server", "server, unanswered", "swarm", "swarm, unanswered", "no pong", "lost"],
)
def test_the_end_of_a_connection_has_a_code_and_a_cause(received, sent, received_first, told):
    assert describe_end(ConnectionClosedError(received, sent, received_first)) == told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no handshake within 10 s"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection reset"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (ssl.SSLError(1, "certificate verify failed"), "TLS: "),
        (
            InvalidMessage("did not receive a valid HTTP response"),
            "no WebSocket handshake (did not receive a valid HTTP response)",
        ),
    ],
)
def test_a_failed_connection_has_a_kind(error, words):
    assert kind_of(error).startswith(words)


class UnreadConnection:
    """Stands for a connection whose server does not read for 50 ms: the first send waits so long."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.enough = asyncio.Event()

    async def send(self, text: str) -> None:
        self.texts.append(text)
        if len(self.texts) == 1:
            await asyncio.sleep(0.05)
        if len(self.texts) == 4:
            self.enough.set()
            await asyncio.Event().wait()


def test_a_message_that_waited_for_the_one_before_is_as_old_as_its_due_time():
    """Otherwise a server could hide its delay by not reading (the "coordinated omission" of load tools)."""

    async def stamps_us() -> list[int]:
        plan = SwarmPlan("ws://127.0.0.1/ws", clients=1, rate_hz=100)
        tally, clock = Tally(1, "3fa92c", "echo", 1.0), Clock()
        client = Client(1, plan, ("127.0.0.1", 80), Template(), tally, clock)
        connection = UnreadConnection()
        client._connection = connection
        start_us = clock.now_us()
        sending = asyncio.create_task(client.send(start_us, 0.0))
        await asyncio.wait_for(connection.enough.wait(), 10)
        sending.cancel()
        return [find(b"3fa92c", text.encode())[0].sent_us - start_us for text in connection.texts]

    assert (asyncio.run(stamps_us()))[1:] == [10_000, 20_000, 30_000]
