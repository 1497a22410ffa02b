"""The dashboard's page, and the charts of all pages, in a real browser on real servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from playwright.sync_api import Locator, Page, expect

from labkit.apps import dashboard
from labkit.apps.page_files import add_page
from labkit.host import Lab

OpenPage = Callable[..., Page]
Start = Callable[..., Lab]
INTERVAL_S = 0.1
SERVER_IS_GONE = r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED"


@pytest.fixture(autouse=True)
def patient_expectations() -> None:
    expect.set_options(timeout=10_000)


@pytest.fixture
def lab(start: Start) -> Lab:
    return start(dashboard.create_app(interval_s=INTERVAL_S), name="dashboard")


def tile(page: Page, field: str) -> Locator:
    return page.locator(f'.tile[data-field="{field}"]')


def with_figures(page: Page) -> Page:
    expect(tile(page, "cpu").locator(".number")).to_have_text(re.compile(r"^\d+\.\d$"))
    return page


def received(page: Page) -> int:
    found = re.search(r"(\d+) received", page.locator("#summary").text_content() or "")
    return int(found[1]) if found else 0


def silent_app(*messages: str) -> FastAPI:
    """Return an app with the dashboard's page whose WebSocket sends these messages and nothing more."""
    app = FastAPI(title="dashboard")
    add_page(app, "dashboard")

    @app.websocket("/ws/dashboard")
    async def push(ws: WebSocket) -> None:
        await ws.accept()
        for message in messages:
            await ws.send_text(message)
        async for _ in ws.iter_text():
            pass

    @app.get("/stats")
    async def stats() -> dict[str, int]:
        return {"viewers": 1, "ticks": len(messages)}

    return app


def message(**changes: Any) -> str:
    figures = {
        "timestamp": "2026-11-22T10:00:00.000+00:00",
        "cpu": 37.0,
        "memory": 61.5,
        "requests_per_second": 420,
        "active_users": 77,
        "emoji_mood": "🎯",
    }
    return json.dumps(figures | changes)


def test_numbers_units_mood_and_lines_show_what_the_server_pushes(start: Start, open_page: OpenPage) -> None:
    earlier = message(timestamp="2026-11-22T09:59:59.000+00:00", cpu=10, active_users=5)
    lab = start(silent_app(earlier, message()))
    page = with_figures(open_page(lab.url + "/"))
    for field, text in (
        ("cpu", "37.0%"),
        ("memory", "61.5%"),
        ("requests_per_second", "420/ s"),
        ("active_users", "77"),
    ):
        expect(tile(page, field).locator(".figure")).to_have_text(text)
    expect(page.locator("#mood")).to_have_text("🎯")
    expect(page.locator("#mood-name")).to_have_text("On target")
    expect(page).to_have_title("🎯 CPU 37 % · labkit")
    expect(tile(page, "cpu").get_by_role("img")).to_have_attribute(
        "aria-label", "CPU, the last 60 seconds: now 37 %, lowest 10 %, highest 37 %"
    )
    expect(tile(page, "active_users").locator(".chart-grid text")).to_have_text(["40", "80"])
    expect(tile(page, "cpu").locator(".chart-grid text")).to_have_text(["50 %", "100 %"])
    expect(tile(page, "cpu").locator(".chart-line")).to_have_attribute("d", re.compile(r"^M[\d.]+ [\d.]+L"))
    expect(page.locator("#summary")).to_contain_text("2 received · 1 viewer, one producer")


def test_messages_that_the_page_does_not_know_are_ignored(start: Start, open_page: OpenPage) -> None:
    odd = ["not JSON", "null", "[]", '{"type": "ping"}', message(cpu="high"), message(timestamp="soon")]
    lab = start(silent_app(*odd, message(cpu=1.5)))
    page = with_figures(open_page(lab.url + "/"))
    expect(tile(page, "cpu").locator(".number")).to_have_text("1.5")
    assert received(page) == 1


