"""The projector views of the apps that have no room for it themselves: where to join stands beside the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from labkit.apps import create
from labkit.host import Lab

ADDRESS = "http://192.168.1.23:8000/"


@pytest.mark.parametrize("name", ["dashboard", "auth", "pitfalls", "echo", "lifecycle"])
def test_the_projector_shows_where_to_join_and_an_ordinary_window_does_not(
    start: Callable[..., Lab], open_page: Callable[..., Page], name: str
) -> None:
    app = create(name)
    app.state.join_url = ADDRESS
    lab = start(app)
    page = open_page(f"{lab.url}/?view=projector", width=1920, height=1080)
    expect(page.get_by_alt_text(f"QR code of {ADDRESS}")).to_be_visible()
    expect(page.locator(".join-address")).to_have_text("192.168.1.23:8000")
    overlap = page.evaluate(
        """() => document.querySelector("main").getBoundingClientRect().right
               - document.querySelector(".join-beside").getBoundingClientRect().left"""
    )
    assert overlap <= 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    plain = open_page(f"{lab.url}/")
    expect(plain.locator("h1")).to_be_visible()
    expect(plain.locator(".join-address")).to_have_count(0)
