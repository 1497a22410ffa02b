"""The dashboard over real sockets: one producer, the same figures for all, and nothing for nobody."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

import httpx
import jsonschema
import pytest
from websockets.asyncio.client import connect as connect_async

from labkit import connect, serve
from labkit.apps import dashboard, metrics
from labkit.apps.messages.dashboard import Metrics, mood
from labkit.errors import ConnectionClosed, HandshakeRefused, LabError, ReceiveTimeout, UnknownName
from labkit.host import Connection, Lab
from labkit.hub import Hub

FAST_S = 0.02
SLOW_S = 600.0  # no tick in the time of a test
PATIENCE_S = 30.0  # for what comes about in the end, however busy the machine is
FIELDS = {"timestamp", "cpu", "memory", "requests_per_second", "active_users", "emoji_mood"}


def app_with_a_window(**options):
    """Return a dashboard that also tells, at /producers, how many producers its loop runs."""
    app = dashboard.create_app(**options)

    @app.get("/producers")
    async def count_producers() -> int:
        return sum(task.get_name() == "dashboard producer" for task in asyncio.all_tasks())

    return app


@pytest.fixture
def lab():
    with serve(app_with_a_window(interval_s=FAST_S)) as lab:
        yield lab


@pytest.fixture
def idle():
    """A dashboard whose first tick never comes."""
    with serve(app_with_a_window(interval_s=SLOW_S)) as lab:
        yield lab


def view(lab: Lab) -> Connection:
    return connect(lab, "/ws/dashboard")


def get(lab: Lab, path: str):
    return httpx.get(lab.url + path, trust_env=False, timeout=PATIENCE_S).json()


def stats(lab: Lab) -> dict[str, int]:
    return get(lab, "/stats")


def wait_for(lab: Lab, path: str, like) -> None:
    """Ask until the answer is as it should be; each answer gives the server a turn."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := get(lab, path)) != like:
        assert time.monotonic() < deadline, f"{path} is still {answer!r}, not {like!r}"


def moments(messages: list[dict]) -> list[float]:
    return [datetime.fromisoformat(message["timestamp"]).timestamp() for message in messages]


# ---- the contract -----------------------------------------------------------------------------------


def test_each_tick_pushes_the_six_figures_within_their_bounds(lab):
    ws = view(lab)
    for _ in range(20):
        message = ws.receive_json()
        assert set(message) == FIELDS
        assert datetime.fromisoformat(message["timestamp"]).utcoffset() is not None
        assert 0 <= message["cpu"] <= 100
        assert 0 <= message["memory"] <= 100
        for name in ("requests_per_second", "active_users"):
            assert type(message[name]) is int
            assert message[name] >= 0
        assert message["emoji_mood"] in {"😊", "🚀", "💪", "🎯"}


def test_every_viewer_connected_at_a_tick_gets_the_identical_message(lab):
    everyone = [view(lab) for _ in range(5)]
    shared = [everyone[-1].receive() for _ in range(10)]  # all five are there from its first tick on
    for ws in everyone[:-1]:
        texts = [ws.receive()]
        while texts[-1] != shared[-1]:
            texts.append(ws.receive())
        assert texts[-10:] == shared


class Asyncio:
    """asyncio, for the producer to live by: with another `sleep`, and a loop that says another time."""

    def __getattr__(self, name: str):
        return getattr(asyncio, name)


