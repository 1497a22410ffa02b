"""The chat's page in a real browser: two people, a projector, a host, and a line that fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labkit import connect
from labkit.apps import chat
from labkit.host import Lab
from labkit.hub import Limits

OpenPage = Callable[..., Page]
Cut = Callable[..., AbstractContextManager[None]]
Start = Callable[..., Lab]
LINE_IS_DOWN = (
    r"WebSocket connection to .* failed"
    r"|ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED|CONNECTION_RESET|SOCKET_NOT_CONNECTED)"
)


@pytest.fixture(autouse=True)
def patient_expectations() -> None:
    expect.set_options(timeout=10_000)


@pytest.fixture
def app() -> Any:
    return chat.create_app()


@pytest.fixture
def lab(app: Any, start: Start) -> Lab:
    return start(app)


def enter(open_page: OpenPage, lab: Lab, name: str, **options: Any) -> Page:
    page = open_page(f"{lab.url}/?name={name}", **options)
    expect(page.locator("#chip")).to_contain_text("Connected")
    expect(page.locator("#people")).to_contain_text(name)
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def said(page: Page) -> list[str]:
    return page.locator(".message .said").all_text_contents()


def test_one_gives_a_name_and_is_in(lab: Lab, open_page: OpenPage) -> None:
    page = open_page(lab.url)
    name = page.get_by_label("Your name, for the others to see")
    expect(name).to_be_focused()
    assert re.fullmatch(r"\w+ \w+", name.input_value())  # one to take as it is
    name.fill("Ada")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("Ada joined the chat! 👋")
    expect(page.get_by_role("heading", name="1 person here")).to_be_visible()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.reload()
    expect(page.locator("#chip")).to_contain_text("Connected")  # the tab remembers the name
    expect(page.locator("#people")).to_contain_text("Ada (you)")


def test_two_pages_chat_and_see_each_other_come_type_and_go(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    ben = enter(open_page, lab, "Ben")
    expect(ada.get_by_role("heading", name="2 people here")).to_be_visible()
    ben.get_by_label("Message", exact=True).press_sequentially("hel")
    expect(ada.locator("#typing")).to_have_text("Ben is typing…")
    say(ben, "hello")
    for page in (ada, ben):
        expect(page.locator(".message .said")).to_have_text("hello")
    expect(ada.locator("#typing")).to_have_text("")
    expect(ben.locator("#typing")).to_have_text("")
    assert ada.locator(".message .person").all_text_contents() == ["Ben"]
    assert ben.locator(".message .person").all_text_contents() == ["You"]
    ben.close()
    expect(ada.locator("#messages")).to_contain_text("Ben left the chat 👋")
    expect(ada.get_by_role("heading", name="1 person here")).to_be_visible()


def test_a_private_message_is_seen_by_the_two(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    cy = enter(open_page, lab, "Cy")
    ben.get_by_role("button", name="Write to Ada privately").click()
    expect(ben.get_by_text("🔒 Private, to Ada alone")).to_be_visible()
    say(ben, "psst")
    expect(ada.locator(".message")).to_contain_text("Ben 🔒 privately to you")
    expect(ben.locator(".message")).to_contain_text("You 🔒 privately to Ada")
    ben.get_by_label("Message", exact=True).press("Escape")
    say(ben, "aloud")
    expect(cy.locator(".message .said")).to_have_text("aloud")
    assert said(cy) == ["aloud"]
    expect(ada.locator(".message .said").last).to_have_text("aloud")


HOSTILE = '<img src="x" onerror="document.title = `owned`">'


def test_hostile_names_and_texts_are_shown_as_text(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    projector = open_page(f"{lab.url}/?view=projector")
    expect(projector.locator("#people")).to_contain_text("Ada")
    mallory = connect(lab, "/ws/%3Cimg%20src=x%20onerror=alert(1)%3E")
    mallory.send(HOSTILE)
    mallory.send_json({"type": "private", "to": "Ada", "message": HOSTILE})
    mallory.send_json({"type": "typing"})
    typing = ada.locator("#typing")  # first, for it ends by itself
    expect(typing).to_contain_text("<img src=x onerror=alert(1)> is typing…")
    expect(ada.locator(".message")).to_have_count(2)
    expect(projector.locator(".message .said")).to_have_text(HOSTILE)
    for page in (ada, projector):
        expect(page.locator("#people")).to_contain_text("<img src=x onerror=alert(1)>")
        assert page.locator("#room img:not(.qr), #room script").count() == 0
        assert page.title() == "Chat · labkit"


def test_one_whose_line_fails_comes_back_and_catches_up(
    start: Start, open_page: OpenPage, watch: Any, cut: Cut
) -> None:
    watch.allow(LINE_IS_DOWN)
    # However long it takes here, she has not left for good meanwhile.
    lab = start(chat.create_app(Limits(presence_grace_s=60)))
    ada = enter(open_page, lab, "Ada")
    with cut(lab, ada):
        ben = connect(lab, "/ws/Ben")
        for text in ("one", "two", "three"):
            ben.send(text)
        assert [ben.receive_json()["message"] for _ in range(4)][1:] == ["one", "two", "three"]
        say(ada, "does anybody hear me?")
        expect(ada.get_by_label("Message", exact=True)).to_have_value(
            "does anybody hear me?"
        )  # kept, not lost
    expect(ada.locator("#chip")).to_contain_text(
        re.compile(r"Connected\s*back after \d+\.\d s, \d messages caught up")
    )
    expect(ada.locator(".divider")).to_contain_text(re.compile(r"You are back: \d messages caught up"))
    expect(ada.locator(".message .said")).to_have_text(["one", "two", "three"])
    say(ada, "back")
    expect(ada.locator(".message .said").last).to_have_text("back")


def test_what_cannot_be_caught_up_is_said_so(app: Any, start: Start, open_page: OpenPage, watch: Any) -> None:
    watch.allow(LINE_IS_DOWN)
    lab = start(app, name="restarted")
    ada = enter(open_page, lab, "Ada")
    again = start(chat.create_app(), name="restarted")  # a new life, the same port
    assert again.port == lab.port
    expect(ada.locator("#chip")).to_contain_text("Connected")
    expect(ada.locator(".divider")).to_contain_text("what was said meanwhile is lost")
    expect(ada.get_by_role("heading", name="1 person here")).to_be_visible()


def test_the_projector_shows_the_address_and_who_is_here_and_takes_no_part(
    app: Any, lab: Lab, open_page: OpenPage
) -> None:
    app.state.join_url = "http://192.168.1.23:8000/"
    ada = enter(open_page, lab, "Ada")
    page = open_page(f"{lab.url}/?view=projector", width=1920, height=1080)
    expect(page.get_by_alt_text("QR code of http://192.168.1.23:8000/")).to_be_visible()
    expect(page.locator(".join-address")).to_have_text("192.168.1.23:8000")
    expect(page.locator("#people")).to_have_text("Ada")
    expect(page.get_by_label("Message", exact=True)).to_be_hidden()
    ben = connect(lab, "/ws/Ben")
    ben.send_json({"type": "private", "to": "Ada", "message": "secret"})
    ben.send("aloud")
    expect(page.locator(".message .said")).to_have_text("aloud")
    expect(ada.locator(".message .said")).to_have_text(["secret", "aloud"])
    assert "secret" not in page.content()
    assert app.state.host_token not in page.content()
    expect(page.locator(".qr")).to_have_js_property("complete", True)
    assert page.evaluate("document.querySelector('.qr').naturalWidth") > 0
    lowest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect().bottom))"
    )
    assert lowest <= 1080 * 0.851  # heads in the rows before hide the rest
    assert ada.locator("#people li").count() == 2


def test_no_name_keeps_the_host_from_seeing_the_others(app: Any, lab: Lab, open_page: OpenPage) -> None:
    """Some names are those of what every object in JavaScript has."""
    names = ("constructor", "toString", "__proto__", "hasOwnProperty")
    for name in names:
        connect(lab, f"/ws/{name}").receive()
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    for name in names:
        expect(host.get_by_role("button", name=f"Mute {name}", exact=True)).to_be_visible()
    connect(lab, "/ws/zoe").receive()
    expect(host.get_by_role("button", name="Mute zoe", exact=True)).to_be_visible()


@pytest.mark.parametrize("name", [".", "..", "a/b"])
def test_a_name_that_an_address_cannot_have_is_asked_for_anew(
    lab: Lab, open_page: OpenPage, name: str
) -> None:
    page = open_page(f"{lab.url}/?name={name}")
    box = page.get_by_label("Your name, for the others to see")
    expect(box).to_be_focused()
    box.fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("This can't be a name|can't be part of a name"))).to_be_visible()
    box.fill("Ada")
    page.keyboard.press("Enter")
    expect(page.locator("#chip")).to_contain_text("Connected")


def test_the_host_mutes_slows_clears_locks_and_kicks_and_the_page_shows_it(
    app: Any, lab: Lab, open_page: OpenPage
) -> None:
    ada = enter(open_page, lab, "Ada")
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    expect(host.get_by_role("heading", name="Host of chat")).to_be_visible()
    host.get_by_role("button", name="Mute Ada").click()
    expect(ada.get_by_text("The host has muted you")).to_be_visible()
    expect(ada.get_by_label("Message", exact=True)).to_be_disabled()
    host.get_by_role("button", name="Undo").click()
    expect(ada.get_by_text("The host has muted you")).to_be_hidden()
    say(ada, "first")
    host.get_by_label("Slow mode", exact=True).select_option("60")
    expect(ada.get_by_text("Slow mode: one message in 60 s.")).to_be_visible()
    say(ada, "second")
    expect(ada.locator(".message .said").last).to_have_text("second")
    say(ada, "third")
    expect(ada.locator("#why")).to_contain_text("This room is in slow mode")
    expect(ada.get_by_label("Message", exact=True)).to_have_value("third")
    clear = host.get_by_role("button", name="Clear")
    clear.click()
    expect(ada.locator(".message")).to_have_count(2)  # asked twice
    host.get_by_role("button", name="Really clear?").click()
    expect(ada.locator(".message")).to_have_count(0)
    expect(ada.locator("#messages")).to_have_text("The host has cleared the chat.")
    host.get_by_role("button", name="Lock").click()
    expect(ada.get_by_text("The chat is locked")).to_be_visible()
    expect(host.get_by_role("button", name="Unlock")).to_have_attribute("aria-pressed", "true")
    late = open_page(f"{lab.url}/?name=Late")
    expect(late.locator("#chip")).to_contain_text("Reconnecting")
    host.get_by_role("button", name="Kick Ada").click()
    expect(ada.locator("#chip")).to_contain_text("4504 removed - the host has removed you")
    expect(host.get_by_role("button", name="Let back in Ada")).to_be_visible()
    host.get_by_role("button", name="Unlock").click()
    expect(late.locator("#chip")).to_contain_text("Connected", timeout=20_000)


def test_a_name_that_cannot_be_is_asked_for_again(lab: Lab, open_page: OpenPage) -> None:
    page = open_page(lab.url)
    name = page.get_by_label("Your name, for the others to see")
    name.fill("a/b")
    page.keyboard.press("Enter")
    expect(page.locator("#join-why")).to_contain_text("A slash can't be part of a name")
    name.fill("System")
    page.keyboard.press("Enter")
    expect(page.locator("#join-why")).to_have_text("'system' is the server's own name.")
    name.fill("Ada")
    page.keyboard.press("Enter")
    expect(page.locator("#people")).to_contain_text("Ada (you)")


@pytest.mark.parametrize(
    ("query", "width", "height"),
    [
        ("?name=Ada", 320, 640),
        ("?name=Ada", 390, 844),
        ("?name=Ada", 1280, 800),
        ("?view=projector", 1024, 768),
        ("?view=projector", 1920, 1080),
    ],
)
def test_nothing_is_wider_than_the_window(
    lab: Lab, open_page: OpenPage, query: str, width: int, height: int
) -> None:
    ws = connect(lab, f"/ws/{'W' * 100}")
    ws.send("W" * 300)
    page = open_page(f"{lab.url}/{query}", width=width, height=height)
    expect(page.locator("#people")).to_contain_text(
        "W" * 100
    )  # in the room: a connection alone hears nothing yet
    ws.send("W" * 300)
    expect(page.locator(".message")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if "name" in query:
        expect(page.get_by_role("button", name="Send")).to_be_in_viewport()


def test_everything_can_be_done_with_the_keyboard(lab: Lab, open_page: OpenPage) -> None:
    enter(open_page, lab, "Ada")
    ben = enter(open_page, lab, "Ben")
    ben.get_by_label("Message", exact=True).fill("x")
    ben.keyboard.press("Tab")
    expect(ben.get_by_role("button", name="Send")).to_be_focused()
    ben.keyboard.press("Tab")
    ben.keyboard.press("Tab")
    expect(ben.get_by_role("button", name="Write to Ada privately")).to_be_focused()
    ben.keyboard.press("Enter")
    expect(ben.get_by_label("Message", exact=True)).to_be_focused()
    assert ben.get_by_role("log").get_attribute("aria-label") == "Messages"
