"""What is drawn outlives the server's process, however that ends; and a disk that takes nothing is no disaster."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from labkit import connect, serve
from labkit.apps import boards, drawing
from labkit.apps.messages.drawing import DRAW_PROTOCOL
from labkit.board.board_file import BoardFile
from labkit.board.replica import Replica
from labkit.errors import ConnectionClosed


def server(folder: Path):
    return serve(drawing.create_app(data_dir=folder))


def test_a_board_is_there_after_a_restart_and_pages_resume(tmp_path, artist, agree):
    with server(tmp_path) as lab:
        ada, ben = artist(lab, "ada", v2=True), artist(lab, "ben", board="red")
        ada.draw("a1")
        ada.draw("a2")
        ben.draw("b1")
        ada.until(lambda board: len(board.items) == 2)
        ben.until(lambda board: board.items)
    with server(tmp_path) as lab:
        again = artist(lab, "ada", v2=True, back=ada.board)
        assert again.got[0]["recovered"] is True
        assert again.got[0]["epoch"] != ada.got[0]["epoch"]
        assert again.got[0]["artist_id"] == ada.got[0]["artist_id"]
        again.send({"type": "undo"})
        again.until(lambda board: board.ids == ["a1"])
        assert agree(lab, again) == ["a1"]
        assert artist(lab, board="red").board.ids == ["b1"]
    with server(tmp_path) as lab:
        assert artist(lab).board.ids == ["a1"]
        assert lab.logs.errors == []


@pytest.mark.parametrize("name", ["x", "../x", "con", "ä" * 100])
def test_a_saved_drawing_is_there_after_a_restart_and_in_no_other_folder(tmp_path, artist, agree, name):
    folder = tmp_path / "data"
    with server(folder) as lab:
        ada = artist(lab)
        ada.draw("a1", tool="rect")
        ada.send({"type": "save", "name": name})
        assert ada.await_type("saved")["lasting"] is True
        ada.send({"type": "clear"})
        ada.draw("a2")
        ada.until(lambda board: board.ids == ["a2"])
    with server(folder) as lab:
        ben = artist(lab)
        assert ben.board.ids == ["a2"]
        ben.send({"type": "load", "name": name})
        ben.await_type("history")
        assert [item["tool"] for item in ben.board.items.values()] == ["rect"]
        agree(lab, ben)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"items":[{}]}', '{"items":[{"color":"red\\"","tool":"pen","width":1,"points":[[1,1]]}]}'],
)
def test_a_saved_file_that_somebody_has_spoiled_is_refused(tmp_path, artist, agree, text):
    with server(tmp_path) as lab:
        ada = artist(lab)
        ada.draw("a1")
        ada.send({"type": "save", "name": "x"})
        ada.await_type("saved")
        next((tmp_path / "drawings").iterdir()).write_text(text)
        ada.send({"type": "load", "name": "x"})
        assert ada.await_type("error")["code"] == "no_drawing"
        assert agree(lab, ada) == ["a1"]


def test_a_full_disk_is_told_to_everybody_and_the_board_goes_on_in_memory(
    tmp_path, artist, agree, monkeypatch
):
    monkeypatch.setattr(boards, "WRITE_EVERY_S", 0.02)
    monkeypatch.setattr(boards, "RETRY_EVERY_S", 0.02)
    full = threading.Event()
    full.set()
    real = {name: getattr(BoardFile, name) for name in ("append", "replace")}

    def spoil(name):
        def method(self, lines):
            if full.is_set():
                raise OSError(errno.ENOSPC, "No space left on device")
            real[name](self, lines)

        monkeypatch.setattr(BoardFile, name, method)

    with server(tmp_path) as lab:
        ada, ben = artist(lab), artist(lab, v2=True)
        for name in real:
            spoil(name)
        ada.draw("a1")
        for each in (ada, ben):
            notice = each.await_type("notice")
            assert notice["code"] == "not_saved"
            assert "the disk is full. The board goes on in memory." in notice["detail"]
        cy = artist(lab)
        assert cy.await_type("notice")["code"] == "not_saved"
        ben.draw("b1")
        assert agree(lab, ada, ben, cy) == ["a1", "b1"]
        full.clear()
        for each in (ada, ben, cy):
            assert each.await_type("notice")["code"] == "saved_again"
        ada.draw("a2")
        assert agree(lab, ada, ben) == ["a1", "b1", "a2"]
        assert len([m for m in ada.got if m["type"] == "notice"]) == 2
    monkeypatch.undo()
    with server(tmp_path) as lab:
        assert artist(lab).board.ids == ["a1", "b1", "a2"]


def test_a_folder_that_another_server_has_is_left_alone(tmp_path, artist):
    with server(tmp_path) as lab, server(tmp_path) as other:
        ada, ben = artist(lab), artist(other)
        assert ben.await_type("notice")["code"] == "not_saved"
        ada.draw("a1")
        ben.draw("b1")
        for each in (ada, ben):
            each.until(lambda board: board.items)
        assert "is in use by another server" in "\n".join(map(str, other.logs))
    with server(tmp_path) as lab:
        assert artist(lab).board.ids == ["a1"]


def test_a_folder_that_cannot_be_is_told(tmp_path, artist):
    (tmp_path / "file").write_text("in the way")
    with server(tmp_path / "file" / "data") as lab:
        assert artist(lab).await_type("notice")["code"] == "not_saved"


def test_a_board_that_nobody_uses_leaves_memory_and_comes_back(tmp_path, artist, monkeypatch):
    monkeypatch.setattr(boards, "BOARDS_MAX", 2)
    with server(tmp_path) as lab:
        ada = artist(lab, board="one")
        ada.draw("a1")
        ada.until(lambda board: board.items)
        ben = artist(lab, board="two")
        assert connect(lab, "/ws/draw/three").wait_closed().code == 1013
        ada.ws.close()
        assert httpx.get(f"{lab.url}/boards/one.json", trust_env=False, timeout=10).status_code == 200
        cy = None
        while cy is None:  # until the server has seen that she left
            with suppress(ConnectionClosed):
                cy = artist(lab, board="three")
        asked = httpx.get(f"{lab.url}/boards/one.svg", trust_env=False, timeout=10)
        assert (asked.status_code, "There are 2 boards already" in asked.text) == (503, True)
        for each in (ben, cy):
            each.ws.close()
        back = None
        while back is None:
            with suppress(ConnectionClosed):
                back = artist(lab, board="one")
        assert back.board.ids == ["a1"]


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_large_journal_becomes_a_snapshot(tmp_path, artist, monkeypatch):
    monkeypatch.setattr(boards, "JOURNAL_MIN_BYTES", 1_000)
    monkeypatch.setattr(boards, "WRITE_EVERY_S", 0.02)
    with server(tmp_path) as lab:
        ada = artist(lab)
        for number in range(40):
            ada.draw(str(number))
            ada.until(lambda board, n=number: str(n) in board.items)
            if number == 20:  # enough for a snapshot, which the next writing makes
                until(lambda: list(tmp_path.glob("boards/*/board.jsonl")))
    (folder,) = (tmp_path / "boards").iterdir()
    assert sum(1 for _ in folder.glob("journal-*")) == 1
    assert (folder / "board.jsonl").stat().st_size > 1_000
    with server(tmp_path) as lab:
        assert artist(lab).board.ids == [str(number) for number in range(40)]


@pytest.mark.parametrize("journal_bytes", [1, boards.JOURNAL_MIN_BYTES], ids=["replace", "append"])
def test_a_stop_while_something_is_to_be_written_loses_nothing(tmp_path, artist, monkeypatch, journal_bytes):
    """A thread that is about to write must get to it: what it is to write is nowhere else by then."""
    to_thread = asyncio.to_thread
    about_to_write = threading.Event()

    async def to_thread_later(function, *args):
        if function.__name__ in ("append", "replace") and "late" in "".join(args[0]):
            about_to_write.set()
            await asyncio.sleep(0.3)
        return await to_thread(function, *args)

    monkeypatch.setattr(boards, "JOURNAL_MIN_BYTES", journal_bytes)
    monkeypatch.setattr(asyncio, "to_thread", to_thread_later)
    with server(tmp_path) as lab:
        ada = artist(lab)
        ada.draw("late")
        assert about_to_write.wait(10)
        lab.stop()
    with server(tmp_path) as lab:
        assert artist(lab).board.ids == ["late"]


def test_an_app_that_is_served_a_second_time_writes_as_before(tmp_path, artist):
    app = drawing.create_app(data_dir=tmp_path)
    for item_id in ("first life", "second life"):
        with serve(app) as lab:
            ada, *_ = [artist(lab) for _ in range(3)]
            ada.draw(item_id)
            ada.until(lambda board, item_id=item_id: item_id in board.items)
            (journal,) = tmp_path.glob("boards/*/journal-*")
            until(lambda item_id=item_id, journal=journal: item_id in journal.read_text())


def test_a_board_that_is_in_memory_alone_is_not_let_go(tmp_path, artist, monkeypatch):
    def full(self, records):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(boards, "BOARDS_MAX", 1)
    monkeypatch.setattr(BoardFile, "append", full)
    monkeypatch.setattr(BoardFile, "replace", full)
    with server(tmp_path) as lab:
        ada = artist(lab, board="one")
        ada.draw("a1")
        while ada.await_type("notice")["code"] != "not_saved":
            pass
        ada.ws.close()
        until(lambda: lab.running_handlers == 0)
        assert connect(lab, "/ws/draw/two").wait_closed().code == 1013
        assert artist(lab, board="one").board.ids == ["a1"]


def test_a_board_is_given_as_svg_and_json_and_asking_makes_none(tmp_path, artist):
    with server(tmp_path) as lab:
        ada = artist(lab, board="a&b")
        ada.draw('"><script>', tool="rect")
        ada.until(lambda board: board.items)
        svg, exported, missing, odd = (
            httpx.get(f"{lab.url}/boards/{name}", trust_env=False, timeout=10)
            for name in ("a&b.svg", "a&b.json", "none.svg", "a&b.exe")
        )
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in svg.headers["content-security-policy"]
    assert "<title>a&amp;b</title>" in svg.text
    assert "<script" not in svg.text
    assert [item["id"] for item in exported.json()["items"]] == ['"><script>']
    assert (missing.status_code, odd.status_code) == (404, 404)
    assert len(list((tmp_path / "boards").iterdir())) == 1


SERVER = """
import sys, uvicorn
from labkit.apps.drawing import create_app
from labkit.host.protocol import protocol_options
uvicorn.run(create_app(), port=int(sys.argv[1]), log_level="warning", **protocol_options())
"""
ARTISTS = 20
DRAWING_S = 2.0


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


class Killable:
    """The drawing app in a process of its own, on a port that stays the same."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.port)],
            env=os.environ | {"DATA_DIR": str(self._folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.process.stderr.read()
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/boards/x.json", trust_env=False, timeout=5)
        except httpx.TransportError:
            return False
        return True

    def kill(self) -> str:
        self.process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        return self.process.communicate(timeout=20)[1]


@pytest.mark.slow
def test_a_server_killed_while_twenty_draw_loses_at_most_the_last_second(tmp_path, lasting_port):
    served = Killable(tmp_path, lasting_port)
    url = f"ws://127.0.0.1:{served.port}/ws/draw"
    boards_seen = [Replica() for _ in range(ARTISTS)]
    confirmed: list[dict[str, float]] = [{} for _ in range(ARTISTS)]
    begun = threading.Barrier(ARTISTS + 1)

    def draw(index: int) -> None:
        replica, seen = boards_seen[index], confirmed[index]
        ws = connect(url, subprotocols=[DRAW_PROTOCOL])
        ws.send_json({"type": "hello", "name": f"artist {index}"})
        while not (replica.artist_id and not replica.parts):
            replica.take(ws.receive_json(timeout_s=10))
        begun.wait(20)
        with suppress(ConnectionClosed):
            for number in range(100_000):
                item_id = f"{index}-{number}"
                stroke = {
                    "type": "begin",
                    "id": item_id,
                    "tool": "pen",
                    "width": 1,
                    "points": [[number, index]],
                }
                ws.send_json(stroke | {"done": True})
                while item_id not in replica.items:
                    replica.take(ws.receive_json(timeout_s=10))
                seen[item_id] = time.monotonic()

    threads = [threading.Thread(target=draw, args=(index,)) for index in range(ARTISTS)]
    for thread in threads:
        thread.start()
    begun.wait(20)
    started_at = time.monotonic()

    def drawn_for_long_enough() -> bool:
        assert all(thread.is_alive() for thread in threads)
        return time.monotonic() - started_at > DRAWING_S and min(map(len, confirmed)) >= 3

    wait_until(drawn_for_long_enough)
    killed_at = time.monotonic()
    served.kill()
    for thread in threads:
        thread.join(20)
    served.start()
    try:
        known = {
            item["id"]
            for item in httpx.get(
                f"http://127.0.0.1:{served.port}/boards/main.json", trust_env=False, timeout=20
            ).json()["items"]
        }
        for seen in confirmed:
            lost = [killed_at - at for item_id, at in seen.items() if item_id not in known]
            assert all(ago_s <= 1.0 for ago_s in lost), max(lost)
        assert len(known) > 0
        for replica in boards_seen[::4]:
            back = connect(url, subprotocols=[DRAW_PROTOCOL])
            back.send_json(replica.hello)
            welcome = back.receive_json(timeout_s=10)
            assert welcome["artist_id"] == replica.artist_id
            replica.take(welcome)
            while replica.parts or replica.seq < welcome["seq"]:
                replica.take(back.receive_json(timeout_s=10))
            assert set(replica.items) == known
            back.close()
    finally:
        served.kill()
