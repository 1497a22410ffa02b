"""Simulated users for a WebSocket server of one's own: `labkit swarm`.

    from labkit.swarm import SwarmPlan, run_swarm
    run_swarm(SwarmPlan("ws://127.0.0.1:8000/ws/user{n}", clients=50))

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.swarm.launch import run_swarm
    from labkit.swarm.plan import SwarmPlan
    from labkit.swarm.report import SwarmReport
    from labkit.swarm.report_text import render_text

__all__ = ["SwarmPlan", "SwarmReport", "render_text", "run_swarm"]

_HOMES = {
    "SwarmPlan": "plan",
    "SwarmReport": "report",
    "render_text": "report_text",
    "run_swarm": "launch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
