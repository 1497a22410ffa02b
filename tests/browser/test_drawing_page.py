"""The drawing page in a real browser: several people on one board, and everything that can go wrong between them."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from playwright.sync_api import Page, expect

from labkit import connect
from labkit.apps import boards, drawing, live_board
from labkit.board import board as board_module
from labkit.board import board_file
from labkit.host import Lab

OpenPage = Callable[..., Page]
Cut = Callable[..., AbstractContextManager[None]]
Start = Callable[..., Lab]
Box = tuple[float, float, float, float]
Place = tuple[float, float]

LINE_IS_DOWN = (
    r"WebSocket connection to .* failed"
    r"|ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED|CONNECTION_RESET|SOCKET_NOT_CONNECTED)"
)
PATIENCE_S = 15.0
WIDTH, HEIGHT = 1600, 1000


@pytest.fixture(autouse=True)
def patient_expectations() -> None:
    expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return drawing.create_app()


@pytest.fixture
def lab(app: Any, start: Start) -> Lab:
    return start(app)


def enter(open_page: OpenPage, lab: Lab | str, name: str, **options: Any) -> Page:
    url = lab if isinstance(lab, str) else lab.url
    page = open_page(f"{url}/?name={name}", **options)
    expect(page.locator("#chip")).to_contain_text("Connected")
    expect(page.locator("#people")).to_contain_text(name)
    return page


# ---- a hand on the board, in the board's own units ----------------------------------------------------


def on_screen(page: Page, *places: Place) -> list[Place]:
    box = page.locator("#live").bounding_box()
    assert box
    return [(box["x"] + x * box["width"] / WIDTH, box["y"] + y * box["height"] / HEIGHT) for x, y in places]


def begin(page: Page, *places: Place) -> None:
    first, *rest = on_screen(page, *places)
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=4)


def draw(page: Page, *places: Place) -> None:
    begin(page, *places)
    page.mouse.up()


INK_IN = """
([left, top, right, bottom]) => {
  // A copy: reading the page's own canvases would make them slow.
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [1600, 1000];
  const context = copy.getContext("2d", { willReadFrequently: true });
  for (const id of ["base", "live"]) context.drawImage(document.getElementById(id), 0, 0, 1600, 1000);
  const paper = getComputedStyle(document.documentElement).getPropertyValue("--board").trim();
  const paperIs = [1, 3, 5].map((i) => parseInt(paper.slice(i, i + 2), 16));
  const { data } = context.getImageData(left, top, right - left, bottom - top);
  let inked = 0;
  for (let i = 0; i < data.length; i += 4) inked += paperIs.some((value, k) => Math.abs(data[i + k] - value) > 40);
  return inked;
}
"""


def ink(page: Page, box: Box) -> int:
    """Count what isn't paper in a box, in board units."""
    return page.evaluate(INK_IN, list(box))  # type: ignore[no-any-return]


