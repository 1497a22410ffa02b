"""One visit of a swarm: come, warm up, be measured, wait for the last messages, leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from labkit.swarm.caveats import with_caveats
from labkit.swarm.client import Client, Clock
from labkit.swarm.histogram import Histogram
from labkit.swarm.marker import new_run_id
from labkit.swarm.plan import CLOSE_TIMEOUT_S, SwarmPlan
from labkit.swarm.redact import redact
from labkit.swarm.report import Ended, SwarmReport
from labkit.swarm.schedule import arrival_s, phases_s, slot_width_s
from labkit.swarm.script import Script, script_for
from labkit.swarm.tally import Tally

PROGRESS_S = 1.0
LAG_PROBE_S = 0.02
POLL_S = 0.02
DRAIN_AFTER_STOP_S = 1.0
LAST_WORDS_S = 1.0


class Swarm:
    """One visit.

    Args:
        plan: what to do.
        address: the IP address and port of the server.
        tell: called with a line of progress each second.
        script: what the clients say, by default the plan's message, or strokes where one draws.
    """

    def __init__(
        self,
        plan: SwarmPlan,
        address: tuple[str, int],
        tell: Callable[[str], None],
        script: Script | None = None,
    ) -> None:
        self._plan = plan
        self._tell = tell
        self._clock = Clock()
        self._tally = Tally(plan.clients, new_run_id(), plan.expect, slot_width_s(plan.duration_s))
        words = script or script_for(plan.url, plan.message)
        self._clients = [
            Client(number, plan, address, words, self._tally, self._clock)
            for number in range(1, plan.clients + 1)
        ]
        self._stop = asyncio.Event()
        self._everyone_gone = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._measuring = False
        self._lag = Histogram()
        self._cpu_share = 0.0
        self._phase = "connecting"
        self._fault: BaseException | None = None

    def stop(self) -> None:
        """End the measurement now; what was counted is reported."""
        self._stop.set()

    async def run(self) -> SwarmReport:
        """Make the visit and return what came out. Nothing is left open."""
        self._start(self._watch_lag())
        self._start(self._tell_progress())
        try:
            ended = await self._visit()
        finally:
            for client in self._clients:
                client.abort()
            await end_all(self._tasks)
        if self._fault is not None:
            raise self._fault
        return self._report(ended)

    # -- phases ----------------------------------------------------------------------------------

    async def _visit(self) -> Ended:
        receivers = await self._connect_all()
        if not self._tally.opened:
            return "stopped" if self._stop.is_set() else "nobody connected"
        plan, clock = self._plan, self._clock
        senders: list[asyncio.Task[Any]] = []
        start_us = clock.now_us()
        measure_from_us = start_us + round(plan.warm_up_s * 1e6)
        self._tally.start_measuring(measure_from_us)
        if plan.rate_hz and not self._stop.is_set():
            phases = phases_s(plan.clients, plan.rate_hz, plan.seed)
            senders = [
                self._start(client.send(start_us, phase))
                for client, phase in zip(self._clients, phases, strict=True)
                if client.is_open
            ]
        self._phase = "warming up"
        await self._until_stopped(plan.warm_up_s)

        self._phase = "measuring"
        self._measuring = True
        cpu_before_s = time.process_time()
        await self._until_stopped(plan.duration_s)
        end_us = max(clock.now_us(), measure_from_us)
        self._tally.stop_measuring(end_us)
        self._measuring = False
        self._cpu_share = (time.process_time() - cpu_before_s) / max(1e-6, (end_us - measure_from_us) / 1e6)

        self._phase = "waiting for the last messages"
        await end_all(senders)
        await self._drain()
        ended: Ended = "as planned"
        if self._stop.is_set():
            ended = "stopped"
        elif self._everyone_gone.is_set():
            ended = "nobody left"

        self._phase = "leaving"
        leaving = [self._start(client.leave()) for client in self._clients if client.is_open]
        if leaving:
            await asyncio.wait(leaving, timeout=2 * CLOSE_TIMEOUT_S)
        if receivers:
            await asyncio.wait(receivers, timeout=LAST_WORDS_S)
        return ended

    async def _connect_all(self) -> list[asyncio.Task[Any]]:
        """Let the clients come, so many a second; return the tasks in which they receive."""
        start_us = self._clock.now_us()
        receivers: list[asyncio.Task[Any]] = []

        async def come(client: Client) -> None:
            if await client.open():
                receivers.append(self._start(client.receive()))
                receivers[-1].add_done_callback(self._note_end)

        coming = []
        for index, client in enumerate(self._clients):
            wait_s = arrival_s(index, self._plan.ramp_up_per_s) - (self._clock.now_us() - start_us) / 1e6
            if wait_s > 0:
                await self._until_stopped(wait_s, or_everyone_gone=False)
            if self._stop.is_set():
                break
            coming.append(self._start(come(client)))
        stopped = self._start(self._stop.wait())
        arrived = self._start(wait_all(coming))
        await asyncio.wait({arrived, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await end_all([stopped, arrived, *coming])
        self._note_end()
        return receivers

    def _note_end(self, _: object = None) -> None:
        if self._tally.opened and not self._tally.still_open:
            self._everyone_gone.set()
        else:
            self._everyone_gone.clear()

    async def _until_stopped(self, seconds: float, *, or_everyone_gone: bool = True) -> None:
        """Wait so long, or until Ctrl-C, or until nobody is connected any more."""
        waits = [self._start(self._stop.wait())]
        if or_everyone_gone:
            waits.append(self._start(self._everyone_gone.wait()))
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await end_all(waits)

    async def _drain(self) -> None:
        """Wait until all that is expected has arrived, at most so long as planned, shorter after Ctrl-C."""
        if not self._tally.sent or self._plan.expect == "nothing":
            return
        mode = self._tally.mode()
        drained_s = 0.0
        while drained_s < (
            min(DRAIN_AFTER_STOP_S, self._plan.drain_s) if self._stop.is_set() else self._plan.drain_s
        ):
            if self._everyone_gone.is_set() or self._tally.is_complete(mode):
                return
            await asyncio.sleep(POLL_S)
            drained_s += POLL_S

    # -- in the background -----------------------------------------------------------------------

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._note_done)
        return task

    def _note_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fault = self._fault or task.exception()
            self.stop()

    async def _watch_lag(self) -> None:
        """Measure how late this loop's own timers are, while the server is being measured."""
        while True:
            due_us = self._clock.now_us() + round(LAG_PROBE_S * 1e6)
            await asyncio.sleep(LAG_PROBE_S)
            if self._measuring:
                self._lag.record(self._clock.now_us() - due_us)

    async def _tell_progress(self) -> None:
        tally, before = self._tally, 0
        self._tell(self._headline())
        while True:
            await asyncio.sleep(PROGRESS_S)
            parts = [f"{self._clock.now_us() / 1e6:5.1f} s  {self._phase}", f"{tally.still_open} open"]
            if tally.refused or tally.failed:
                parts.append(f"{tally.refused.total() + tally.failed.total()} not let in")
            if tally.recent.count:
                latency = tally.recent.summary()
                parts.append(f"{tally.delivered - before} delivered")
                parts.append(f"p50 {latency.p50_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms")
            before = tally.delivered
            tally.recent = Histogram()
            self._tell(" · ".join(parts))

    def _headline(self) -> str:
        plan = self._plan
        return f"{plan.clients} clients to {redact(plan.url)}, {plan.rate_hz:g} messages a second each"

    # -- the end ---------------------------------------------------------------------------------

    def _report(self, ended: Ended) -> SwarmReport:
        plan, tally = self._plan, self._tally
        round_trip, delivery = tally.latencies()
        mode = tally.mode()
        measured_s = tally.measured_s
        report = SwarmReport(
            url=redact(plan.url),
            clients=plan.clients,
            rate_hz=plan.rate_hz,
            duration_s=plan.duration_s,
            seed=plan.seed,
            ended=ended,
            measured_s=round(measured_s, 3),
            opened=tally.opened,
            refused=dict(tally.refused),
            failed=dict(tally.failed),
            closed=tally.closes(),
            sent=tally.sent,
            mode=mode,
            mode_told=plan.expect in ("echo", "everyone"),
            delivered=tally.delivered,
            delivered_per_s=round(tally.delivered_in_time / measured_s, 1) if measured_s else 0.0,
            expected=tally.expected(mode),
            lost=tally.lost(mode),
            repeated=tally.repeated,
            other_messages=tally.other_messages,
            round_trip=round_trip.summary(),
            delivery=delivery.summary(),
            loop_lag=self._lag.summary(),
            cpu_share=round(self._cpu_share, 3),
            slot_s=tally.slot_s,
            slots=tally.slots(),
        )
        return with_caveats(report, plan)


async def wait_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait until all tasks are done, however they end."""
    pending = set(tasks)
    if pending:
        await asyncio.wait(pending)


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    pending = {task for task in tasks if not task.done()}
    for task in pending:
        task.cancel()
    await wait_all(pending)
