"""The rooms' page in a real browser: side by side, and nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Locator, Page, expect

from labkit import connect
from labkit.apps import rooms
from labkit.host import Lab

OpenPage = Callable[..., Page]
Start = Callable[..., Lab]


@pytest.fixture(autouse=True)
def patient_expectations() -> None:
    expect.set_options(timeout=10_000)


@pytest.fixture
def app() -> Any:
    return rooms.create_app()


@pytest.fixture
def lab(app: Any, start: Start) -> Lab:
    return start(app)


def room(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"Room {name}")


def enter(open_page: OpenPage, lab: Lab, query: str, **options: Any) -> Page:
    """Open the page, and wait until the one of its query is a member of every room of its query."""
    asked = parse_qs(query)
    page = open_page(f"{lab.url}/?{query}", **options)
    here = page.locator("[data-part=members]").filter(has_text=asked["name"][0])
    expect(here).to_have_count(len(asked.get("rooms", ["red,green,blue"])[0].split(",")))
    return page


def say(page: Page, name: str, text: str) -> None:
    field = page.get_by_label(f"Message to {name}")
    field.fill(text)
    field.press("Enter")


def test_what_is_said_in_one_room_appears_in_that_column_alone(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "name=Ada")
    ben = enter(open_page, lab, "name=Ben&rooms=red,blue")
    for name in ("red", "blue"):
        expect(room(ada, name)).to_contain_text("Ada, Ben")
    say(ada, "red", "only here")
    for page in (ada, ben):
        expect(room(page, "red").locator(".said")).to_have_text("only here")
    say(ben, "blue", "and here")
    for page in (ada, ben):
        expect(room(page, "blue").locator(".said")).to_have_text("and here")
        expect(room(page, "red").locator(".said")).to_have_count(1)
    expect(room(ada, "green").locator(".said")).to_have_count(0)
    expect(ada.locator("#server")).to_have_text(
        "The server's rooms and their members: red 2 · green 1 · blue 2"
    )


def test_one_leaves_a_room_and_enters_it_again(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "name=Ada&rooms=red,blue")
    red = room(ada, "red")
    expect(red.locator(".chip")).to_contain_text("Connected")
    red.get_by_role("button", name="Leave").click()
    expect(red).to_contain_text("nobody here")
    expect(ada.locator("#server")).to_have_text("The server's rooms and their members: blue 1")
    ben = connect(lab, "/ws/rooms/red?name=Ben")
    ben.send("while Ada is away")
    ben.receive(), ben.receive()
    red.get_by_role("button", name="Enter").click()
    expect(red).to_contain_text("Ada, Ben")
    expect(red.locator(".said")).to_have_count(0)


def test_on_a_phone_there_is_one_room_at_a_time_and_a_count_of_what_is_unread(
    lab: Lab, open_page: OpenPage
) -> None:
    page = enter(open_page, lab, "name=Ada&rooms=red,blue", width=390, height=844)
    expect(room(page, "red")).to_be_visible()
    expect(room(page, "blue")).to_be_hidden()
    ben = connect(lab, "/ws/rooms/blue?name=Ben")
    ben.send("one")
    ben.send("two")
    tab = page.get_by_role("navigation", name="Rooms").get_by_role("button", name="blue")
    expect(tab).to_contain_text("2")
    tab.click()
    expect(room(page, "blue").locator(".said")).to_have_text(["one", "two"])
    expect(room(page, "red")).to_be_hidden()
    expect(tab.locator(".badge")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.get_by_label("Message to blue")).to_be_in_viewport()


def test_the_projector_watches_all_rooms(app: Any, lab: Lab, open_page: OpenPage) -> None:
    app.state.join_url = "http://192.168.1.23:8000/"
    page = open_page(f"{lab.url}/?view=projector", width=1920, height=1080)
    expect(page.get_by_alt_text("QR code of http://192.168.1.23:8000/")).to_be_visible()
    expect(page.locator(".chip").filter(has_text="Connected")).to_have_count(3)
    ben = connect(lab, "/ws/rooms/blue?name=Ben")
    expect(room(page, "blue")).to_contain_text("Ben")
    ben.send("<b>hi</b>")
    expect(room(page, "blue").locator(".said")).to_have_text("<b>hi</b>")
    expect(room(page, "blue")).to_contain_text("Ben")
    expect(page.get_by_role("textbox")).to_have_count(0)
    expect(room(page, "red").locator(".said")).to_have_count(0)


def test_the_host_kicks_somebody_out_of_one_room_alone(app: Any, lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "name=Ada&rooms=red,blue")
    expect(room(ada, "blue").locator(".chip")).to_contain_text("Connected")
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    room(host, "red").get_by_role("button", name="Kick Ada").click()
    expect(room(ada, "red")).to_contain_text("the host has removed you")
    expect(room(ada, "blue").locator(".chip")).to_contain_text("Connected")
    say(ada, "blue", "still here")
    expect(room(ada, "blue").locator(".said")).to_have_text("still here")


def test_another_name_takes_the_place_of_the_old_one_in_every_room(lab: Lab, open_page: OpenPage) -> None:
    page = enter(open_page, lab, "name=Ada&rooms=red,blue")
    for name in ("red", "blue"):
        expect(room(page, name).locator("[data-part=members]")).to_have_text("Ada")
    page.get_by_label("You are").fill("Eve")
    page.keyboard.press("Enter")
    for name in ("red", "blue"):
        expect(room(page, name).locator("[data-part=members]")).to_have_text("Eve")