def until(page: Page, true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {PATIENCE_S:g} s")
        page.wait_for_timeout(30)


def expect_ink(page: Page, box: Box, least: int = 100) -> None:
    until(page, lambda: ink(page, box) >= least, f"ink in {box}")


def expect_no_ink(page: Page, box: Box) -> None:
    until(page, lambda: ink(page, box) == 0, f"no ink in {box}")


def expect_same_ink(one: Page, other: Page, box: Box, *, within: int) -> None:
    """Wait until two pages have painted all that they know: then they differ by no more than soft edges."""
    until(one, lambda: abs(ink(one, box) - ink(other, box)) < within, f"the same ink in {box}")


def history(lab: Lab) -> list[dict[str, Any]]:
    """What a newcomer is told is on the board."""
    with connect(lab, "/ws/draw?name=newcomer") as newcomer:
        items: list[dict[str, Any]] = newcomer.receive_json()["history"]
        return items


def expect_history(page: Page, lab: Lab, count: int) -> list[dict[str, Any]]:
    until(page, lambda: len(history(lab)) == count, f"{count} strokes on the server")
    return history(lab)


WAVE = [(200, 300), (300, 200), (400, 300), (500, 200)]
WAVE_BOX = (190, 190, 510, 310)
LOW = [(200, 800), (600, 800)]
LOW_BOX = (190, 780, 610, 820)


# ---- drawing together ---------------------------------------------------------------------------------


def test_two_pages_see_each_others_strokes_while_they_grow(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    begin(ada, *WAVE)
    expect(ben.locator(".cursor")).to_contain_text("Ada")  # first, for it fades
    expect_ink(ada, WAVE_BOX)
    expect_ink(ben, WAVE_BOX)  # the pen is still down
    assert history(lab) == []
    ada.mouse.up()
    draw(ben, *LOW)
    for page in (ada, ben):
        expect_ink(page, LOW_BOX)
        expect_ink(page, WAVE_BOX)
        assert ink(page, (700, 100, 1500, 900)) == 0
    first, second = expect_history(ada, lab, 2)
    assert first["artist_id"] != second["artist_id"]
    assert first["color"] != second["color"]
    assert math.dist(first["points"][0], WAVE[0]) < 3
    assert math.dist(first["points"][-1], WAVE[-1]) < 3
    expect_same_ink(ada, ben, WAVE_BOX, within=20)


def test_a_reload_keeps_the_picture_and_what_can_be_undone(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    draw(ada, *WAVE)
    expect_history(ada, lab, 1)
    ada.goto(lab.url)  # the tab remembers the name
    expect(ada.locator("#people")).to_contain_text("Ada (you)")
    expect_ink(ada, WAVE_BOX)
    ada.keyboard.press("Control+z")
    expect_no_ink(ada, WAVE_BOX)


def test_every_tool_draws_its_shape(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    for key, name in (("l", "Line"), ("r", "Rectangle"), ("o", "Ellipse")):
        ada.keyboard.press(key)
        expect(ada.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
        left = 100 + 400 * "lro".index(key)
        draw(ada, (left, 100), (left + 300, 400))
    for page in (ada, ben):
        expect_ink(page, (240, 240, 260, 260), 50)  # the line passes its middle,
        expect_ink(page, (500, 90, 520, 110), 50)  # the rectangle has corners and no middle,
        expect_ink(page, (1040, 90, 1060, 110), 50)  # the ellipse has neither
        assert ink(page, (540, 140, 760, 360)) == 0
        assert ink(page, (900, 100, 930, 130)) == 0
    ben.get_by_role("button", name="Very broad").click()
    ben.get_by_role("button", name="Eraser").click()
    draw(ben, (80, 250), (420, 250))
    for page in (ada, ben):
        expect_no_ink(page, (240, 240, 260, 260))
    assert [item["tool"] for item in expect_history(ada, lab, 4)] == ["line", "rect", "ellipse", "eraser"]


def test_undo_takes_back_ones_own_stroke_and_redo_brings_it_back(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    draw(ada, *WAVE)
    expect_ink(ben, WAVE_BOX)
    draw(ben, *LOW)
    expect_ink(ada, LOW_BOX)
    ada.keyboard.press("Control+z")
    for page in (ada, ben):
        expect_no_ink(page, WAVE_BOX)
        expect_ink(page, LOW_BOX)
    ada.keyboard.press("Control+z")
    expect(ada.locator("#why")).to_contain_text("nothing to undo")
    assert ink(ada, LOW_BOX) > 100  # Ben's is not Ada's to undo
    ada.keyboard.press("Control+Shift+z")
    expect_ink(ben, WAVE_BOX)
    ada.get_by_role("button", name="Undo").click()
    expect_no_ink(ben, WAVE_BOX)
    ada.keyboard.press("Control+y")
    expect_ink(ben, WAVE_BOX)
    ada.get_by_label("Under this name").fill("pelro")  # letters that are tools, where somebody types
    ada.keyboard.press("Control+z")
    expect(ada.get_by_role("button", name="Pen", exact=True)).to_have_attribute("aria-pressed", "true")
    assert ink(ben, WAVE_BOX) > 100


def test_a_clear_is_asked_for_and_reaches_everyone(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    draw(ada, *WAVE)
    expect_ink(ben, WAVE_BOX)
    dialog = ben.get_by_role("dialog", name="Clear the whole board?")
    ben.get_by_role("button", name="Clear", exact=True).click()
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    ben.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert ink(ada, WAVE_BOX) > 100
    ben.get_by_role("button", name="Clear", exact=True).click()
    dialog.get_by_role("button", name="Clear for everybody").click()
    expect(dialog).to_be_hidden()
    expect(ada.locator("#why")).to_have_text("Ben has cleared the board.")  # first, for it goes again
    expect(ben.locator("#why")).to_have_text("")
    for page in (ada, ben):
        expect_no_ink(page, (0, 0, WIDTH, HEIGHT))
    assert history(lab) == []


def test_the_pen_goes_on_after_somebodys_clear(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    begin(ada, *WAVE)
    expect_ink(ben, WAVE_BOX)
    ben.get_by_role("button", name="Clear", exact=True).click()
    ben.get_by_role("button", name="Clear for everybody").click()
    expect_no_ink(ben, WAVE_BOX)
    for place in on_screen(ada, (900, 600), (1200, 600)):
        ada.mouse.move(*place, steps=8)
    ada.mouse.up()
    for page in (ada, ben):
        expect_ink(page, (1000, 580, 1200, 620))
    expect_no_ink(ada, (190, 190, 310, 310))
    expect_history(ada, lab, 1)
    assert ink(ben, (190, 190, 310, 310)) == 0


def test_a_board_is_saved_and_loaded_by_a_name(lab: Lab, open_page: OpenPage, tmp_path: Path) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    draw(ada, *WAVE)
    name = ada.get_by_label("Under this name")
    name.fill("lesson 1")
    ada.get_by_role("button", name="Save").click()
    expect(ada.locator("#keep-why")).to_have_text("Saved as “lesson 1”.")
    draw(ben, *LOW)
    expect_ink(ada, LOW_BOX)
    ada.get_by_role("button", name="Load").click()
    expect(ada.locator("#keep-why")).to_have_text("“lesson 1” is on the board.")
    for page in (ada, ben):
        expect_no_ink(page, LOW_BOX)
        expect_ink(page, WAVE_BOX)
    name.fill("never saved")
    ada.get_by_role("button", name="Load").click()
    expect(ada.locator("#keep-why")).to_contain_text("never saved")
    assert ink(ben, WAVE_BOX) > 100
    name.fill("../escape")
    ada.get_by_role("button", name="Save").click()
    expect(ada.locator("#keep-why")).not_to_have_text("Saving…")
    assert list(tmp_path.parent.glob("*escape*")) == []


def test_a_drawing_that_could_not_be_loaded_is_not_said_to_be_there_later(
    app: Any, lab: Lab, open_page: OpenPage
) -> None:
    ada = enter(open_page, lab, "Ada")
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    draw(ada, *WAVE)
    expect_history(ada, lab, 1)
    ada.get_by_label("Under this name").fill("never saved")
    ada.get_by_role("button", name="Load").click()
    expect(ada.locator("#keep-why")).to_contain_text("Nothing was saved by the name")
    host.get_by_role("button", name="Clear").click()
    host.get_by_role("button", name="Really clear?").click()
    expect(ada.locator("#why")).to_have_text("The host has cleared the board.")
    expect_no_ink(ada, WAVE_BOX)
    host.get_by_role("button", name="Undo").click()
    expect_ink(ada, WAVE_BOX)  # the board came anew, and not by our loading
    assert "is on the board" not in ada.locator("#keep-why").inner_text()


def test_the_board_is_exported_as_png_svg_and_json(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    draw(ada, *WAVE)
    [item] = expect_history(ada, lab, 1)
    with ada.expect_download() as download:
        ada.get_by_role("button", name="PNG").click()
    png = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == "drawing.png"
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (WIDTH, HEIGHT)
    svg = httpx.get(ada.get_by_role("link", name="SVG").evaluate("link => link.href"))
    assert svg.status_code == 200
    assert item["color"] in svg.text
    exported = httpx.get(ada.get_by_role("link", name="JSON").evaluate("link => link.href"))
    assert item["id"] in exported.text
    with ada.expect_download() as download:
        ada.get_by_role("link", name="SVG").click()
    assert download.value.suggested_filename == "drawing.svg"


PIXELS = """
async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  const at = (x, y) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)];
  return {paper: at(800, 100), line: at(300, 800), erased: at(500, 800)};
}
"""


def test_a_png_is_on_white_paper_whatever_the_theme_of_its_page(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben", dark=True)
    draw(ada, *LOW)
    ada.get_by_role("button", name="Eraser").click()
    draw(ada, (500, 700), (500, 900))
    [line, _] = expect_history(ada, lab, 2)
    pictures = []
    for page in (ada, ben):
        expect_ink(page, LOW_BOX)
        expect_no_ink(page, (495, 780, 505, 820))
        with page.expect_download() as download:
            page.get_by_role("button", name="PNG").click()
        png = Path(download.value.path()).read_bytes()
        pictures.append(page.evaluate(PIXELS, base64.b64encode(png).decode()))
    color = [int(line["color"][i : i + 2], 16) for i in (1, 3, 5)]
    assert pictures[0] == {"paper": [255] * 3, "line": color, "erased": [255] * 3}
    assert pictures[1] == pictures[0]


# ---- what has no room ---------------------------------------------------------------------------------


def test_a_full_board_says_so_and_goes_on_after_an_undo(
    app: Any, lab: Lab, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (board_module, live_board):
        monkeypatch.setattr(module, "BOARD_MAX_ITEMS", 2)
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    draw(ada, *WAVE)
    expect(ben.locator("#count")).to_have_text("1 stroke on the board.")
    expect(ben.locator("#rules")).to_have_text("")
    draw(ben, *LOW)
    for page in (ada, ben):
        expect(page.locator("#count")).to_have_text(
            "2 strokes on the board. It takes 2: save it, and clear soon."
        )
        expect(page.locator("#rules")).to_contain_text("The board is full")
    draw(ada, (900, 500), (1100, 500))
    expect(ada.locator("#why")).to_have_text("The board is full. Try: clear it, or undo something.")
    expect_no_ink(ada, (890, 480, 1110, 520))  # what is not on the board is not on the page either
    assert len(history(lab)) == 2
    ben.keyboard.press("Control+z")
    for page in (ada, ben):
        expect(page.locator("#rules")).to_have_text("")
    draw(ada, (900, 500), (1100, 500))
    for page in (ada, ben):
        expect_ink(page, (900, 480, 1100, 520))
        expect_ink(page, WAVE_BOX)


def test_a_full_disk_is_said_and_the_board_goes_on_in_memory(
    tmp_path: Path, lab: Lab, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "RETRY_EVERY_S", 0.02)
    is_full = threading.Event()
    is_full.set()
    write_all = board_file._write_all

    def write(file: Any, data: bytes) -> None:
        if is_full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(file, data)

    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    monkeypatch.setattr(board_file, "_write_all", write)
    draw(ada, *WAVE)
    said = "What is drawn now is not saved: the disk is full. The board goes on in memory."
    late = enter(open_page, lab, "Late")
    for page in (ada, ben, late):
        expect(page.locator("#rules")).to_contain_text(said)
        expect_ink(page, WAVE_BOX)
    draw(ben, *LOW)
    for page in (ada, ben, late):
        expect_ink(page, LOW_BOX)
    is_full.clear()
    for page in (ada, ben, late):
        expect(page.locator("#rules")).to_have_text("")
    until(
        ada,
        lambda: sum('"tool"' in line for line in kept_lines(tmp_path)) == 2,
        "both strokes on the disk",
    )


def kept_lines(folder: Path) -> list[str]:
    return [line for path in folder.glob("boards/*/board.jsonl") for line in path.read_text().splitlines()]


# ---- who is here --------------------------------------------------------------------------------------


def test_who_comes_and_goes_is_listed_and_said_aloud(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    spoken = ada.locator("#spoken")
    expect(spoken).to_have_attribute("aria-live", "polite")
    expect(spoken).to_have_text("")  # who was here before is no news
    ben = enter(open_page, lab, "Ben")
    expect(spoken).to_have_text("Ben joined.")
    expect(ada.get_by_role("heading", name="2 artists here")).to_be_visible()
    row = ada.locator("#people li", has_text="Ben")
    expect(row.locator("svg.marker")).to_have_count(1)
    assert re.search(
        r"disc|square|triangle|diamond|star|cross|hexagon|wedge|ring|bow|heart", row.inner_text()
    )
    for place in on_screen(ben, (100, 100), (800, 500)):
        ben.mouse.move(*place)
    cursor = ada.locator(".cursor", has_text="Ben")
    expect(cursor).to_have_attribute(
        "style", re.compile(r"left: 50(\.0\d*)?%; top: 50(\.0\d*)?%")
    )  # the last place
    expect(spoken).to_have_text("Ben joined.")  # a moving cursor is not read aloud
    ada.get_by_label("Show the others' pens").uncheck()
    expect(cursor).to_be_hidden()
    ben.close()
    expect(spoken).to_have_text("Ben left.")
    expect(ada.get_by_role("heading", name="1 artist here")).to_be_visible()


def test_a_cursor_that_nobody_moves_fades(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada", fake_clock=True), enter(open_page, lab, "Ben")
    ben.mouse.move(*on_screen(ben, (800, 500))[0])
    expect(ada.locator(".cursor")).to_have_count(1)
    ada.clock.pause_at(ada.evaluate("Date.now()") / 1000 + 5.6)  # and stands: the next look waits for us
    expect(ada.locator(".cursor.faded")).to_have_count(1)
    ada.clock.run_for(1_000)
    expect(ada.locator(".cursor")).to_have_count(0)


HOSTILE = "<img src=x onerror=alert(1)>"


def test_hostile_names_are_shown_as_text(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    mallory = connect(lab, f"/ws/draw?name={HOSTILE.replace(' ', '%20')}")
    mallory.receive_json()
    mallory.send_json({"type": "cursor", "x": 5, "y": 5})
    expect(ada.locator("#people")).to_contain_text(HOSTILE)
    expect(ada.locator(".cursor")).to_contain_text(HOSTILE)
    assert ada.locator("#studio img").count() == 0


# ---- pointers -----------------------------------------------------------------------------------------


class Fingers:
    """Touches, as Chromium gets them from a screen."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._cdp = page.context.new_cdp_session(page)

    def _dispatch(self, kind: str, *places: Place) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(on_screen(self._page, *places))]
        self._cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def down(self, *places: Place) -> None:
        self._dispatch("touchStart", *places)

    def move(self, *places: Place) -> None:
        self._dispatch("touchMove", *places)

    def up(self) -> None:
        self._cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def cancel(self) -> None:
        self._cdp.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})


def test_a_finger_draws_and_a_second_one_takes_the_stroke_back(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    phone = enter(open_page, lab, "Ben", width=390, height=844, has_touch=True, device_scale_factor=3)
    fingers = Fingers(phone)
    fingers.down(WAVE[0])
    for place in WAVE[1:]:
        fingers.move(place)
    fingers.up()
    for page in (ada, phone):
        expect_ink(page, WAVE_BOX)
    expect_history(ada, lab, 1)
    fingers.down(LOW[0])
    fingers.move((400, 800))
    expect_ink(ada, LOW_BOX)  # it has gone out already
    fingers.down((400, 800), (800, 500))
    fingers.move((600, 800), (900, 500))
    fingers.up()
    for page in (ada, phone):
        expect_no_ink(page, LOW_BOX)
        assert ink(page, WAVE_BOX) > 100
    fingers.down((1000, 800))
    fingers.move((1200, 800))
    fingers.cancel()  # the system took the touch: what was drawn stays
    for page in (ada, phone):
        expect_ink(page, (1000, 780, 1200, 820))
    assert len(expect_history(ada, lab, 2)) == 2
    assert phone.evaluate("scrollY") == 0


def test_a_pen_draws_where_the_palm_beside_it_touched_first(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada", has_touch=True)
    fingers = Fingers(ada)
    fingers.down(LOW[0])
    fingers.move((400, 800))
    expect_ink(ada, LOW_BOX)
    cdp = ada.context.new_cdp_session(ada)
    (x, y), (x2, y2) = on_screen(ada, (900, 300), (1100, 300))
    pen = {"pointerType": "pen", "button": "left", "buttons": 1, "clickCount": 1, "force": 0.5}
    cdp.send("Input.dispatchMouseEvent", {"type": "mousePressed", "x": x, "y": y, **pen})
    cdp.send("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x2, "y": y2, **pen})
    fingers.move(LOW[1])  # the palm goes on, and is nothing
    cdp.send("Input.dispatchMouseEvent", {"type": "mouseReleased", "x": x2, "y": y2, **pen})
    fingers.up()
    expect_ink(ada, (900, 280, 1100, 320))
    expect_no_ink(ada, LOW_BOX)
    [item] = expect_history(ada, lab, 1)
    assert math.dist(item["points"][-1], (1100, 300)) < 3


def test_a_finger_calls_for_no_help_with_keys(lab: Lab, open_page: OpenPage) -> None:
    phone = enter(open_page, lab, "Ada", width=390, height=844, has_touch=True)
    fingers = Fingers(phone)
    fingers.down(WAVE[0])
    fingers.move(WAVE[1])
    fingers.up()
    expect_history(phone, lab, 1)
    board = phone.get_by_role("application", name="Drawing board")
    expect(board).to_be_focused()
    expect(phone.locator("#board-help")).to_be_hidden()
    expect(board).to_have_css("outline-style", "none")
    phone.keyboard.press("ArrowRight")
    expect(phone.locator("#board-help")).to_be_visible()
    expect(board).to_have_css("outline-style", "solid")


def test_a_click_is_a_dot_and_another_button_is_nothing(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    place = on_screen(ada, (800, 500))[0]
    ada.mouse.click(*on_screen(ada, (300, 300))[0], button="right")
    ada.mouse.click(*place)
    expect_ink(ada, (790, 490, 810, 510), 20)
    [item] = expect_history(ada, lab, 1)
    assert len(item["points"]) == 1


@pytest.mark.parametrize("scale", [2, 1.5])
def test_coordinates_are_right_on_every_screen(lab: Lab, open_page: OpenPage, scale: float) -> None:
    ada = enter(open_page, lab, "Ada", device_scale_factor=scale)
    canvas = "canvas => [canvas.width / canvas.getBoundingClientRect().width, canvas.width / canvas.height]"

    def sharp() -> bool:
        ratio, shape = ada.locator("#live").evaluate(canvas)
        return abs(ratio - scale) < 0.02 and abs(shape - WIDTH / HEIGHT) < 0.01

    until(ada, sharp, "as many pixels as the screen has")
    begin(ada, (1400, 900), (1500, 900))
    expect_ink(ada, (1400, 890, 1500, 910))
    ada.mouse.up()
    [item] = expect_history(ada, lab, 1)
    assert math.dist(item["points"][0], (1400, 900)) < 2
    ada.set_viewport_size({"width": 700, "height": 600})
    until(ada, sharp, "and again when it has another size")
    expect_ink(ada, (1400, 890, 1500, 910))
    assert ink(ada, (0, 0, 1380, 880)) == 0


# ---- the keyboard -------------------------------------------------------------------------------------


def test_one_can_draw_without_a_pointer(lab: Lab, open_page: OpenPage) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    board = ada.get_by_role("application", name="Drawing board")
    board.focus()
    for key in ["Space", *["ArrowRight"] * 5, *["Shift+ArrowDown"] * 2]:
        ada.keyboard.press(key)
    expect(ada.locator("#pen-spoken")).to_have_text("Pen down at 800, 500")
    expect_ink(ben, (800, 490, 860, 610))
    ada.keyboard.press("Space")
    expect(ada.locator("#pen-spoken")).to_have_text("Pen up at 850, 600")
    [item] = expect_history(ada, lab, 1)
    assert item["points"][0] == [800, 500]
    assert item["points"][-1] == [850, 600]
    for key in ["Space", "ArrowLeft", "Escape"]:
        ada.keyboard.press(key)
    expect(ada.locator("#pen-spoken")).to_have_text("Stroke taken back")
    draw(ben, *LOW)
    assert len(expect_history(ada, lab, 2)) == 2


def test_the_toolbar_is_one_stop_and_arrows_go_through_it(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    ada.locator("body").press("Tab")
    bar = ada.get_by_role("toolbar", name="Drawing tools")
    expect(bar.get_by_role("button", name="Pen", exact=True)).to_be_focused()
    ada.keyboard.press("ArrowRight")
    ada.keyboard.press("Enter")
    expect(bar.get_by_role("button", name="Eraser")).to_have_attribute("aria-pressed", "true")
    expect(bar.get_by_role("button", name="Pen", exact=True)).to_have_attribute("aria-pressed", "false")
    ada.keyboard.press("End")
    expect(bar.get_by_role("button", name="Clear")).to_be_focused()
    ada.keyboard.press("Tab")
    expect(ada.get_by_role("application", name="Drawing board")).to_be_focused()
    ada.keyboard.press("Shift+Tab")
    expect(bar.get_by_role("button", name="Clear")).to_be_focused()


# ---- lines that fail ----------------------------------------------------------------------------------


def test_what_is_drawn_offline_appears_exactly_once(
    lab: Lab, open_page: OpenPage, watch: Any, cut: Cut
) -> None:
    watch.allow(LINE_IS_DOWN)
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    begin(ada, *WAVE)  # half of it is known when the line fails
    expect_ink(ben, WAVE_BOX)
    with cut(lab, ada):
        expect(ada.locator("#waiting")).to_contain_text("Offline")
        for place in on_screen(ada, (600, 300), (700, 200)):
            ada.mouse.move(*place, steps=4)
        ada.mouse.up()
        draw(ada, *LOW)
        draw(ada, (900, 800), (900, 820))
        ada.keyboard.press("Control+z")  # never sent: it is forgotten
        expect(ada.locator("#waiting")).to_contain_text("2 strokes wait to be sent")
        expect_no_ink(ada, (880, 780, 920, 840))
        expect(ben.locator("#chip")).to_contain_text("Connected")
        draw(ben, (1200, 300), (1400, 300))
        expect_ink(ben, (1200, 280, 1400, 320))
        assert ink(ben, LOW_BOX) == 0
    expect(ada.locator("#chip")).to_contain_text(
        re.compile(r"Connected\s*back after \d+\.\d s, 1 stroke caught up")
    )
    for page in (ada, ben):
        expect_ink(page, LOW_BOX)
        expect_ink(page, (600, 190, 710, 310))
        expect_ink(page, (1200, 280, 1400, 320))
    expect(ada.locator("#waiting")).to_have_text("")
    items = expect_history(ada, lab, 3)
    assert len({item["id"] for item in items}) == 3
    wave = next(item for item in items if math.dist(item["points"][0], WAVE[0]) < 3)
    assert math.dist(wave["points"][-1], (700, 200)) < 3
    expect_same_ink(ada, ben, (0, 0, WIDTH, HEIGHT), within=60)


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


class Served:
    """`labkit demo drawing` in a process of its own, which can be killed."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, "DATA_DIR": str(data_dir)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "labkit",
            "demo",
            "drawing",
            "--port",
            str(self.port),
            "--no-browser",
        ]
        self._process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.url}/_lab/whoami")
        except httpx.TransportError:
            return False
        return True

    def kill(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def served(tmp_path: Path, lasting_port: int) -> Iterator[Served]:
    served = Served(tmp_path, lasting_port)
    served.start()
    yield served
    served.kill()


def test_a_stroke_that_ends_and_is_cleared_in_one_batch_stays_cleared(
    start: Start, open_page: OpenPage, watch: Any
) -> None:
    """As after a lost line, or when somebody clears in the very moment: both come in one message."""
    lab = start(drawing.create_app())
    begun: list[str] = []
    held: list[dict[str, Any]] = []
    cleared: list[bool] = []

    def kinds(ops: list[dict[str, Any]]) -> set[str]:
        return {op["type"] for op in ops}

    def between(route: Any) -> None:
        server = route.connect_to_server()

        def to_server(text: str) -> None:
            message = json.loads(text)
            if message["type"] == "begin":
                begun.append(message["id"])
            server.send(text)

        def to_page(text: str) -> None:
            message = json.loads(text)
            ops = message.get("ops", [])
            if begun and not cleared and message["type"] == "batch" and "clear" not in kinds(ops):
                held.extend(ops)
                if {"end", "draw"} & kinds(ops):
                    server.send(json.dumps({"type": "clear"}))
                return
            if "clear" in kinds(ops):
                message["ops"] = [*held, *ops]
                held.clear()
                cleared.append(True)
            route.send(json.dumps(message))

        route.on_message(to_server)
        server.on_message(to_page)

    page = open_page(f"{lab.url}/static/labkit.css")
    page.route_web_socket(re.compile(r"/ws/draw"), between)
    page.goto(f"{lab.url}/?name=Ada")
    expect(page.locator("#chip")).to_contain_text("Connected")
    expect(page.locator("#people")).to_contain_text("Ada")
    draw(page, *WAVE)

    def items() -> list[Any]:
        page.wait_for_timeout(20)  # what goes between is passed on only while Playwright waits
        return list(httpx.get(f"{lab.url}/boards/main.json", trust_env=False).json()["items"])

    wait_until(lambda: not items() and cleared)
    draw(page, *LOW)  # sent after all that the page had to say about the first
    wait_until(items)
    assert len(begun) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_pages_come_back_to_a_server_that_was_killed_in_the_middle_of_a_stroke(
    served: Served, open_page: OpenPage, watch: Any
) -> None:
    watch.allow(LINE_IS_DOWN)
    ada, ben = enter(open_page, served.url, "Ada"), enter(open_page, served.url, "Ben")
    draw(ben, *LOW)
    expect_ink(ada, LOW_BOX)
    begin(ada, *WAVE)
    expect_ink(ben, WAVE_BOX)
    served.kill()
    for page in (ada, ben):
        expect(page.locator("#chip")).to_contain_text("Reconnecting")
    ada.mouse.move(*on_screen(ada, (600, 300))[0], steps=4)
    served.start()
    for page in (ada, ben):
        expect(page.locator("#chip")).to_contain_text("Connected", timeout=20_000)
    ada.mouse.move(*on_screen(ada, (700, 200))[0], steps=4)
    ada.mouse.up()
    for page in (ada, ben):
        expect_ink(page, WAVE_BOX)
        expect_ink(page, (600, 190, 710, 310))
    expect(ben.locator("#people")).to_contain_text("Ada")
    expect(ada.locator("#waiting")).to_have_text("")
    board = httpx.get(ada.get_by_role("link", name="JSON").evaluate("link => link.href")).json()
    strokes = [item["points"] for item in board["items"]]
    assert sum(math.dist(points[0], WAVE[0]) < 3 for points in strokes) == 1
    expect_same_ink(ada, ben, WAVE_BOX, within=20)


# ---- a class ------------------------------------------------------------------------------------------


@contextmanager
def simulated_artists(lab: Lab, count: int) -> Iterator[Callable[[], int]]:
    """Have so many artists move at 10 Hz and draw a stroke a second. Gives how many strokes they have drawn."""
    drawn = 0
    stop = threading.Event()
    ready = threading.Barrier(2)

    async def artist(number: int) -> None:
        nonlocal drawn
        async with websockets.connect(f"{lab.ws_url}/ws/draw?name=artist{number}") as ws:
            reading = asyncio.create_task(read(ws))
            for turn in range(10_000):
                if stop.is_set():
                    break
                angle = number + turn / 5
                x, y = 800 + 600 * math.cos(angle), 500 + 350 * math.sin(angle * 1.3)
                await ws.send(json.dumps({"type": "cursor", "x": x, "y": y}))
                if turn % 10 == number % 10:
                    points = [[x + 4 * i, y + 10 * math.sin(i)] for i in range(12)]
                    stroke = {
                        "type": "draw",
                        "id": f"{number}-{turn}",
                        "tool": "pen",
                        "width": 4,
                        "points": points,
                    }
                    await ws.send(json.dumps(stroke))
                    drawn += 1
                await asyncio.sleep(0.1)
            reading.cancel()

    async def read(ws: Any) -> None:
        async for _ in ws:
            pass

    async def everybody() -> None:
        tasks = [asyncio.create_task(artist(number)) for number in range(count)]
        await asyncio.to_thread(ready.wait, 20)
        await asyncio.gather(*tasks)

    thread = threading.Thread(target=asyncio.run, args=(everybody(),))
    thread.start()
    ready.wait(20)
    try:
        yield lambda: drawn
    finally:
        stop.set()
        thread.join(20)


def test_a_page_draws_among_thirty_who_draw(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada")
    with simulated_artists(lab, 30) as drawn:
        expect(ada.get_by_role("heading", name="31 artists here")).to_be_visible()
        until(ada, lambda: drawn() >= 30, "strokes of the others")
        draw(ada, *WAVE)
        until(ada, lambda: ada.locator(".cursor").count() == 30, "thirty cursors")
        until(
            ada,
            lambda: any(math.dist(i["points"][0], WAVE[0]) < 3 for i in history(lab)),
            "our stroke arrives",
        )
    count = len(history(lab))
    assert count == drawn() + 1
    late = enter(open_page, lab, "Late")
    for page in (ada, late):
        expect_ink(page, WAVE_BOX)
    # Whoever saw them grow and whoever comes late see the same picture.
    expect_same_ink(ada, late, (0, 0, WIDTH, HEIGHT), within=200)


# ---- host and projector -------------------------------------------------------------------------------


def test_the_host_locks_mutes_hides_clears_and_takes_the_clear_back(
    app: Any, lab: Lab, open_page: OpenPage
) -> None:
    ada, ben = enter(open_page, lab, "Ada"), enter(open_page, lab, "Ben")
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    draw(ada, *WAVE)
    draw(ben, *LOW)
    for page in (ada, ben):
        expect_ink(page, WAVE_BOX)
        expect_ink(page, LOW_BOX)
    host.get_by_role("button", name="Mute Ben").click()
    expect(ben.locator("#rules")).to_contain_text("lets you look, and not draw")
    draw(ben, (900, 500), (1100, 500))
    assert ink(ben, (900, 480, 1100, 520)) == 0
    host.get_by_role("button", name="Unmute Ben").click()
    expect(ben.locator("#rules")).to_have_text("")
    host.get_by_role("button", name="Hide the strokes of Ben").click()
    for page in (ada, ben):
        expect_no_ink(page, LOW_BOX)
        assert ink(page, WAVE_BOX) > 100
    host.get_by_role("button", name="Show the strokes of Ben").click()
    expect_ink(ada, LOW_BOX)
    host.get_by_role("button", name="Clear").click()
    host.get_by_role("button", name="Really clear?").click()
    expect_no_ink(ada, (0, 0, WIDTH, HEIGHT))
    host.get_by_role("button", name="Undo").click()
    for page in (ada, ben):
        expect_ink(page, WAVE_BOX)
        expect_ink(page, LOW_BOX)
    host.get_by_role("button", name="Kick Ben").click()
    expect(ben.locator("#chip")).to_contain_text("4504 removed")
    draw(ben, (900, 500), (1100, 500))
    assert ink(ben, (900, 480, 1100, 520)) == 0
    expect(ada.locator("#people")).not_to_contain_text("Ben")


def test_a_click_or_an_enter_too_many_kicks_nobody_else(app: Any, lab: Lab, open_page: OpenPage) -> None:
    names = ["Ada", "Ben", "Cy", "Dee"]
    pages = [enter(open_page, lab, name) for name in names]
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    kicks = host.get_by_role("button", name=re.compile("^Kick "))
    expect(kicks).to_have_count(4)
    gone = [kicks.nth(index).get_attribute("aria-label") for index in (0, 1)]
    kicks.first.click()
    expect(kicks).to_have_count(3)
    kicks.first.dispatch_event(
        "click", {"detail": 2}
    )  # the double click's second half meets the next one's button
    host.get_by_role("button", name="Lock").click()
    expect(host.get_by_role("button", name="Unlock")).to_be_visible()  # what came before it is done
    assert host.get_by_role("button", name="Let back in").count() == 1
    kicks.first.press("Enter")
    expect(kicks).to_have_count(2)
    host.keyboard.press("Enter")
    host.keyboard.press("Tab")  # the next row had the focus, and none of its buttons
    expect(host.locator("[data-part=people] li").first.get_by_role("button").first).to_be_focused()
    for name, page in zip(names, pages, strict=True):
        expect(page.locator("#chip")).to_contain_text("removed" if f"Kick {name}" in gone else "Connected")
    expect(kicks).to_have_count(2)


OFFERS_BETWEEN_TRIES = """
() => document.querySelector("#chip").textContent.includes("Reconnecting")
  && {waiting: document.querySelector("#waiting").textContent}
"""


def test_who_finds_the_board_locked_is_told_and_comes_in_later(
    app: Any, lab: Lab, open_page: OpenPage
) -> None:
    ada = enter(open_page, lab, "Ada")
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    host.get_by_role("button", name="Lock").click()
    expect(ada.locator("#rules")).to_contain_text("The board is locked")
    ben = open_page(f"{lab.url}/?name=Ben")
    notice = ben.locator("#notices")
    expect(notice).to_contain_text("The host has locked the room")
    offers = ben.wait_for_function(OFFERS_BETWEEN_TRIES).json_value()
    assert offers == {"waiting": ""}  # nothing that could be drawn would be sent
    host.get_by_role("button", name="Unlock").click()
    expect(ben.locator("#people")).to_contain_text("Ben (you)")
    expect(notice).not_to_contain_text("locked")


def test_strokes_that_come_too_soon_in_slow_mode_are_said_to_wait(
    app: Any, lab: Lab, open_page: OpenPage
) -> None:
    ada = enter(open_page, lab, "Ada")
    host = open_page(f"{lab.url}/host/{app.state.host_token}")
    host.get_by_label("Slow mode").select_option("60")
    expect(ada.locator("#rules")).to_contain_text("one stroke in 60 s")
    draw(ada, *WAVE)
    expect_history(ada, lab, 1)
    draw(ada, *LOW)
    draw(ada, (900, 500), (1100, 500))
    expect(ada.locator("#waiting")).to_have_text("2 strokes wait to be sent.")
    ada.keyboard.press("Control+z")
    expect(ada.locator("#waiting")).to_have_text("1 stroke waits to be sent.")
    ada.keyboard.press("Control+z")
    expect(ada.locator("#waiting")).to_have_text("")
    assert len(history(lab)) == 1


def test_the_projector_shows_the_board_and_who_is_here_and_takes_no_part(
    app: Any, lab: Lab, open_page: OpenPage
) -> None:
    app.state.join_url = "http://192.168.1.23:8000/"
    ada = enter(open_page, lab, "Ada")
    page = open_page(f"{lab.url}/?view=projector", width=1920, height=1080)
    expect(page.get_by_alt_text("QR code of http://192.168.1.23:8000/")).to_be_visible()
    expect(page.locator(".join-address")).to_have_text("192.168.1.23:8000")
    expect(page.locator("#people")).to_contain_text("Ada")
    begin(ada, *WAVE)
    expect(page.locator(".cursor")).to_contain_text("Ada")  # first, for it fades
    expect_ink(page, WAVE_BOX)
    ada.mouse.up()
    expect(page.get_by_role("toolbar")).to_be_hidden()
    expect(page.get_by_role("textbox")).to_have_count(0)
    draw(page, *LOW)
    draw(ada, (900, 500), (1000, 500))
    expect_ink(page, (900, 480, 1000, 520))
    assert (
        len(expect_history(ada, lab, 2)) == 2
    )  # what was dragged on the projector's own screen is not there
    expect(ada.get_by_role("heading", name="1 artist here")).to_be_visible()
    token = ada.evaluate("sessionStorage.getItem('labkit drawing token')")
    assert token
    for secret in (token, app.state.host_token):
        assert secret not in page.content()
    lowest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect().bottom))"
    )
    assert lowest <= 1080 * 0.851  # heads in the rows before hide the rest


NAMES_IN_SIGHT = """
() => {
  const panel = document.querySelector(".people-panel").getBoundingClientRect();
  const names = [...document.querySelectorAll("#people li")].map((name) => name.getBoundingClientRect());
  return names.filter(({right, bottom}) => right <= panel.right && bottom <= panel.bottom).length;
}
"""


def test_the_projector_has_room_for_the_names_of_a_class(lab: Lab, open_page: OpenPage) -> None:
    page = open_page(f"{lab.url}/?view=projector", width=1920, height=1080)
    alone = page.locator("#board").bounding_box()
    with simulated_artists(lab, 33):
        expect(page.get_by_role("heading", name="33 artists here")).to_be_visible()
        until(page, lambda: page.evaluate(NAMES_IN_SIGHT) == 33, "all names in sight")
        assert page.locator("#board").bounding_box() == alone
        assert alone
        assert alone["height"] > 0.65 * 1080


# ---- looks --------------------------------------------------------------------------------------------


SMALLEST_TARGET = """
() => Math.min(...[...document.querySelectorAll("button, a, summary, label.check, input:not([type=checkbox])")]
  .filter((target) => target.checkVisibility())
  .flatMap((target) => [target.getBoundingClientRect().width, target.getBoundingClientRect().height]))
"""


@pytest.mark.parametrize(
    ("width", "height"), [(390, 844), (844, 390), (667, 375), (667, 325), (820, 1180), (1280, 800)]
)
def test_board_and_tools_fit_the_screen(lab: Lab, open_page: OpenPage, width: int, height: int) -> None:
    page = enter(open_page, lab, "Ada", width=width, height=height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("#live", "#tools"):
        box = page.locator(part).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    assert page.locator("#live").evaluate("c => c.clientWidth / c.clientHeight") == pytest.approx(
        1.6, abs=0.02
    )
    last_tool = page.get_by_role("button", name="Clear", exact=True).bounding_box()
    assert last_tool
    assert last_tool["y"] + last_tool["height"] <= box["y"] + box["height"]  # inside of its panel
    assert page.evaluate(SMALLEST_TARGET) >= 44
    if height > width:
        assert page.locator("#live").evaluate("c => c.clientWidth") > 0.9 * width


def test_in_the_dark_the_paper_is_dark_and_the_ink_is_seen(lab: Lab, open_page: OpenPage) -> None:
    ada = enter(open_page, lab, "Ada", dark=True)
    draw(ada, *WAVE)
    expect_ink(ada, WAVE_BOX)
    ada.emulate_media(color_scheme="light")
    expect_ink(ada, WAVE_BOX)  # the same strokes on the other paper
    wait_until(lambda: ink(ada, (700, 100, 1500, 900)) == 0)
