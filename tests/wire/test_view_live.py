"""The live view's kernel side: what it tells a page, and what it does when a page asks."""

from __future__ import annotations

import threading

import pytest

from labkit import connect, serve
from labkit.wire.live import FAULTS, ROWS_PER_MESSAGE, Live

TIMEOUT_S = 10


@pytest.fixture
def wire():
    with serve("echo") as lab:
        yield lab.wire


class Page:
    """Stands for a page: keeps what it is told, and lays the rows out as live.js does."""

    def __init__(self, view: Live) -> None:
        self.view = view
        self.told = []
        self.heads = []
        self.rows = []
        self._news = threading.Condition()
        self._talk = None
        view.send = self._hear

    def _hear(self, message):
        with self._news:
            self.told.append(message)
            if message["kind"] == "head":
                self.heads.append(message)
            if message["kind"] == "rows":
                if message["talk"] != self._talk:
                    self.rows = []
                self._talk = message["talk"]
                del self.rows[message["count"] :]
                for place, row in message["rows"]:
                    self.rows[place : place + 1] = [row]
            self._news.notify_all()

    def ask(self, ask, **more):
        """Ask on a thread of its own, as JupyterLab's comm messages come."""
        asking = threading.Thread(target=self.view._on_message, args=(None, {"ask": ask, **more}, []))
        asking.start()
        asking.join(TIMEOUT_S)

    def wait_for(self, look):
        with self._news:
            assert self._news.wait_for(look, TIMEOUT_S), self.told[-3:]


@pytest.fixture
def page(wire):
    page = Page(wire.live())
    page.ask("everything")
    yield page
    page.view.close()


def test_frames_come_while_they_flow(wire, page):
    page.wait_for(lambda: page.heads and page.heads[-1]["talks"] == [])
    ws = connect(wire)
    ws.send("hello")
    ws.receive()
    page.wait_for(lambda: [row["label"] for row in page.rows] == ["HTTP", "HTTP", "text", "text"])
    ws.close(4000, "lunch")
    page.wait_for(lambda: "lunch" in str(page.heads[-1]["verdict"]))
    page.wait_for(lambda: [row["kind"] for row in page.rows].count("ending") == 2)


def test_a_ping_row_is_told_again_when_its_pong_has_come(wire, page, script):
    told = script().server(9, b"a").talk()
    answered = script().server(9, b"a").client(10, b"a").talk()
    with page.view._lock:
        for talk in (told, answered):
            page.view._tell_rows(7, talk.timeline().story.rows)
    ping = next(row for row in page.rows if row["label"] == "ping")
    assert ping["notes"] == ()
    assert [row["label"] for row in page.rows][-2:] == ["ping", "pong"]


def test_a_click_on_a_frame_gets_its_bits(wire, page):
    ws = connect(wire)
    ws.send("Hello")
    page.wait_for(lambda: any(row["number"] == 1 for row in page.rows))
    page.ask("bits", talk=1, frame=1)
    page.wait_for(lambda: page.told[-1]["kind"] == "bits")
    bits = page.told[-1]["bits"]
    assert bits["payload"] == "'Hello'"
    assert "".join(step[3] for step in bits["mask"]) == "Hello"
    assert [sum(len(part) for _, part in word) for word in bits["words"]] == [32, 32, 24]


@pytest.mark.parametrize("name", FAULTS)
def test_a_button_is_a_fault_on_the_wire_until_all_is_well_again(wire, page, name):
    ws = connect(wire)
    page.ask("fault", name=name, talk=None)
    page.wait_for(lambda: name == "cut" or page.heads[-1]["faults"] != [])
    if name == "cut":
        page.wait_for(lambda: "your 1006; a fault cut the connection" in str(page.heads[-1]["verdict"]))
        assert ws.wait_closed(timeout_s=TIMEOUT_S).code == 1006
    page.ask("mend")
    page.wait_for(lambda: page.heads[-1]["faults"] == [])
    assert wire.faults == []
    assert (ws.closed is None) == (name != "cut")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"ask": "bits", "talk": 1, "frame": 99}, "no conversation 1"),
        ({"ask": "fault", "name": "earthquake"}, "earthquake"),
        ({"ask": "make coffee"}, "make coffee"),
        ({"ask": "bits", "talk": "x'; drop", "frame": None}, "no conversation"),
        ("no dictionary", "None"),
    ],
)
def test_a_message_that_makes_no_sense_is_answered_with_the_reason(page, said, answer):
    page.view._on_message(None, said, [])
    page.wait_for(lambda: page.told[-1]["kind"] == "problem" and answer in page.told[-1]["text"])


def test_another_connection_is_shown_on_request(wire, page):
    one, two = connect(wire), connect(wire)
    one.send("one")
    two.send("two")
    page.wait_for(lambda: any(row["detail"] == "'two'" for row in page.rows))
    page.ask("watch", talk=1)
    page.wait_for(lambda: any(row["detail"] == "'one'" for row in page.rows))
    assert page.heads[-1]["watched"] == 1
    page.ask("watch", talk=None)
    page.wait_for(lambda: any(row["detail"] == "'two'" for row in page.rows))


def test_when_the_server_stops_the_page_is_told_and_the_thread_ends():
    with serve("echo") as lab:
        page = Page(lab.wire.live())
        page.ask("everything")
        ws = connect(lab.wire)
        page.wait_for(lambda: page.heads and page.heads[-1]["watched"] == 1)
    assert ws.wait_closed().code == 1012
    page.wait_for(lambda: page.heads[-1]["running"] is False)
    page.wait_for(lambda: [row["label"] for row in page.rows].count("close") == 2)
    page.view._thread.join(TIMEOUT_S)
    assert not page.view._thread.is_alive()


def test_a_long_conversation_is_told_in_pieces(page, script):
    long = script()
    for _ in range(2500):
        long.client(1, b"x")
    with page.view._lock:
        page.view._tell_rows(7, long.talk().timeline(frames=(1, 2500)).story.rows)  # folded
        folded = len(page.rows)
        from labkit.wire.story import tell

        page.view._tell_rows(8, tell(long.talk()).rows)
    assert folded < 60
    assert len(page.rows) == 2502
    assert max(len(each["rows"]) for each in page.told if each["kind"] == "rows") == ROWS_PER_MESSAGE


def test_without_a_page_no_thread_runs_and_the_picture_is_shown(wire):
    ws = connect(wire)
    ws.send("hello")
    wire.wait_for(lambda trace: trace[1].frames)
    view = wire.live()
    data, _ = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "data:image/svg+xml;base64," in data["text/html"]
    assert "text 'hello'" in data["text/plain"]
    assert view._thread is None


def test_once_the_wire_is_stopped_the_picture_takes_the_place_of_each_output(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    with serve("echo") as lab:
        page = Page(lab.wire.live())
        page.view._ipython_display_()
        page.view._ipython_display_()
        page.ask("everything")
        ws = connect(lab.wire)
        ws.send("hello")
        ws.receive()
        page.wait_for(lambda: len(page.rows) >= 4)
    page.view._thread.join(TIMEOUT_S)
    first, second, *later = shown
    assert "application/vnd.jupyter.widget-view+json" in first[0]
    ids = [first[1]["display_id"], second[1]["display_id"]]
    assert len(set(ids)) == 2
    assert [(options["display_id"], options["update"]) for _, options in later] == [(id, True) for id in ids]
    assert all("widget" not in str(data.keys()) and "text 'hello'" in data["text/plain"] for data, _ in later)
