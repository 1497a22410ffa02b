"""The published lessons in a browser: they load nothing, and fit a phone and a laptop, light and dark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from labkit import connect, serve
from labkit.publish.style import STYLE

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish the first lesson by the command."""
    site = tmp_path_factory.mktemp("published") / "site"
    command = [sys.executable, "-X", "utf8", "-m", "labkit", "dev", "publish", str(site), "00_start_here"]
    ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=200)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"1 lesson: {site / 'index.html'}\n"
    assert ended.stderr.startswith("00_start_here: running\n")
    return site


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_published_lesson_is_reached_reads_well_and_loads_nothing(
    site: Path, browser: Browser, width: int, dark: bool
):
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Start here: run your first real-time server").click()
    expect(page.get_by_role("heading", level=1, name="Start here")).to_be_visible()
    expect(page.get_by_text("Here is a live page in the notebook: echo.")).to_be_visible()
    expect(page.get_by_text("All 12 checks passed")).to_be_visible()
    expect(page.get_by_role("img", name="Delays of each way.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    if folder := os.environ.get("LABKIT_SHOTS"):
        page.screenshot(path=f"{folder}/published-{width}.png", full_page=True)
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []


def test_an_explained_handshake_fits_a_phone_with_its_reasons(browser: Browser):
    with serve("echo") as lab:
        connect(lab.wire).close()
        explained = lab.wire.handshake.explain()._repr_html_()
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_content(
        f"<style>{STYLE}</style><main><div class='output'><div class='output_subarea'>{explained}</div></div></main>"
    )
    reason = page.get_by_role("cell", name="an ordinary GET: the path chooses the handler").bounding_box()
    assert reason
    assert reason["x"] + reason["width"] <= 390
    assert reason["height"] < 5 * 27.2  # lines of the page
    context.close()
