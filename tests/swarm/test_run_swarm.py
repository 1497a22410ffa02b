"""Real swarms against real servers."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import httpx
import psutil
import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_in_thread

from labkit import serve
from labkit.errors import ConnectError, LabError
from labkit.swarm import SwarmPlan, SwarmReport, run_swarm
from labkit.swarm.report import CloseCount
from labkit.swarm.run import Swarm

pytestmark = pytest.mark.slow

DEADLINE_S = 60.0
QUICK = {
    "clients": 5,
    "rate_hz": 10.0,
    "duration_s": 0.45,
    "warm_up_s": 0.0,
    "drain_s": 30.0,  # it ends as soon as all has come
    "ramp_up_per_s": 1000.0,
}


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    yield
    left = [child for child in psutil.Process().children() if "labkit.swarm" in " ".join(child.cmdline())]
    assert left == []


class Server:
    """An app whose `/ws/{user}` does with each text what a test wants, and counts them."""

    def __init__(self, answer) -> None:
        self.app = FastAPI()
        self.received: Counter[str] = Counter()
        self.peers: list[WebSocket] = []

        @self.app.websocket("/ws/{user}")
        async def endpoint(ws: WebSocket, user: str) -> None:
            await ws.accept()
            self.peers.append(ws)
            try:
                while True:
                    text = await ws.receive_text()
                    self.received[user] += 1
                    await answer(self, ws, user, text)
            except (WebSocketDisconnect, RuntimeError):  # RuntimeError: closed by the answer itself
                pass
            finally:
                self.peers.remove(ws)

    @property
    def total(self) -> int:
        return self.received.total()


async def echo(server: Server, ws: WebSocket, user: str, text: str) -> None:
    await ws.send_text(f"Echo: {text} 🔊")


async def fan_out(server: Server, ws: WebSocket, user: str, text: str) -> None:
    for peer in list(server.peers):
        await peer.send_json({"sender": user, "message": text, "emoji": "💬"})


def visit(server: Server, path: str = "/ws/user{n}", **changes) -> SwarmReport:
    with serve(server.app) as lab:
        return run_swarm(SwarmPlan(lab.ws_url + path, **{**QUICK, **changes}))


def all_left(clients: int) -> tuple[CloseCount, ...]:
    return (CloseCount(1000, "swarm", clients, early=False),)


def test_the_kits_echo_returns_every_message():
    with serve("echo") as lab:
        report = run_swarm(SwarmPlan(f"{lab.url}/ws", **QUICK))
    assert report.clean, str(report)
    assert report.mode == "echo"
    assert not report.mode_told
    assert 15 <= report.sent == report.delivered == report.expected == report.round_trip.count
    assert report.delivery.count == report.other_messages == 0
    assert report.closed == all_left(5)
    assert report.url == f"{lab.ws_url}/ws"


def test_a_fan_out_brings_every_message_to_everybody():
    server = Server(fan_out)
    report = visit(server)
    assert report.clean, str(report)
    assert report.mode == "everyone"
    assert report.sent == server.total >= 15
    assert report.delivered == report.expected == 5 * server.total
    assert report.round_trip.count == server.total
    assert report.delivery.count == 4 * server.total
    assert sorted(server.received) == [f"user{n}" for n in range(1, 6)]


def test_the_warm_up_is_not_counted():
    server = Server(echo)
    report = visit(server, warm_up_s=0.3)
    assert 0 < report.sent == report.delivered < server.total


def test_every_fifth_message_that_a_server_drops_is_missed():
    async def drop_every_fifth(server: Server, ws: WebSocket, user: str, text: str) -> None:
        if server.total % 5:
            await ws.send_text(text)

    server = Server(drop_every_fifth)
    report = visit(server, drain_s=2.5)
    assert report.sent == server.total
    assert report.lost == server.total // 5 > 0
    assert report.delivered == server.total - server.total // 5
    assert not report.clean


def test_a_message_that_comes_twice_is_not_counted_twice():
    async def stutter(server: Server, ws: WebSocket, user: str, text: str) -> None:
        await ws.send_text(text)
        await ws.send_text(text)

    server = Server(stutter)
    report = visit(server, duration_s=0.4)
    assert (report.delivered, report.lost) == (server.total, 0)
    # The copy of the very last message may come when the swarm has what it waited for.
    assert server.total - 5 <= report.repeated <= server.total
    assert not report.clean


def test_a_delay_of_the_server_shows_in_the_latency():
    async def dawdle(server: Server, ws: WebSocket, user: str, text: str) -> None:
        await asyncio.sleep(0.1)
        await ws.send_text(text)

    report = visit(Server(dawdle), clients=3, rate_hz=4)
    assert 100 <= report.round_trip.p50_ms < 5000
    assert report.clean


def test_a_server_that_cannot_keep_up_cannot_hide_it():
    """Ten messages a second to a server that does four: the queue grows, and so does the round trip."""

    async def dawdle(server: Server, ws: WebSocket, user: str, text: str) -> None:
        await asyncio.sleep(0.25)
        await ws.send_text(text)

    report = visit(Server(dawdle), clients=2)
    assert report.round_trip.max_ms > 600
    assert report.lost == 0


def test_closes_are_counted_by_code_and_by_who_closed():
    async def close_after_three(server: Server, ws: WebSocket, user: str, text: str) -> None:
        if server.received[user] == 3:
            await ws.close(4001, "enough")
        else:
            await ws.send_text(text)

    report = visit(Server(close_after_three), duration_s=60)
    assert report.ended == "nobody left"
    assert report.closed == (CloseCount(4001, "server", 5, early=True),)
    assert report.closed_early == 5
    assert report.measured_s < 50


def test_refused_handshakes_are_counted_by_status():
    app = FastAPI()

    @app.websocket("/ws/{number}")
    async def endpoint(ws: WebSocket, number: int) -> None:
        if number > 2:
            raise WebSocketException(1008)
        await ws.accept()
        async for text in ws.iter_text():
            await ws.send_text(text)

    with serve(app) as lab:
        report = run_swarm(SwarmPlan(f"{lab.ws_url}/ws/{{n}}", **QUICK))
    assert report.refused == {"403": 3}
    assert report.opened == 2
    assert report.closed == all_left(2)
    assert report.lost == 0
    assert not report.clean


def test_a_wrong_path_lets_nobody_in_and_ends_at_once():
    report = visit(Server(echo), path="/nowhere", duration_s=60)
    assert report.ended == "nobody connected"
    assert report.refused == {"403": 5}
    assert str(report).splitlines()[0] == "None of 5 clients was let in"


def test_a_port_where_nothing_listens_is_said_so():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and does not listen: the port is nobody else's meanwhile
        port = sock.getsockname()[1]
        with pytest.raises(ConnectError) as error:
            run_swarm(SwarmPlan(f"ws://127.0.0.1:{port}/ws"))
    assert str(error.value) == (
        f"Nothing answers at 127.0.0.1:{port} (127.0.0.1: Connection refused).\n"
        "Expected: a server that is running.\n"
        "Try: is its cell or its terminal still running, and is the port right?"
    )


@pytest.mark.parametrize(
    ("url", "own_server"),
    [("ws://8.8.8.8/ws", True), ("ws://192.168.1.20/ws", False)],
    ids=["public", "private"],
)
def test_other_machines_are_refused_before_anything_is_sent(url, own_server):
    with pytest.raises(LabError, match="Expected: a server "):
        run_swarm(SwarmPlan(url, own_server=own_server))


def test_a_server_that_dies_in_the_middle_is_reported():
    def cut_after_two(ws: ServerConnection) -> None:
        for _ in range(2):
            ws.send(ws.recv(timeout=DEADLINE_S))
        ws.socket.shutdown(socket.SHUT_RDWR)

    with serve_in_thread(cut_after_two, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        report = run_swarm(SwarmPlan(f"ws://127.0.0.1:{port}/", **{**QUICK, "duration_s": 10}))
        server.shutdown()
        thread.join(DEADLINE_S)
    assert report.ended == "nobody left"
    assert report.closed == (CloseCount(1006, "nobody", 5, early=True),)


def test_a_server_that_is_stopped_in_the_middle_is_reported():
    lab = serve(Server(echo).app)

    def stop_when_measuring(line: str) -> None:
        if "measuring" in line:
            lab.stop()

    report = run_swarm(
        SwarmPlan(f"{lab.ws_url}/ws/u{{n}}", **{**QUICK, "duration_s": 30}), on_progress=stop_when_measuring
    )
    assert report.ended == "nobody left"
    assert report.closed == (CloseCount(1012, "server", 5, early=True),)
    assert report.delivered > 0


def test_listeners_count_what_a_dashboard_pushes():
    app = FastAPI()

    @app.websocket("/ws/dashboard")
    async def endpoint(ws: WebSocket) -> None:
        await ws.accept()
        for tick in range(3):
            await ws.send_json({"tick": tick})
        async for _ in ws.iter_text():
            pass

    with serve(app) as lab:
        report = run_swarm(
            SwarmPlan(f"{lab.ws_url}/ws/dashboard", **{**QUICK, "rate_hz": 0, "duration_s": 1.5})
        )
    assert (report.sent, report.other_messages) == (0, 15)
    assert report.mode == "unknown"
    assert report.clean


def test_a_message_of_ones_own_may_be_json():
    async def relay(server: Server, ws: WebSocket, user: str, text: str) -> None:
        item = json.loads(text)
        for peer in list(server.peers):
            await peer.send_json({"type": "draw", "id": item["id"], "artist_id": user})

    message = '{"type": "draw", "id": "{marker}", "tool": "pen", "points": [[{n}, 1]], "width": 2}'
    report = visit(Server(relay), message=message, clients=3)
    assert (report.mode, report.lost) == ("everyone", 0)


def test_where_one_draws_the_swarm_draws():
    with serve("drawing") as lab:
        report = run_swarm(SwarmPlan(f"{lab.ws_url}/ws/draw", clients=3, rate_hz=5, duration_s=1, drain_s=30))
        items = httpx.get(f"{lab.url}/boards/main.json", trust_env=False, timeout=30).json()["items"]
    assert (report.mode, report.lost) == ("everyone", 0)
    assert len(items) >= 10
    assert all(len(item["points"]) > 20 for item in items)


def test_a_token_in_the_address_is_not_in_the_report():
    report = visit(Server(echo), path="/ws/{n}?token=s3cret", duration_s=0.1)
    assert report.opened == 5
    assert "s3cret" not in report.to_json()


def test_stopping_brings_what_there_is():
    stop = threading.Event()

    def stop_when_measuring(line: str) -> None:
        if "delivered" in line:
            stop.set()

    with serve(Server(echo).app) as lab:
        report = run_swarm(
            SwarmPlan(f"{lab.ws_url}/ws/u{{n}}", **{**QUICK, "duration_s": 60}),
            on_progress=stop_when_measuring,
            stop=stop,
        )
    assert report.ended == "stopped"
    assert 0 < report.delivered == report.sent
    assert report.measured_s < 30
    assert report.closed == all_left(5)


def test_stopping_while_clients_still_arrive_ends_at_once():
    stop = threading.Event()
    with serve(Server(echo).app) as lab:
        report = run_swarm(
            SwarmPlan(f"{lab.ws_url}/ws/u{{n}}", clients=2000, ramp_up_per_s=1),
            on_progress=lambda line: stop.set(),
            stop=stop,
        )
    assert report.ended == "stopped"
    assert report.sent == 0
    assert report.opened < 2000


SCRIPT = """
import sys
from labkit.swarm import SwarmPlan, run_swarm
report = run_swarm(SwarmPlan(sys.argv[1], clients=3, rate_hz=10, duration_s=60, warm_up_s=0),
                   on_progress=lambda line: print(line, file=sys.stderr, flush=True))
