"""The live timeline's own page side, without a kernel: ten thousand frames, and what is hostile among them."""

from __future__ import annotations

import importlib.resources
from dataclasses import asdict

import pytest
from playwright.sync_api import Page, expect

from labkit.wire.story import Row

PAGE = """<!doctype html><meta charset="utf-8"><title>live</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="live.css"><div id="here"></div>
<script type="module">
  import live from "./live.js";
  const heard = [];
  const asked = [];
  const model = {
    on: (name, hear) => heard.push(hear),
    off: () => heard.pop(),
    send: (said) => asked.push(said),
  };
  window.tell = (message) => heard.forEach((hear) => hear(message));
  window.end = live.render({ model, el: document.getElementById("here") });
  window.asked = asked;
</script>"""

FRAMES = 10_000
HEAD = {
    "kind": "head", "talks": [{"id": 1, "title": "1: /ws (open)"}], "watched": 1, "newest": True,
    "verdict": [["bad", "<b>x"]], "port": 5, "faults": [], "buttons": [["late", "200 ms late"]], "running": True,
}  # fmt: skip


@pytest.fixture
def live_page(open_page, start) -> Page:
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        name = scope["path"].lstrip("/")
        kind = {"live.js": b"text/javascript", "live.css": b"text/css"}.get(name, b"text/html")
        body = importlib.resources.files("labkit.wire").joinpath(name).read_text("utf-8") if name else PAGE
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body.encode()})

    page = open_page(start(app, name="live page").url + "/")
    page.wait_for_function("window.asked")
    return page


def tell_rows(page: Page, first: int, count: int) -> None:
    """Tell rows that the page makes up itself: ten thousand would be slow to send."""
    row = asdict(Row("frame", 0, "text", "client", "", "5 bytes"))
    page.evaluate(
        """([row, first, count]) => {
          const rows = Array.from({ length: count }, (_, n) => first + n).map((place) => [place, { ...row,
            number: place + 1, detail: `'${place}'`, sender: place % 2 ? "client" : "server" }]);
          window.tell({ kind: "rows", talk: 1, count: first + count, rows });
        }""",
        [row, first, count],
    )


def tell(page: Page, message: dict) -> None:
    page.evaluate("message => window.tell(message)", message)


def test_of_ten_thousand_frames_only_those_in_view_are_drawn(live_page):
    tell(live_page, HEAD)
    for first in range(0, FRAMES, 1000):
        tell_rows(live_page, first, 1000)
    live = live_page.get_by_role("region", name="The wire, live")
    expect(live).to_have_attribute("data-rows", str(FRAMES))
    expect(live.get_by_text(f"'{FRAMES - 1}'", exact=True)).to_be_in_viewport()  # it follows
    assert live_page.locator(".labkit-live .row").count() < 40

    live.get_by_label("follow").uncheck()
    live_page.locator(".labkit-live .view").evaluate("view => { view.scrollTop = view.scrollHeight / 2; }")
    expect(live.get_by_text(f"'{FRAMES // 2}'", exact=True)).to_be_in_viewport()
    assert live_page.locator(".labkit-live .row").count() < 40

    tell_rows(live_page, FRAMES, 1)
    expect(live).to_have_attribute("data-rows", str(FRAMES + 1))
    expect(live.get_by_text(f"'{FRAMES // 2}'", exact=True)).to_be_in_viewport()  # it stays where one reads


def test_a_click_asks_for_bits_a_button_for_a_fault_a_choice_for_a_connection(live_page):
    tell(live_page, HEAD)
    tell_rows(live_page, 0, 3)
    live_page.get_by_role("button", name="frame 2 from the client: text '1', show its bits").press("Enter")
    live_page.get_by_label("only this connection").check()
    live_page.get_by_role("button", name="200 ms late").click()
    live_page.get_by_role("button", name="all well again").click()
    live_page.get_by_role("combobox", name="Connection").select_option("1")
    assert live_page.evaluate("window.asked") == [
        {"ask": "everything"},
        {"ask": "bits", "talk": 1, "frame": 2},
        {"ask": "fault", "name": "late", "talk": 1},
        {"ask": "mend"},
        {"ask": "watch", "talk": 1},
    ]


def test_what_came_over_the_wire_stays_text(live_page):
    hostile = "<img src=x onerror=alert(1)>"
    tell(live_page, HEAD)
    row = asdict(Row("frame", 0, "text", "client", hostile, "5 bytes", notes=(("bad", hostile),), number=1))
    tell(live_page, {"kind": "rows", "talk": 1, "count": 1, "rows": [[0, row]]})
    tell(live_page, {"kind": "problem", "text": hostile})
    expect(live_page.get_by_text(hostile)).to_have_count(3)
    assert live_page.locator(".labkit-live img, .labkit-live b").count() == 0


def test_at_the_end_of_the_view_it_listens_no_more(live_page):
    live_page.evaluate("() => { window.end(); }")
    tell(live_page, HEAD)
    expect(live_page.get_by_text("200 ms late")).to_have_count(0)