class VirtualTime(Asyncio):
    """Time that passes while the producer sleeps, and when a test says so: at no other moment, on any machine."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def get_running_loop(self) -> VirtualTime:
        return self

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)
        await asyncio.sleep(0.001)


def test_ticks_come_at_the_interval_whatever_a_tick_takes(monkeypatch):
    interval_s = 0.1
    clock = VirtualTime()

    def slow_source() -> Metrics:
        clock.now += 0.6 * interval_s  # what making the figures takes: it holds the loop up
        stamp = datetime.fromtimestamp(clock.now, UTC).isoformat()
        return metrics.Simulation(1)().model_copy(update={"timestamp": stamp})

    monkeypatch.setattr(dashboard, "asyncio", clock)
    monkeypatch.setattr(dashboard, "source_of", lambda *_args, **_options: slow_source)
    with serve(dashboard.create_app(interval_s=interval_s)) as lab:
        ws = view(lab)
        at = moments([ws.receive_json() for _ in range(8)])
    # Sleeping for the interval after each tick would make the gaps 1.6 times as long.
    assert median(later - earlier for earlier, later in pairwise(at)) == pytest.approx(interval_s, rel=0.3)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (10.0, 11.0),  # at the tick itself
        (10.9, 11.0),  # the tick took long
        (11.0, 11.0),
        (11.9, 11.0),  # late: at once, and after that on the grid
        (12.0, 12.0),  # one was missed and is not made up for
        (15.7, 15.0),  # four were missed
    ],
)
def test_the_schedule_is_a_grid_and_missed_ticks_are_not_made_up_for(now, due):
    assert dashboard.next_due(10.0, now, 1.0) == due


class InStep(Asyncio):
    """Lets a tick come when the viewer that it follows has the one before: one at most is under way, none replaced."""

    def __init__(self, monkeypatch) -> None:
        self.made, self.made_before, self.viewer = 0, 0, None
        simulation = metrics.Simulation(1)

        def source() -> Metrics:
            self.made += 1
            return simulation()

        monkeypatch.setattr(dashboard, "asyncio", self)
        monkeypatch.setattr(dashboard, "source_of", lambda *_args, **_options: source)

    def follow(self, viewer: Connection | None) -> None:
        self.made_before, self.viewer = self.made, viewer

    def seen(self) -> int:
        return sum(entry.direction == "received" for entry in list(self.viewer.transcript))

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0.001)
        while not self._is_in_step():
            await asyncio.sleep(0.001)

    def _is_in_step(self) -> bool:
        viewer = self.viewer
        if viewer is None:
            return False
        return viewer.closed is not None or self.made - self.made_before == self.seen()


@pytest.fixture
def in_step(monkeypatch):
    return InStep(monkeypatch)


@pytest.fixture
def stepping(in_step):
    with serve(app_with_a_window(interval_s=FAST_S)) as lab:
        yield lab


def test_nothing_is_produced_while_nobody_watches(in_step, stepping):
    lab = stepping
    assert stats(lab) == {"viewers": 0, "ticks": 0}
    ws = view(lab)
    in_step.follow(ws)
    ws.receive()
    ws.close()
    wait_for(lab, "/producers", 0)
    ticks = stats(lab)["ticks"]
    assert ticks >= 1
    # A second viewer's ticks go on from there, so none was made in between.
    in_step.follow(None)
    again = view(lab)
    in_step.follow(again)
    again.receive()
    again.close()
    wait_for(lab, "/producers", 0)
    assert ticks + in_step.seen() <= stats(lab)["ticks"] <= ticks + in_step.seen() + 1


def wait_for_viewers(lab: Lab, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (now := stats(lab)["viewers"]) != count:
        assert time.monotonic() < deadline, f"{now} viewers, not {count}"


def test_stats_count_the_viewers_and_the_messages_produced(in_step, stepping):
    lab = stepping
    stays, closes, aborts = (view(lab) for _ in range(3))
    assert stats(lab)["viewers"] == 3
    assert get(lab, "/producers") == 1
    closes.close()
    aborts.abort()
    wait_for_viewers(lab, 1)
    in_step.follow(stays)
    for _ in range(5):
        stays.receive()
    stays.close()
    wait_for(lab, "/producers", 0)
    # Who was there all the time has seen them all, but for one that may have been made while the close was
    # on its way.
    assert in_step.seen() <= stats(lab)["ticks"] <= in_step.seen() + 1
    assert stats(lab)["viewers"] == 0


def test_a_hundred_viewers_coming_and_going_quickly_leave_one_producer(lab):
    async def come_and_go(number: int) -> None:
        viewer = await connect_async(f"{lab.ws_url}/ws/dashboard", proxy=None)
        if number % 2:
            viewer.transport.abort()
        await viewer.close()

    async def hundred() -> None:
        async with asyncio.timeout(30):
            for first in range(0, 100, 10):
                await asyncio.gather(*(come_and_go(first + number) for number in range(10)))

    started = time.monotonic()
    asyncio.run(hundred())
    assert get(lab, "/producers") <= 1
    assert stats(lab)["ticks"] <= (time.monotonic() - started) / FAST_S + 2
    stayed = view(lab)
    stayed.receive()
    assert get(lab, "/producers") == 1
    at = time.monotonic()
    before = stats(lab)["ticks"]
    for _ in range(25):
        stayed.receive()
    assert stats(lab)["ticks"] - before <= (time.monotonic() - at) / FAST_S + 2
    stayed.close()
    wait_for(lab, "/producers", 0)
    assert stats(lab)["viewers"] == 0
    assert lab.logs.errors == []


def test_one_who_leaves_and_comes_back_before_the_next_tick_finds_the_same_producer(idle):
    for _ in range(6):
        view(idle).close()
    view(idle)
    assert get(idle, "/producers") == 1
    assert stats(idle) == {"viewers": 1, "ticks": 0}


def test_whatever_a_viewer_sends_is_ignored(lab):
    ada, ben = view(lab), view(lab)
    for said in ("hello", "", "{", '{"type": "ping"}', "NaN", "[" * 60_000, b"\0\1\2", "x" * 60_000):
        ada.send(said)
        ada.ping()  # it has been read
        for ws in (ada, ben):
            ws.received()
            assert set(ws.receive_json()) == FIELDS
    assert stats(lab)["viewers"] == 2
    assert lab.logs.errors == []


def test_ten_thousand_messages_of_a_viewer_are_ignored_and_not_limited(lab):
    ada, ben = view(lab), view(lab)
    for number in range(10_000):
        ada.send(str(number))
    ada.ping(timeout_s=PATIENCE_S)  # all of it has been read
    ada.received(), ben.received()
    for ws in (ada, ben):
        assert set(ws.receive_json()) == FIELDS
    assert stats(lab)["viewers"] == 2


def test_a_viewer_that_talks_gets_no_ping_trouble():
    """A handler that never reads lets uvicorn pause, miss the pongs, and close a healthy client with 1011."""
    with serve(dashboard.create_app(interval_s=FAST_S), ping_interval_s=0.1, ping_timeout_s=1.5) as lab:
        ws = view(lab)
        started = time.monotonic()
        while time.monotonic() - started < 6:  # several times as long as interval and timeout together
            ws.send("I talk")
            ws.receive()
        ws.ping()
        assert ws.closed is None


def test_a_viewer_that_leaves_is_noticed_between_ticks(idle):
    stays, closes, aborts = view(idle), view(idle), view(idle)
    assert stats(idle)["viewers"] == 3
    closes.close()
    aborts.abort()
    wait_for_viewers(idle, 1)
    assert stays.closed is None


# ---- slow viewers, the end, and what goes wrong ------------------------------------------------------


def test_a_slow_viewer_gets_the_newest_and_not_a_backlog_and_delays_nobody(raw, monkeypatch):
    size = 128 * 1024
    both_watch, taken, made = threading.Event(), [], []

    class OneByOne(Asyncio):
        """Lets a tick come when the quick viewer has the one before, so that it alone is slow who is meant to be."""

        async def sleep(self, _seconds: float) -> None:
            await asyncio.sleep(0.001)
            while not both_watch.is_set() or taken[-1:] != made[-1:]:
                await asyncio.sleep(0.001)

    def heavy_source() -> dict[str, object]:
        made.append(len(made))
        return {"n": made[-1], "weight": "x" * size}

    monkeypatch.setattr(dashboard, "asyncio", OneByOne())
    monkeypatch.setattr(dashboard, "source_of", lambda *_args, **_options: heavy_source)
    monkeypatch.setattr(dashboard, "LIMITS", replace(dashboard.LIMITS, write_timeout_s=60))
    with serve(dashboard.create_app(interval_s=FAST_S)) as lab:
        slow = raw(lab, "/ws/dashboard", receive_buffer_bytes=4096)
        quick = view(lab)
        wait_for_viewers(lab, 2)
        both_watch.set()
        for _ in range(90):
            taken.append(quick.receive_json(timeout_s=PATIENCE_S)["n"])
        assert taken == list(range(taken[0], taken[0] + 90))
        seen = [_read_text(slow.sock)["n"]]
        while seen[-1] < made[-1] - 2:
            seen.append(_read_text(slow.sock)["n"])
        # What the kernel had taken already is old; after that comes the newest, and nothing in between.
        jump = max(later - earlier for earlier, later in pairwise(seen))
        assert jump > 20
        assert stats(lab)["viewers"] == 2


def _read_text(sock: socket.socket) -> dict:
    head = _read(sock, 2)
    length = head[1]
    if length == 126:
        (length,) = struct.unpack("!H", _read(sock, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", _read(sock, 8))
    return json.loads(_read(sock, length))


def _read(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        assert chunk, "cut in the middle of a message"
        data += chunk
    return data


def test_a_tick_that_fails_is_logged_and_the_next_ones_come(monkeypatch):
    calls = []

    def fails_once() -> Metrics:
        calls.append(None)
        if len(calls) == 1:
            raise OSError("the sensor is gone")
        return metrics.Simulation(1)()

    monkeypatch.setattr(dashboard, "source_of", lambda *_args, **_options: fails_once)
    with serve(dashboard.create_app(interval_s=FAST_S)) as lab:
        assert set(view(lab).receive_json()) == FIELDS
        assert [line.text.partition("\n")[0] for line in lab.logs.errors] == [
            "the figures of this tick are missing"
        ]
        assert "the sensor is gone" in lab.logs.errors[0].text


def test_when_the_server_stops_every_viewer_hears_why_and_nothing_is_left(lab):
    everyone = [view(lab) for _ in range(6)]
    everyone[0].receive()
    started = time.monotonic()
    lab.stop()
    assert time.monotonic() - started < 10
    for ws in everyone:
        close = ws.wait_closed()
        assert (close.code, close.reason) == (1012, "the server is restarting")
    assert lab.logs.errors == []


def test_a_message_over_the_limit_is_answered_with_1009(lab):
    ada, ben = view(lab), view(lab)
    with suppress(ConnectionClosed):
        ada.send("x" * (64 * 1024 + 1))
    assert ada.wait_closed().code == 1009
    ben.receive()
    assert lab.logs.errors == []


def masked(opcode: int, payload: bytes, *, claim: int | None = None) -> bytes:
    size = len(payload) if claim is None else claim
    return bytes([0x80 | opcode, 0x80 | size]) + b"\0\0\0\0" + payload


BROKEN = {
    "unmasked": (b"\x81\x02hi", 1002),
    "an opcode that does not exist": (masked(0x3, b"hi"), 1002),
    "no UTF-8": (masked(0x1, b"\xff\xfe"), 1007),
    "a lone surrogate": (masked(0x1, b"\xed\xa0\x80"), 1007),
}


def test_a_viewer_that_breaks_the_protocol_is_closed_and_the_others_go_on(idle, raw):
    ben = view(idle)
    for what, (data, code) in BROKEN.items():
        client = raw(idle, "/ws/dashboard")
        client.send(data)
        assert struct.pack("!H", code) in client.read_to_the_end(), what
    wait_for_viewers(idle, 1)
    ben.ping()


def test_a_handshake_without_a_key_is_refused(idle):
    with socket.create_connection(("127.0.0.1", idle.port), timeout=5) as sock:
        sock.sendall(
            f"GET /ws/dashboard HTTP/1.1\r\nHost: 127.0.0.1:{idle.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_a_page_of_another_site_is_refused(idle):
    with pytest.raises(HandshakeRefused) as caught:
        connect(idle, "/ws/dashboard", headers={"Origin": "https://evil.example"})
    assert caught.value.status == 403
    assert stats(idle)["viewers"] == 0


def test_half_a_frame_and_then_silence_is_found_by_the_servers_pings(raw):
    app = dashboard.create_app(interval_s=SLOW_S)
    with serve(app, ping_interval_s=2, ping_timeout_s=0.2) as lab:
        raw(lab, "/ws/dashboard").send(masked(0x1, b"ha", claim=20))
        assert stats(lab)["viewers"] == 1
        wait_for_viewers(lab, 0)


# ---- settings ---------------------------------------------------------------------------------------


def test_the_interval_is_a_setting_read_when_the_app_is_created(monkeypatch):
    monkeypatch.setenv("DASHBOARD_INTERVAL_S", "0.02")
    fast = dashboard.create_app()
    monkeypatch.setenv("DASHBOARD_INTERVAL_S", "600")
    slow = dashboard.create_app()
    with serve(fast) as fast_lab, serve(slow) as slow_lab:
        slow_ws = view(slow_lab)
        view(fast_lab).receive()
        with pytest.raises(ReceiveTimeout):
            slow_ws.receive(timeout_s=0)


def test_without_a_setting_the_interval_is_one_second(monkeypatch):
    monkeypatch.delenv("DASHBOARD_INTERVAL_S", raising=False)
    with serve("dashboard") as lab:
        started = time.monotonic()
        view(lab).receive(timeout_s=30)
        assert 0.95 <= time.monotonic() - started < 9


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_an_interval_that_cannot_be_is_a_clear_error(monkeypatch, text):
    monkeypatch.setenv("DASHBOARD_INTERVAL_S", text)
    with pytest.raises(LabError) as caught:
        dashboard.create_app()
    assert str(caught.value) == (
        f"DASHBOARD_INTERVAL_S is '{text}'.\n"
        "Expected: a number of seconds, 0.005 or more.\n"
        "Try: DASHBOARD_INTERVAL_S=1, or leave it out."
    )


def test_a_source_that_does_not_exist_is_answered_with_the_nearest(monkeypatch):
    monkeypatch.setenv("DASHBOARD_SOURCE", "sytem")
    with pytest.raises(
        UnknownName, match=r"There is no source of figures called 'sytem'(?s:.*)'system' - is"
    ):
        dashboard.create_app()


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_the_real_figures_are_those_of_this_machine_and_this_app(monkeypatch, by):
    monkeypatch.setattr(metrics.psutil, "cpu_percent", lambda: 37.26)
    monkeypatch.setattr(metrics.psutil, "virtual_memory", lambda: type("Memory", (), {"percent": 61.0}))
    if by == "environment":
        monkeypatch.setenv("DASHBOARD_SOURCE", "system")
    app = dashboard.create_app(interval_s=FAST_S, source="system" if by == "argument" else None)
    with serve(app) as lab:
        _ada, ben = view(lab), view(lab)
        last = [ben.receive_json() for _ in range(5)][-1]  # at each of his ticks both were there
    assert (last["cpu"], last["memory"], last["active_users"]) == (37.3, 61.0, 2)
    assert last["emoji_mood"] == "🎯"
    assert last["requests_per_second"] > 0


def test_the_real_rate_is_what_was_written_since_the_tick_before():
    times, written = iter([100.0, 102.0, 102.0]), iter([50, 80, 81])
    hub_stats = Hub().stats()
    source = metrics.System(
        lambda: replace(hub_stats, written=next(written), connections=7), clock=lambda: next(times)
    )
    first, at_once = source(), source()
    assert (first.requests_per_second, first.active_users) == (15, 7)
    assert at_once.requests_per_second == 1_000  # no time has passed, and it is no division by zero


# ---- the simulation, without a server ----------------------------------------------------------------


def figures(seed: int, count: int) -> list[Metrics]:
    source = metrics.Simulation(seed)
    return [source() for _ in range(count)]


def without_time(many: list[Metrics]) -> list[dict]:
    return [one.model_dump(exclude={"timestamp"}) for one in many]


def test_one_seed_tells_one_story_and_another_seed_another():
    assert without_time(figures(1, 200)) == without_time(figures(1, 200))
    assert without_time(figures(1, 200)) != without_time(figures(2, 200))


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_simulated_server_wanders_without_jumping_and_has_busy_and_quiet_times(seed):
    story = figures(seed, 2_000)  # each is checked by the model's own bounds when it is made
    cpu = [one.cpu for one in story]
    assert max(abs(later - earlier) for earlier, later in pairwise(cpu)) < 30
    assert max(cpu) - min(cpu) > 30
    assert len(set(cpu)) > 200
    assert {one.emoji_mood for one in story} >= {"😊", "🎯"}
    users = [one.active_users for one in story]
    busiest, quietest = (
        sorted(zip(users, story, strict=True), key=lambda pair: pair[0])[i][1] for i in (-1, 0)
    )
    assert busiest.requests_per_second > 2 * quietest.requests_per_second
    assert busiest.cpu > quietest.cpu


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [(0, "😊"), (34.9, "😊"), (35, "🎯"), (60, "🚀"), (79.9, "🚀"), (80, "💪"), (100, "💪")],
)
def test_the_mood_follows_the_processor(cpu, expected):
    assert mood(cpu) == expected


def test_what_is_pushed_is_what_the_document_of_the_app_says(lab):
    document = get(lab, "/asyncapi.json")
    schema = {
        **document["components"]["messages"]["server.metrics"]["payload"],
        "components": document["components"],
    }
    message = view(lab).receive_json()
    jsonschema.validate(message, schema)
    for wrong in ({"cpu": 101}, {"memory": -1}, {"active_users": 1.5}, {"emoji_mood": "🙂"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(message | wrong, schema)
