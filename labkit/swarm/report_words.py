"""The words and figures of a report, the same in a terminal and in a notebook."""

from __future__ import annotations

from labkit.errors import CLOSE_CODE_NAMES
from labkit.swarm.histogram import Percentiles
from labkit.swarm.report import CloseCount, SwarmReport

_CLOSERS = {
    "server": "by the server",
    "swarm": "by the swarm",
    "nobody": "by nobody: the connection was lost",
}


def headline(report: SwarmReport) -> str:
    """Say the outcome in one line."""
    if report.ended == "nobody connected":
        return f"None of {report.clients} clients was let in"
    clients = count(report.opened, "client") + (
        f" of {report.clients}" if report.opened < report.clients else ""
    )
    how = {"stopped": ", stopped early", "nobody left": ", then nobody was left"}.get(report.ended, "")
    return f"{clients} for {report.measured_s:.1f} s{how}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 client` or `1 500 clients`."""
    return f"{grouped(number)} {noun if number == 1 else noun + 's'}"


def grouped(number: int) -> str:
    """Return a whole number in groups of three digits."""
    return f"{number:,}".replace(",", "\u00a0")


def figures(report: SwarmReport) -> list[tuple[str, str]]:
    """Return what was counted, as names and values; what does not apply is left out."""
    rows = [("server", report.url)]
    if report.rate_hz:
        rows.append(("sent", f"{count(report.sent, 'message')}, {report.rate_hz:g} a second each"))
        per_s = grouped(round(report.delivered_per_s))
        rows.append(("delivered", f"{count(report.delivered, 'message')}, {per_s} a second"))
        rows.append(("lost", _lost(report)))
    if report.repeated:
        rows.append(("repeated", f"{count(report.repeated, 'message')} came again to who already had it"))
    if report.other_messages:
        rows.append(("other messages", f"{grouped(report.other_messages)} (joins, ticks and the like)"))
    rows += [("refused", f"{number} with HTTP {status}") for status, number in report.refused.items()]
    rows += [("not connected", f"{number}: {kind}") for kind, number in report.failed.items()]
    rows += [("closed", close_words(close)) for close in report.closed]
    rows.append(
        (
            "the swarm itself",
            f"{report.cpu_share:.0%} of one core, its timers p99 {report.loop_lag.p99_ms:.1f} ms late",
        )
    )
    return rows


def _lost(report: SwarmReport) -> str:
    if report.expected is None or report.lost is None:
        return "not known: " + (
            "nothing was expected back"
            if not report.delivered
            else "who should get what is not clear (--expect echo or everyone)"
        )
    why = {"echo": "each message back to its sender", "everyone": "each message to everybody"}[report.mode]
    how = "as told" if report.mode_told else "as seen"
    share = f" ({report.lost / report.expected:.1%})" if report.lost else ""
    left_out = (
        f"; {count(report.closed_early, 'connection')} that ended early not counted"
        if report.closed_early
        else ""
    )
    return f"{grouped(report.lost)} of {grouped(report.expected)}{share}, {why}, {how}{left_out}"


def close_words(close: CloseCount) -> str:
    """Say how so many connections ended."""
    if close.closed_by == "swarm" and close.code == 1006:
        return f"{close.count} by the swarm, and the server did not answer"
    name = CLOSE_CODE_NAMES.get(close.code, "private code" if 3000 <= close.code <= 4999 else "unknown code")
    when = ", early" if close.early else ", at the end"
    return f"{close.count} with {close.code} ({name}) {_CLOSERS[close.closed_by]}{when}"


LATENCY_COLUMNS = ("", "count", "p50", "p90", "p99", "max")


def latency_rows(report: SwarmReport) -> list[tuple[str, ...]]:
    """Return the table of latencies under `LATENCY_COLUMNS`; empty if nothing came back."""
    told = [("round trip", report.round_trip), ("to the others", report.delivery)]
    return [_latency_row(name, latency) for name, latency in told if latency.count]


def _latency_row(name: str, latency: Percentiles) -> tuple[str, ...]:
    values = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.max_ms)
    return (name, grouped(latency.count), *(milliseconds(value) for value in values))


def milliseconds(value: float) -> str:
    """Return milliseconds with as many digits as mean something."""
    if value < 9.995:
        return f"{value:.2f} ms"
    return f"{value:.1f} ms" if value < 99.95 else f"{value:.0f} ms"
