"""What a restart of the server is for its clients: a reason, a way back, and nothing lost within the history."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from labkit import connect as connect_now
from labkit import serve
from labkit.apps import chat, rooms
from labkit.host import Lab

DEADLINE_S = 60.0
CLIENTS = 200
ROOMS = 20


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def run(main: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(DEADLINE_S * 2):
            await main

    asyncio.run(within())


class Client:
    """A client that notes where it is, as the kit's pages do."""

    def __init__(self, lab: Lab, number: int) -> None:
        self.url = f"{lab.ws_url}/ws/rooms/r{number % ROOMS}?name=u{number}"
        self.position = "&resume=1"
        self.said: list[str] = []
        self.recovered: object = None
        self.socket: ClientConnection | None = None

    async def open(self, stack: AsyncExitStack) -> None:
        self.socket = await stack.enter_async_context(connect(self.url + self.position, compression=None))
        welcome = await self.receive()
        self.recovered = welcome.get("recovered")
        self.epoch = welcome["epoch"]
        if not self.recovered:
            self.position = f"&since={welcome['seq']}&epoch={self.epoch}"

    async def receive(self) -> dict[str, Any]:
        assert self.socket is not None
        async with asyncio.timeout(DEADLINE_S):
            message = json.loads(await self.socket.recv())
        if message.get("seq") and "epoch" not in message:
            self.position = f"&since={message['seq']}&epoch={self.epoch}"
            if message["type"] == "message":
                self.said.append(message["message"])
        return message

    async def say(self, text: str) -> None:
        assert self.socket is not None
        await self.socket.send(text)

    async def until(self, texts: list[str]) -> None:
        while self.said != texts:
            await self.receive()

    async def closed(self) -> tuple[int | None, str | None]:
        with suppress(ConnectionClosed):
            while True:
                await self.receive()
        assert self.socket is not None
        return self.socket.close_code, self.socket.close_reason


async def all_of(clients: list[Client], do: Callable[[Client], Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*map(do, clients))


@pytest.mark.slow
def test_two_hundred_clients_hear_why_come_back_and_miss_nothing(data_dir, lasting_port):
    async def main() -> None:
        with serve(rooms.create_app(), name="rooms", port=lasting_port) as lab:
            clients = [Client(lab, number) for number in range(CLIENTS)]
            one_a_room, their_neighbours = clients[:ROOMS], clients[ROOMS : 2 * ROOMS]
            async with AsyncExitStack() as stack:
                await all_of(clients, lambda client: client.open(stack))
                await all_of(one_a_room, lambda client: client.say("before"))
                await all_of(clients, lambda client: client.until(["before"]))
                # The last word is said at the very end: most have not read it when the server stops.
                await all_of(their_neighbours, lambda client: client.say("last"))
                await all_of(one_a_room, lambda client: client.until(["before", "last"]))
                started = time.monotonic()
                await asyncio.to_thread(lab.stop)
                assert time.monotonic() - started < 10
                goodbyes = await all_of(clients, Client.closed)
            assert set(goodbyes) == {(1012, "the server is restarting")}
        with serve(
            rooms.create_app(), name="rooms", port=lasting_port
        ) as lab:  # a new app, as in a new process
            async with AsyncExitStack() as stack:
                await all_of(clients, lambda client: client.open(stack))
                assert {client.recovered for client in clients} == {True}
                await all_of(one_a_room, lambda client: client.say("after"))
                await all_of(clients, lambda client: client.until(["before", "last", "after"]))
            assert lab.logs.errors == []

    run(main())


def test_who_comes_back_after_a_restart_was_never_away_and_who_does_not_has_left(data_dir, monkeypatch):
    limits = chat.Limits(restart_grace_s=3.0)
    with serve(chat.create_app(), name="chat") as lab:
        ada, ben = connect_now(lab, "/ws/ada?resume=1"), connect_now(lab, "/ws/ben?resume=1")
        epoch = ada.receive_json()["epoch"]
        while ada.receive_json().get("user") != "ben":
            pass
        ben.receive()
    with serve(chat.create_app(limits), name="chat") as lab:
        back = connect_now(lab, f"/ws/ada?since=2&epoch={epoch}")
        welcome = back.receive_json()
        assert (welcome["recovered"], welcome["users"]) == (True, ["ada", "ben"])
        assert back.receive_json(timeout_s=20)["message"] == "ben left the chat 👋"


def test_rooms_resume_over_a_restart_too(data_dir):
    with serve(rooms.create_app(), name="rooms") as lab:
        ada = connect_now(lab, "/ws/rooms/red?name=ada&resume=1")
        epoch = ada.receive_json()["epoch"]
        ada.send("said before")
        while ada.receive_json().get("message") != "said before":
            pass
    with serve(rooms.create_app(), name="rooms") as lab:
        back = connect_now(lab, f"/ws/rooms/red?name=ada&since=1&epoch={epoch}")
        assert back.receive_json()["recovered"] is True
        assert back.receive_json()["message"] == "said before"


def test_without_a_folder_a_new_server_tells_that_it_can_not_resume(monkeypatch):
    monkeypatch.delenv("DATA_DIR", raising=False)
    with serve(chat.create_app(), name="chat") as lab:
        epoch = connect_now(lab, "/ws/ada?resume=1").receive_json()["epoch"]
    with serve(chat.create_app(), name="chat") as lab:
        assert connect_now(lab, f"/ws/ada?since=1&epoch={epoch}").receive_json()["recovered"] is False


def test_a_file_is_used_once_so_numbers_never_mean_two_messages(data_dir):
    with serve(chat.create_app(), name="chat") as lab:
        ada = connect_now(lab, "/ws/ada?resume=1")
        epoch = ada.receive_json()["epoch"]
        ada.receive()
    assert (data_dir / "chat-history.json").is_file()
    with serve(chat.create_app(), name="chat"):
        assert not (data_dir / "chat-history.json").exists()
    assert (
        json.loads((data_dir / "chat-history.json").read_text())["histories"]["room:chat"]["epoch"] == epoch
    )


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", '{"saved_at": 1}', '{"saved_at": null, "present": {}, "histories": {}}',
     '{"saved_at": 9e9, "present": {}, "histories": {"room:chat": {"epoch": 1, "seq": 0, "messages": []}}}',
     '{"saved_at": 9e9, "present": {}, "histories": {"room:chat": {"epoch": "e", "seq": 0, "messages": [[0, "x"]]}}}'],
)  # fmt: skip
def test_a_damaged_file_is_told_and_the_server_starts_all_the_same(data_dir, damage):
    data_dir.mkdir()
    (data_dir / "chat-history.json").write_text(damage)
    with serve(chat.create_app(), name="chat") as lab:
        ada = connect_now(lab, "/ws/ada?since=1&epoch=e")
        assert ada.receive_json()["recovered"] is False
        assert "nobody can resume" in "\n".join(map(str, lab.logs))


def test_a_folder_that_can_not_be_written_is_told_when_the_server_stops(tmp_path, monkeypatch):
    (tmp_path / "data").write_text("a file where the folder should be")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    with serve(chat.create_app(), name="chat") as lab:
        connect_now(lab, "/ws/ada").receive()
    assert "could not be kept for the next start" in "\n".join(map(str, lab.logs))
