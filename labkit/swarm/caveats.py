"""What a reader of the figures should know: whether the swarm itself was the bottleneck, and the likely causes."""

from __future__ import annotations

from dataclasses import replace

from labkit.swarm.plan import SwarmPlan
from labkit.swarm.report import SwarmReport

BUSY_CPU_SHARE = 0.85
BUSY_LAG_P99_MS = 20.0
BEHIND_SHARE = 0.9
MIN_SENT_TO_JUDGE = 20


def with_caveats(report: SwarmReport, plan: SwarmPlan) -> SwarmReport:
    """Return the report with its warnings."""
    told = [_busy(report), _behind(report), _silent(report), _shared_id(report, plan), _unanswered(report)]
    return replace(report, warnings=(*report.warnings, *(warning for warning in told if warning)))


def _busy(report: SwarmReport) -> str:
    if report.cpu_share < BUSY_CPU_SHARE and report.loop_lag.p99_ms < BUSY_LAG_P99_MS:
        return ""
    return (
        f"The swarm could not keep time (its own timers up to {report.loop_lag.max_ms:.0f} ms late, "
        f"{report.cpu_share:.0%} of one core used): the latencies are partly its own. "
        "Take fewer clients or a lower rate, or close other programs."
    )


def _behind(report: SwarmReport) -> str:
    planned = report.opened * report.rate_hz * report.measured_s
    if report.closed_early or planned < MIN_SENT_TO_JUDGE or report.sent >= BEHIND_SHARE * planned:
        return ""
    return (
        f"Only {report.sent} of {planned:.0f} messages could be sent in time: "
        "the server did not read fast enough, or the swarm was too busy."
    )


def _silent(report: SwarmReport) -> str:
    if not report.sent or report.delivered or report.closed_early:
        return ""
    return (
        "No message came back. Does this path answer or pass on what it gets, within the drain time? "
        "A server that wants JSON needs --message with {marker} in it."
    )


def _shared_id(report: SwarmReport, plan: SwarmPlan) -> str:
    if not plan.shares_one_id or not (report.closed_early or report.refused):
        return ""
    return (
        f"All clients came as the same user ({report.url}), and a second one may replace the first. "
        "Give each its own id with {n}: …/ws/user{n}"
    )


def _unanswered(report: SwarmReport) -> str:
    count = sum(close.count for close in report.closed if not close.early and close.code == 1006)
    return f"The server did not answer {count} close frames within 2 s." if count else ""
