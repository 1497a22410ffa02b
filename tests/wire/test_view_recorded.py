"""A newcomer's three questions, answered by the picture alone: who closed first, with which code, which ping is open.

The traces are recordings of real servers and clients; `record_traces.py` makes them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from labkit.wire import Trace, diff

FOLDER = Path(__file__).parent / "traces"

NOBODY = "No close frame: this is your 1006; "
ANSWERS = {
    "client_closes": ["Closed first by the client, with 4000 (private code), reason 'lunch'. The server answered"],
    "server_closes": ["Closed first by the server, with 4401 (private code), reason 'no ticket'. The client answered"],
    "close_without_code": ["Closed first by the client, without a code (reported as 1005)."],
    "handler_returns": [NOBODY + "the server ended the TCP connection (FIN)."],
    "client_lost": [NOBODY + "the client", "The app saw 1005."],
    "refused": ["Refused: HTTP 401 Unauthorized.", "a browser's script sees only 1006", '{"detail":"no ticket"}'],
    "deaf_handler": ["Closed first by the server, with 1011 (internal error), reason 'keepalive ping timeout'."],
    "pong_dropped": ["Closed first by the server, with 1011", "(frame 5) was answered, but the pong never arrived."],
    "ping_unanswered": [
        "Closed first by the server, with 1011", "The client sent no close frame back.",
        "1 ping of the server (frame 3) was never answered.", "NEVER ANSWERED: no pong came",
    ],
    "server_stops": ["Closed first by the server, with 1012 (service restart)."],
    "fault_cuts": [NOBODY + "a fault cut the connection.", "A fault was at work: cut."],
    "pings_answered": ["Closed first by the client, with 1000 (normal closure).", "Every ping was answered (3)."],
}  # fmt: skip
UNANSWERED = {"ping_unanswered": [3], "pong_dropped": [5]}


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", ANSWERS)
def test_the_picture_and_its_words_answer_a_newcomers_questions(name):
    timeline = Trace.load(FOLDER / f"{name}.json").timeline().timelines[0]
    picture = ElementTree.fromstring(timeline.svg())
    drawn = flat(
        " ".join("".join(each.itertext()) for each in picture.iter("{http://www.w3.org/2000/svg}text"))
    )
    for answer in ANSWERS[name]:
        assert flat(answer) in flat(str(timeline))
        assert flat(answer) in drawn
    closers = [who for who in ("client", "server") if f"Closed first by the {who}" in drawn]
    assert len(closers) == ("Closed first" in ANSWERS[name][0])
    marked = [row.number for row in timeline.story.rows if row.label == "ping" and row.tone == "bad"]
    assert marked == UNANSWERED.get(name, [])


def test_every_trace_that_is_kept_has_its_answers():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_recording_does_not_differ_from_itself_and_does_from_every_other(name):
    trace = Trace.load(FOLDER / f"{name}.json")
    for other in ANSWERS:
        told = diff(trace, Trace.load(FOLDER / f"{other}.json"))
        assert (told.count == 0) == (name == other), told
