"""The report as JSON, as text, as HTML and as a picture."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from labkit.swarm import SwarmPlan, SwarmReport
from labkit.swarm.caveats import with_caveats
from labkit.swarm.histogram import Percentiles
from labkit.swarm.report import CloseCount, Slot

NONE = Percentiles()
ROUND_TRIP = Percentiles(20, 1.5, 12.25, 30, 101)
DELIVERY = Percentiles(1180, 2, 3, 4, 5)

REPORT = SwarmReport(
    url="ws://127.0.0.1:8000/ws/user{n}",
    clients=3,
    rate_hz=2,
    duration_s=4,
    seed=0,
    ended="as planned",
    measured_s=4.0,
    opened=2,
    refused={"403": 1},
    failed={},
    closed=(CloseCount(1000, "swarm", 1, early=False), CloseCount(4001, "server", 1, early=True)),
    sent=1200,
    mode="everyone",
    mode_told=False,
    delivered=1200,
    delivered_per_s=300.0,
    expected=1250,
    lost=50,
    repeated=1,
    other_messages=7,
    round_trip=ROUND_TRIP,
    delivery=DELIVERY,
    loop_lag=Percentiles(100, 0.5, 1, 2, 3),
    cpu_share=0.125,
    slot_s=1.0,
    slots=(Slot(0.0, 600, ROUND_TRIP, DELIVERY), Slot(1.0, 0, NONE, NONE), Slot(2.0, 600, ROUND_TRIP, NONE)),
    warnings=("Look here.",),
)

TEXT = """\
2 clients of 3 for 4.0 s

                count       p50       p90       p99      max
 ───────────────────────────────────────────────────────────
 round trip        20   1.50 ms   12.2 ms   30.0 ms   101 ms
 to the others  1 180   2.00 ms   3.00 ms   4.00 ms   5.00 ms

server            ws://127.0.0.1:8000/ws/user{n}
sent              1 200 messages, 2 a second each
delivered         1 200 messages, 300 a second
lost              50 of 1 250 (4.0%), each message to everybody, as seen; 1 connection that ended
                  early not counted
repeated          1 message came again to who already had it
other messages    7 (joins, ticks and the like)
refused           1 with HTTP 403
closed            1 with 1000 (normal closure) by the swarm, at the end
closed            1 with 4001 (private code) by the server, early
the swarm itself  12% of one core, its timers p99 2.0 ms late