def test_figures_move_and_a_pause_holds_the_picture_but_not_the_line(lab: Lab, open_page: OpenPage) -> None:
    page = with_figures(open_page(lab.url + "/"))
    page.wait_for_function("() => Number(/(\\d+) received/.exec(summary.textContent)?.[1]) > 5")
    page.get_by_role("button", name="Pause").click()
    line = tile(page, "cpu").locator(".chart-line")
    before = (line.get_attribute("d"), tile(page, "cpu").locator(".number").text_content(), received(page))
    page.wait_for_function(
        "(n) => Number(/(\\d+) received/.exec(summary.textContent)?.[1]) > n + 5", arg=before[2]
    )
    assert (line.get_attribute("d"), tile(page, "cpu").locator(".number").text_content()) == before[:2]
    expect(page.locator("#summary")).to_contain_text(re.compile(r"Paused: \d+ new"))
    button = page.get_by_role("button", name="Go on")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    page.wait_for_function(
        "(d) => document.querySelector('.chart-line').getAttribute('d') !== d", arg=before[0]
    )
    expect(page.locator("#summary")).not_to_contain_text("Paused")


def test_two_viewers_are_counted_and_served_by_one_producer(lab: Lab, open_page: OpenPage) -> None:
    pages = [with_figures(open_page(lab.url + "/")) for _ in range(2)]
    for page in pages:
        expect(page.locator("#summary")).to_contain_text("2 viewers, one producer")


def test_when_the_server_comes_back_so_do_the_figures_and_the_page_says_after_how_long(
    start: Start, open_page: OpenPage, watch: Any, lasting_port: int
) -> None:
    watch.allow(SERVER_IS_GONE)
    lab = start(dashboard.create_app(interval_s=INTERVAL_S), name="dashboard", port=lasting_port)
    page = with_figures(open_page(lab.url + "/"))
    expect(page.locator("#chip")).to_contain_text("Connected")
    lab.stop()
    expect(page.locator("#chip")).to_contain_text("Reconnecting")
    expect(page.locator("#tiles")).to_have_class(re.compile("stale"))
    start(dashboard.create_app(interval_s=INTERVAL_S), name="dashboard", port=lasting_port)
    expect(page.locator("#chip")).to_contain_text(re.compile(r"Connected\s*back after \d+\.\d s"))
    expect(page.locator("#tiles")).not_to_have_class(re.compile("stale"))
    before = received(page)
    page.wait_for_function(
        "(n) => Number(/(\\d+) received/.exec(summary.textContent)?.[1]) > n + 3", arg=before
    )


def test_a_server_that_falls_silent_is_noticed(start: Start, open_page: OpenPage) -> None:
    lab = start(silent_app(message()))
    page = with_figures(open_page(lab.url + "/"))
    expect(page.locator("#summary")).to_contain_text(re.compile(r"nothing new for [3-9] s"))


def test_nothing_moves_for_those_who_do_not_want_it(lab: Lab, open_page: OpenPage) -> None:
    moving = "() => document.getAnimations().length"
    page = with_figures(open_page(lab.url + "/", reduced_motion="reduce"))
    page.wait_for_function("() => Number(/(\\d+) received/.exec(summary.textContent)?.[1]) > 5")
    assert page.evaluate(moving) == 0
    other = with_figures(open_page(lab.url + "/", reduced_motion="no-preference"))
    other.wait_for_function(f"() => ({moving})() > 0")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("width", "height", "query", "all_in_view"),
    [
        (1280, 800, "", True),
        (900, 420, "", True),
        (1920, 1080, "?view=projector", True),
        (390, 844, "", False),
        (320, 640, "", False),
    ],
    ids=["laptop", "frame", "projector", "phone", "small phone"],
)
def test_it_fits_everywhere_and_nothing_is_cut_off(
    lab: Lab, open_page: OpenPage, width: int, height: int, query: str, all_in_view: bool, dark: bool
) -> None:
    page = with_figures(open_page(lab.url + "/" + query, width=width, height=height, dark=dark))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for field in ("cpu", "memory", "requests_per_second", "active_users"):
        chart = tile(page, field).locator(".chart-box")
        if all_in_view:
            expect(chart).to_be_in_viewport(ratio=1)
        assert (chart.bounding_box() or {"height": 0})["height"] >= 40
    if query:
        bottom = page.locator("#tiles").bounding_box()
        assert bottom is not None
        assert bottom["y"] + bottom["height"] <= height * 0.86  # heads in front hide the rest


