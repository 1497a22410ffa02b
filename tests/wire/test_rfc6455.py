"""Three servers by the RFC's table, directly and through the proxy: the proxy changes no verdict."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from labkit.errors import ConnectionClosed
from labkit.wire import Frame, RawPlay, raw
from labkit.wire.frame import BINARY, CLOSE, PONG, TEXT
from labkit.wire.wire import Wire

PATIENCE_S = 10.0
BARRIER = "the barrier"


def load_beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


rfc = load_beside("rfc6455")
Verdict = object  # rfc.Open or rfc.Closed


def judge(url: str, case: object) -> Verdict:
    """Send a case to a server and return what it did. The echo of a text behind it shows that all was read."""
    with raw(url, "/ws") as play:
        _send(play, case)
        seen: list[Frame] = []
        while True:
            if play.ended:
                return rfc.Closed((1006,))
            try:
                frame = play.receive(timeout_s=PATIENCE_S)
            except ConnectionClosed:
                return rfc.Closed((1006,))
            if frame.opcode == CLOSE:
                return rfc.Closed((frame.close[0],))  # type: ignore[index]
            if frame.text == BARRIER:
                return _what_was_seen(seen)
            seen.append(frame)


def _send(play: RawPlay, case: object) -> None:
    sent: bytes = case.sent  # type: ignore[attr-defined]
    if not sent:
        play.finish()
    for piece in [bytes([byte]) for byte in sent] if case.chopped else [sent]:  # type: ignore[attr-defined]
        play.send_bytes(piece)
    if sent:
        play.send("text", BARRIER)


def _what_was_seen(seen: list[Frame]) -> Verdict:
    echoes = tuple(
        frame.payload.decode() if frame.opcode == TEXT else frame.payload
        for frame in seen
        if frame.opcode in (TEXT, BINARY)
    )
    pongs = tuple(frame.payload for frame in seen if frame.opcode == PONG)
    return rfc.Open(echoes, pongs)


def fits(verdict: Verdict, must: object) -> bool:
    if isinstance(must, rfc.Closed):
        return isinstance(verdict, rfc.Closed) and set(verdict.codes) <= set(must.codes)
    return verdict == must


@pytest.mark.parametrize(
    "server",
    ["sansio", *(pytest.param(name, marks=pytest.mark.slow) for name in ("wsproto", "websockets"))],
)
def test_a_server_does_what_the_rfc_says_or_departs_as_is_known_and_the_proxy_changes_nothing(
    server: str, url_of_server: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    url = url_of_server(server)
    wrong = []
    with Wire(url) as wire:
        for case in rfc.CASES:
            must = rfc.DEPARTURES.get((server, case.name), case.must)
            direct, by_wire = judge(url, case), judge(wire.ws_url, case)
            if not fits(direct, must):
                wrong.append(f"{case.section} {case.name}: {shown(direct)}, not {shown(must)}")
            if by_wire != direct:
                wrong.append(
                    f"{case.section} {case.name}: by the wire {shown(by_wire)}, directly {shown(direct)}"
                )
    assert not wrong, "\n".join([server, *wrong])
    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"]


def shown(verdict: object) -> str:
    return f"{verdict!r:.150}"


def test_the_table_is_long_enough_and_names_its_cases_once() -> None:
    names = [case.name for case in rfc.CASES]
    assert len(names) == len(set(names)) >= 60
    assert {name for _, name in rfc.DEPARTURES} <= set(names)
    for (server, name), departure in rfc.DEPARTURES.items():
        case = next(case for case in rfc.CASES if case.name == name)
        assert not fits(departure, case.must), f"{server} does not depart in {name!r}"