! Look here."""


def test_it_survives_json():
    assert SwarmReport.from_json(REPORT.to_json()) == REPORT
    assert "\n" not in REPORT.to_json()


def squeeze(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip(" ─")]


def test_the_text_says_it_all():
    assert squeeze(str(REPORT)) == squeeze(TEXT)


def test_it_is_clean_only_if_all_came_stayed_and_got_everything():
    clean = replace(REPORT, clients=2, refused={}, closed=REPORT.closed[:1], lost=0, repeated=0, warnings=())
    assert clean.clean
    assert replace(clean, lost=None, expected=None).clean
    for change in ({"clients": 3}, {"lost": 1}, {"repeated": 1}, {"closed": REPORT.closed}):
        assert not replace(clean, **change).clean


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ended": "stopped"}, "2 clients of 3 for 4.0 s, stopped early"),
        ({"ended": "nobody left"}, "2 clients of 3 for 4.0 s, then nobody was left"),
        ({"ended": "nobody connected"}, "None of 3 clients was let in"),
        ({"opened": 1, "clients": 1}, "1 client for 4.0 s"),
    ],
)
def test_the_headline_says_how_it_ended(changes, line):
    assert str(replace(REPORT, **changes)).splitlines()[0] == line


def test_an_unanswered_close_is_said_so():
    report = replace(REPORT, closed=(CloseCount(1006, "swarm", 2, early=False),))
    assert "closed 2 by the swarm, and the server did not answer" in squeeze(str(report))


def test_markup_in_a_url_stays_text():
    report = replace(REPORT, url="ws://127.0.0.1/[red]<script>alert(1)</script>", warnings=("<b>&",))
    assert "[red]<script>" in str(report)
    assert "<script" not in report._repr_html_()
    assert "&lt;b&gt;&amp;" in report._repr_html_()


def test_the_cell_shows_table_chart_and_warnings_without_loading_anything():
    html = REPORT._repr_html_()
    assert "Look here." in html
    assert ">101 ms</td>" in html
    assert html.count("<svg") == 1
    for loading in ("<script", "<link", "src=", "@import", "url(http"):
        assert loading not in html


def test_the_chart_is_an_image_with_words_for_who_cannot_see_it():
    chart = REPORT.plot()
    words = (
        "Latency over 4.0 s with 2 clients. round trip: p50 1.50 ms, p90 12.2 ms, p99 30.0 ms, max 101 ms; "
        "delivery to the others: p50 2.00 ms, p90 3.00 ms, p99 4.00 ms, max 5.00 ms."
    )
    picture = ElementTree.fromstring(chart.svg)
    assert chart.alt == str(chart) == picture.get("aria-label") == words
    assert picture.get("role") == "img"
    assert picture[0].tag.endswith("title")
    assert picture[0].text == words
    assert chart.svg in chart._repr_html_()


def test_the_chart_takes_its_ink_from_the_page_and_styles_nothing_else():
    svg = REPORT.plot().svg
    assert svg.count("currentColor") > 20
    assert "<style" not in svg
    assert not re.search(r"(fill|stroke): #(000|010203|fff)", svg)


def test_two_charts_on_a_page_share_no_clip_paths():
    ids = [
        set(re.findall(r'<clipPath id="(\w+)"', report.plot().svg))
        for report in (REPORT, replace(REPORT, sent=1))
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_a_report_of_nothing_is_a_report_too():
    empty = replace(
        REPORT,
        opened=0,
        ended="nobody connected",
        measured_s=0.0,
        sent=0,
        delivered=0,
        delivered_per_s=0,
        mode="unknown",
        expected=None,
        lost=None,
        closed=(),
        round_trip=NONE,
        delivery=NONE,
        loop_lag=NONE,
        slots=(),
    )
    assert "<svg" not in empty._repr_html_()
    assert "nothing came back" in empty.plot().alt
    assert str(empty).startswith("None of 3 clients was let in")


PLAN = SwarmPlan("ws://127.0.0.1:8000/ws/user{n}", clients=2, rate_hz=2)
CALM = replace(
    REPORT,
    sent=16,
    rate_hz=2,
    closed=REPORT.closed[:1],
    refused={},
    clients=2,
    lost=0,
    repeated=0,
    warnings=(),
)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({}, None),
        (
            {"cpu_share": 0.97},
            "The swarm could not keep time (its own timers up to 3 ms late, 97% of one core used): the latencies "
            "are partly its own. Take fewer clients or a lower rate, or close other programs.",
        ),
        (
            {"loop_lag": Percentiles(100, 1, 2, 25, 60)},
            "The swarm could not keep time (its own timers up to 60 ms late, 12% of one core used): the latencies "
            "are partly its own. Take fewer clients or a lower rate, or close other programs.",
        ),
        (
            {"measured_s": 40.0, "sent": 100},
            "Only 100 of 160 messages could be sent in time: the server did not read fast enough, "
            "or the swarm was too busy.",
        ),
        (
            {"delivered": 0},
            "No message came back. Does this path answer or pass on what it gets, within the drain time? "
            "A server that wants JSON needs --message with {marker} in it.",
        ),
        (
            {"closed": (CloseCount(1006, "swarm", 2, early=False),)},
            "The server did not answer 2 close frames within 2 s.",
        ),
    ],
)
def test_caveats_appear_when_there_is_a_reason(changes, warning):
    told = with_caveats(replace(CALM, **changes), PLAN).warnings
    assert told == ((warning,) if warning else ())


def test_one_id_for_all_is_named_when_clients_were_thrown_out():
    plan = SwarmPlan("ws://127.0.0.1:8000/ws/ada", clients=2)
    closed = replace(CALM, url=plan.url, closed=(CloseCount(4500, "server", 1, early=True),))
    assert with_caveats(closed, plan).warnings == (
        "All clients came as the same user (ws://127.0.0.1:8000/ws/ada), and a second one may replace the first. "
        "Give each its own id with {n}: …/ws/user{n}",
    )
    assert with_caveats(replace(CALM, url=plan.url), plan).warnings == ()