print(report.to_json())
"""


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    """A program with a swarm in it that is being measured, in a process group of its own, as in a terminal."""
    if sys.platform == "win32":
        pytest.skip("signals to a group are POSIX's")
    lab = serve(Server(echo).app)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, f"{lab.ws_url}/ws/u{{n}}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stderr])
    reader.start()
    while "delivered" not in lines.get(timeout=DEADLINE_S):
        pass
    yield process
    process.kill()
    process.wait(DEADLINE_S)
    reader.join(DEADLINE_S)
    process.stdout.close()
    process.stderr.close()


def test_ctrl_c_keeps_the_partial_report(program):
    os.killpg(program.pid, signal.SIGINT)
    report = SwarmReport.from_json(program.stdout.read())
    assert program.wait(DEADLINE_S) == 0
    assert report.ended == "stopped"
    assert report.delivered > 0
    assert report.closed == all_left(3)


def test_a_swarm_ends_with_whoever_started_it(program):
    (swarm,) = psutil.Process(program.pid).children()
    program.kill()
    assert psutil.wait_procs([swarm], timeout=DEADLINE_S)[1] == []


def test_the_end_of_its_stdin_ends_a_swarm_at_once():
    with serve(Server(echo).app) as lab:
        plan = SwarmPlan(f"{lab.ws_url}/ws/u{{n}}", **{**QUICK, "duration_s": 60})
        with subprocess.Popen(
            [sys.executable, "-I", "-m", "labkit.swarm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            process.stdin.write(plan.to_json().encode() + b"\n")
            process.stdin.flush()
            assert process.stderr.readline().startswith(b"5 clients to ")
            process.stdin.close()
            assert process.wait(DEADLINE_S) == 130
            assert process.stdout.read() == b""


def test_a_swarm_that_is_killed_is_told_with_its_last_words():
    def kill_it(line: str) -> None:
        for child in psutil.Process().children():
            if "labkit.swarm" in " ".join(child.cmdline()):
                child.kill()

    with serve(Server(echo).app) as lab, pytest.raises(LabError) as error:
        run_swarm(SwarmPlan(f"{lab.ws_url}/ws/u{{n}}", **{**QUICK, "duration_s": 60}), on_progress=kill_it)
    assert str(error.value) == (
        "The swarm's process ended without a report. It said last:\n"
        f"5 clients to {lab.ws_url}/ws/u{{n}}, 10 messages a second each"
    )


def test_a_display_that_fails_does_not_stall_the_swarm():
    def fail(line: str) -> None:
        raise BrokenPipeError

    with serve(Server(echo).app) as lab:
        assert run_swarm(SwarmPlan(f"{lab.ws_url}/ws/u{{n}}", **QUICK), on_progress=fail).clean


def test_a_visit_leaves_no_task_behind():
    async def visit_here(port: int) -> tuple[SwarmReport, list[asyncio.Task[None]]]:
        plan = SwarmPlan(f"ws://127.0.0.1:{port}/ws/u{{n}}", **{**QUICK, "duration_s": 0.2})
        report = await Swarm(plan, ("127.0.0.1", port), lambda line: None).run()
        return report, [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    with serve(Server(fan_out).app) as lab:
        report, left = asyncio.run(visit_here(lab.port))
    assert report.clean
    assert left == []


def test_a_fault_of_our_own_is_raised_and_not_counted():
    class Broken:
        def message(self, client: int, marker: str) -> str:
            raise KeyError("typo")

    async def visit_here(port: int) -> None:
        plan = SwarmPlan(f"ws://127.0.0.1:{port}/ws/u{{n}}", **{**QUICK, "duration_s": 60})
        await Swarm(plan, ("127.0.0.1", port), lambda line: None, Broken()).run()

    with serve(Server(echo).app) as lab, pytest.raises(KeyError, match="typo"):
        asyncio.run(visit_here(lab.port))


@pytest.mark.slow
def test_three_hundred_clients_are_all_served():
    with serve("echo") as lab:
        report = run_swarm(
            SwarmPlan(
                f"{lab.ws_url}/ws", clients=300, ramp_up_per_s=300, duration_s=2, warm_up_s=0.5, drain_s=30
            )
        )
    assert report.opened == 300
    assert report.clean, str(report)
