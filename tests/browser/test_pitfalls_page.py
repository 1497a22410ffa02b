"""The pitfalls page in a real browser: the chat goes on while somebody waits for work, and the meter shows it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labkit.apps import pitfalls
from labkit.host import Lab

OpenPage = Callable[..., Page]
Start = Callable[..., Lab]


@pytest.fixture(autouse=True)
def patient_expectations() -> None:
    expect.set_options(timeout=10_000)


def ready(page: Page) -> Page:
    expect(page.locator("#chip")).to_contain_text("Connected")
    expect(page.get_by_role("button", name="Work", exact=True)).to_be_enabled()
    return page


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def name_of(page: Page) -> str:
    return page.locator("#me .person").text_content() or ""


def test_the_chat_goes_on_while_work_is_awaited_and_the_work_is_answered(
    start: Start, open_page: OpenPage
) -> None:
    lab = start(pitfalls.create_app(work_s=6))
    ada, ben = (ready(open_page(f"{lab.url}/?name={name}")) for name in ("ada", "ben"))
    ada.get_by_role("button", name="Work", exact=True).click()
    job = ada.locator(".job")
    expect(job).to_contain_text("waiting…")
    for number in range(3):
        say(ben, f"message {number}")
        for page in (ada, ben):
            expect(page.locator(".message .said").last).to_have_text(f"message {number}")
    expect(job).to_contain_text("waiting…")  # all that was said while the work went on
    expect(job).to_have_text(re.compile(r"Responseafter 6\.\d s"))
    expect(job).to_have_attribute("data-tone", "good")
    expect(job.locator("progress")).to_have_count(0)


def test_five_at_once_take_as_long_as_one(start: Start, open_page: OpenPage) -> None:
    lab = start(pitfalls.create_app(work_s=3))
    page = ready(open_page(lab.url + "/"))
    started = time.monotonic()
    page.get_by_role("button", name="Five at once").click()
    expect(page.locator('.job[data-tone="good"]')).to_have_count(5)
    assert time.monotonic() - started < 14


def test_the_meter_shows_how_long_a_request_takes_and_shades_the_work(
    start: Start, open_page: OpenPage
) -> None:
    lab = start(pitfalls.create_app(work_s=5))
    page = ready(open_page(lab.url + "/"))
    expect(page.locator("#latency")).to_have_text(re.compile(r"^\d+$"))
    page.get_by_role("button", name="Work", exact=True).click()
    expect(page.locator(".chart-marks rect")).to_have_count(1)
    expect(page.locator(".job")).to_contain_text("Response")
    worst = int(re.findall(r"worst (\d+) ms", page.locator("#worst").text_content() or "")[0])
    assert worst < 1_500
    expect(page.locator(".chart")).to_have_attribute(
        "aria-label", re.compile(r"Waiting time, the last 30 seconds")
    )


def test_the_meter_would_show_a_handler_that_blocks(
    start: Start, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault of the starter: time.sleep() in place of asyncio.sleep() makes everybody wait."""
    unblocking = pitfalls.asyncio.sleep

    async def blocking_sleep(seconds: float) -> None:
        if seconds == 2.5:
            threading.Event().wait(seconds)  # blocks as time.sleep() does
        else:
            await unblocking(seconds)

    monkeypatch.setattr(pitfalls.asyncio, "sleep", blocking_sleep)
    lab = start(pitfalls.create_app(work_s=2.5))
    page = ready(open_page(lab.url + "/"))
    page.get_by_role("button", name="Work", exact=True).click()
    expect(page.locator(".job")).to_contain_text("Response")
    expect(page.locator("#worst")).to_have_text(re.compile(r"worst (9\d\d|[1-9]\d\d\d) ms"))


def test_what_others_say_and_their_coming_and_going_are_shown_as_text(
    start: Start, open_page: OpenPage
) -> None:
    lab = start(pitfalls.create_app(work_s=0.1))
    ada = ready(open_page(lab.url + "/"))
    hostile = '<img src="x" onerror="document.title = `owned`">'
    other = ready(open_page(lab.url + "/?name=<b>eve"))
    expect(ada.locator(".system").last).to_have_text("<b>eve joined the chat! 👋")
    say(other, hostile)
    expect(ada.locator(".message .person")).to_have_text("<b>eve")
    expect(ada.locator(".message .said")).to_have_text(hostile)
    assert ada.locator("#messages img, #messages b").count() == 0
    assert ada.title() == "Pitfalls · labkit"
    expect(other.locator(".message.mine")).to_contain_text(re.compile(r"<b>eve\s*\d+ ms"))
    other.close()
    expect(ada.locator(".system").last).to_have_text("<b>eve left the chat 👋")


def test_everybody_has_a_name_of_their_own_which_a_reload_keeps(start: Start, open_page: OpenPage) -> None:
    lab = start(pitfalls.create_app(work_s=0.1))
    pages = [ready(open_page(lab.url + "/")) for _ in range(2)]
    names = [name_of(page) for page in pages]
    assert len(set(names)) == 2
    pages[0].reload()
    assert name_of(ready(pages[0])) == names[0]


def test_when_the_server_comes_back_so_do_both_lines_and_unanswered_work_is_told(
    start: Start, open_page: OpenPage, watch: Any, lasting_port: int
) -> None:
    watch.allow(r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED")
    lab = start(pitfalls.create_app(work_s=600), name="pitfalls", port=lasting_port)
    page = ready(open_page(lab.url + "/"))
    page.get_by_role("button", name="Work", exact=True).click()
    expect(page.locator(".job")).to_contain_text("waiting…")
    lab.stop()
    expect(page.locator("#chip")).to_contain_text("Reconnecting")
    expect(page.locator(".job")).to_have_text("no answer: the connection ended first")
    expect(page.get_by_role("button", name="Work", exact=True)).to_be_disabled()
    start(pitfalls.create_app(work_s=0.1), name="pitfalls", port=lasting_port)
    expect(page.locator("#chip")).to_contain_text(re.compile(r"Connected\s*back after \d+\.\d s"))
    ready(page).get_by_role("button", name="Work", exact=True).click()
    expect(page.locator(".job").first).to_contain_text("Response")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("width", "height", "query"),
    [(1280, 800, ""), (900, 420, ""), (1920, 1080, "?view=projector"), (390, 844, ""), (320, 640, "")],
    ids=["laptop", "frame", "projector", "phone", "small phone"],
)
def test_it_fits_everywhere(
    start: Start, open_page: OpenPage, width: int, height: int, query: str, dark: bool
) -> None:
    lab = start(pitfalls.create_app(work_s=600))
    page = ready(open_page(lab.url + "/" + query, width=width, height=height, dark=dark))
    page.get_by_role("button", name="Five at once").click()
    expect(page.locator(".job")).to_have_count(5)
    say(page, "x" * 300)
    expect(page.locator(".message")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