def test_it_works_under_a_path_prefix(start: Start, open_page: OpenPage, watch: Any) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    watch.allow(r"404 \(Not Found\).*_lab/whoami")
    app = dashboard.create_app(interval_s=INTERVAL_S)
    lab = start(Starlette(routes=[Mount("/user/ada/proxy/8000", app=app)]))
    page = with_figures(open_page(lab.url + "/user/ada/proxy/8000/"))
    expect(page.locator("#summary")).to_contain_text("1 viewer, one producer")


# ---- chart.js, by itself ----------------------------------------------------------------------------


def run(page: Page, body: str, argument: Any = None) -> Any:
    load = "const chart = await import(new URL('static/chart.js', document.baseURI));"
    return page.evaluate(f"async (argument) => {{ {load} {body} }}", argument)


@pytest.fixture
def page(start: Start, open_page: OpenPage) -> Page:
    return open_page(start(silent_app()).url + "/")


def test_the_top_of_the_scale_is_a_round_number(page: Page) -> None:
    values = [0, -1, 0.7, 1, 1.1, 5, 6.5, 10, 11, 99, 101, 546, 1e6, None]
    tops = run(page, "return argument.map((value) => chart.niceCeiling(value))", values)
    assert tops == [1, 1, 0.8, 1, 2, 6, 8, 10, 20, 100, 200, 600, 1e6, 1]


def test_a_time_of_which_nothing_is_known_breaks_the_line(page: Page) -> None:
    points = [{"at": at, "value": 1} for at in (0, 1000, 2000, 8000, 9000, 9500)]
    runs = run(page, "return chart.runsOf(argument, 2500).map((run) => run.map((p) => p.at))", points)
    assert runs == [[0, 1000, 2000], [8000, 9000, 9500]]


def test_what_is_older_than_the_window_is_forgotten_and_a_clock_set_back_starts_anew(page: Page) -> None:
    body = """
        const host = document.body.appendChild(document.createElement("div"));
        const line = new chart.Chart(host, { label: "x", windowMs: 10_000 });
        for (let at = 0; at <= 60_000; at += 1_000) line.add(at, 1);
        const kept = line.points.map((point) => point.at);
        line.add(5_000, 2);
        return [kept[0], kept.at(-1), line.points];
    """
    assert run(page, body) == [49_000, 60_000, [{"at": 5_000, "value": 2}]]


def test_times_can_be_shaded_and_a_chart_without_values_is_no_error(page: Page) -> None:
    body = """
        const host = document.body.appendChild(document.createElement("div"));
        host.className = "chart-box";
        const line = new chart.Chart(host, { label: "x", unit: "ms", windowMs: 10_000 });
        line.draw();
        const empty = host.firstElementChild.getAttribute("aria-label");
        line.add(0, 5);
        line.add(10_000, 7);
        line.draw({ marks: [{ from: 5_000, to: 7_500 }, { from: 9_000, to: null }] });
        const [one, other] = [...host.querySelectorAll(".chart-marks rect")].map((r) => r.getBoundingClientRect());
        return [empty, one.width / other.width, host.querySelector(".chart-line").getAttribute("d").split("M").length];
    """
    empty, ratio, pieces = run(page, body)
    assert empty == "x: nothing yet"
    assert ratio == pytest.approx(2.5, rel=0.05)
    assert pieces == 2  # one line: two values ten seconds apart are as far apart as usual here
