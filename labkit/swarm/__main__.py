"""The program of a swarm's own process: a plan on stdin, lines of progress on stderr, a report on stdout.

stdin     the plan as one line of JSON; then `stop` to end early; its end means that nobody waits any more
stderr    a line each second
stdout    {"report": {…}} or {"error": {"kind", "happened", "expected", "hint"}}
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from labkit.errors import LabError
from labkit.swarm.open_files import make_room_for
from labkit.swarm.plan import SwarmPlan
from labkit.swarm.report import SwarmReport
from labkit.swarm.run import Swarm
from labkit.swarm.target import find_address

_ORPHANED_EXIT_CODE = 130


def main() -> None:
    """Carry out one plan."""
    plan = SwarmPlan.from_json(_read_line())
    try:
        answer: dict[str, Any] = {"report": json.loads(asyncio.run(_visit(plan)).to_json())}
    except LabError as error:
        told = {"happened": error.happened, "expected": error.expected, "hint": error.hint}
        answer = {"error": {"kind": type(error).__name__, **told}}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def _visit(plan: SwarmPlan) -> SwarmReport:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    threading.Thread(
        target=_listen, args=(lambda: loop.call_soon_threadsafe(stopped.set),), name="lifeline", daemon=True
    ).start()
    address = await asyncio.to_thread(find_address, plan.url, own_server=plan.own_server)
    warning = make_room_for(plan.clients)
    swarm = Swarm(plan, address, _tell)
    stopping = asyncio.create_task(_pass_on(stopped, swarm))
    try:
        report = await swarm.run()
    finally:
        stopping.cancel()
    return replace(report, warnings=(warning, *report.warnings)) if warning else report


async def _pass_on(stopped: asyncio.Event, swarm: Swarm) -> None:
    await stopped.wait()
    swarm.stop()


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _read_line() -> bytes:
    """Read a line from stdin byte by byte, so that nothing behind it is taken along."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit("labkit.swarm: no plan on stdin")
        line += byte
    return bytes(line)


def _listen(stop: Callable[[], object]) -> None:
    """Wait for `stop`; at the end of stdin, whoever wanted the report is gone."""
    while True:
        word = os.read(0, 1024)
        if not word:
            os._exit(_ORPHANED_EXIT_CODE)
        stop()


if __name__ == "__main__":
    main()
