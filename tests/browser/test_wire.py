"""A real browser's wire: what Chromium sends, and what it makes of a fault."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from labkit.host import Lab


def test_chromium_is_recorded_with_its_handshake_masks_and_close(
    start: Callable[..., Lab], open_page: Callable[..., Page]
) -> None:
    wire = start("echo").wire
    page = open_page(f"{wire.url}/")
    expect(page.locator("#chip")).to_contain_text("Connected")
    page.get_by_role("textbox").fill("hello ✨")
    page.get_by_role("textbox").press("Enter")
    expect(page.get_by_text("Echo: hello ✨ 🔊")).to_be_visible()
    page.close()
    wire.expect().handshake(101).received("hello ✨", sender="client").received(
        "Echo: hello ✨ 🔊"
    ).closed_by("client")
    wire.expect().close_code(1001).no_problems()
    (talk,) = wire.trace().websockets
    assert talk.handshake is not None
    assert any("permessage-deflate" in offer for offer in talk.handshake.extensions_offered)
    assert talk.handshake.extensions == ()
    keys = {frame.mask_key for frame in talk.frames if frame.sender == "client"}
    assert all(len(key) == 4 for key in keys)
    assert any(
        exchange.request and exchange.request.target == "/"
        for each in wire.trace().conversations
        for exchange in each.exchanges
    )


def test_chromium_sees_a_cut_as_1006(start: Callable[..., Lab], open_page: Callable[..., Page]) -> None:
    wire = start("echo").wire
    page = open_page(f"{wire.url}/")
    code = page.evaluate_handle(
        """() => {
            const ws = new WebSocket(`ws://${location.host}/ws`);
            return {opened: new Promise((done) => { ws.onopen = done; }),
                    closed: new Promise((done) => { ws.onclose = (event) => done(event.code); })};
        }"""
    )
    page.evaluate("async (ws) => { await ws.opened; }", code)
    newest = wire.wait_for(lambda trace: trace.websockets)[-1].id
    wire.fault(cut=True, conversation=newest)
    assert page.evaluate("async (ws) => await ws.closed", code) == 1006
    wire.expect(newest).closed_by("nobody").close_code(1006)
