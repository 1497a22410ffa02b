"""The pages of echo and lifecycle, and the scripts that all pages share, in a real browser on real servers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from playwright.sync_api import Locator, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from labkit.apps import echo, lifecycle
from labkit.apps.page_files import add_page
from labkit.host import Lab

OpenPage = Callable[..., Page]
Start = Callable[..., Lab]
SERVER_IS_GONE = r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED"
HANDSHAKE_REFUSED = r"WebSocket connection to .* failed"
NOT_UNDER_LABKIT = r"404 \(Not Found\).*_lab/whoami"


@pytest.fixture(autouse=True)
def patient_expectations() -> None:
    expect.set_options(timeout=10_000)


def chip(page: Page) -> Locator:
    return page.locator("#chip")


def connected(page: Page) -> Page:
    expect(chip(page)).to_contain_text("Connected")
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.keyboard.press("Enter")


def page_app(**routes: Callable[[WebSocket], Any]) -> FastAPI:
    """Return an app with the echo page whose WebSocket routes are `routes`."""
    app = FastAPI(title="pages")
    add_page(app, "echo")
    for name, handler in routes.items():
        app.add_api_websocket_route(f"/{name}", handler)
    return app


def run_module(page: Page, body: str, argument: Any = None) -> Any:
    """Run JavaScript in the page with live.js and status.js as `live` and `status`."""
    load = "const load = (name) => import(new URL(`static/${name}.js`, document.baseURI));"
    modules = 'const [live, status] = await Promise.all(["live", "status"].map(load));'
    return page.evaluate(f"async (argument) => {{ {load} {modules} {body} }}", argument)


# ------------------------------------------------------------------------------------------- echo


def test_an_echo_comes_back_with_its_round_trip(start: Start, open_page: OpenPage) -> None:
    lab = start(echo.create_app())
    page = connected(open_page(lab.url + "/"))
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
    page.get_by_label("Message").fill("hello")
    page.get_by_role("button", name="Send").click()
    row = page.locator(".exchange")
    expect(row.locator(".sent .said")).to_have_text("hello")
    expect(row.locator(".received .said")).to_have_text("Echo: hello 🔊")
    expect(row.locator(".took")).to_have_text(re.compile(r"^\d+\.\d ms$"))
    expect(page.get_by_text("Nothing yet.")).to_be_hidden()
    expect(page.get_by_label("Message")).to_be_focused()
    expect(page.get_by_label("Message")).to_have_value("")
    expect(page.locator("#footer")).to_contain_text("HTTP works · WebSocket works · server echo, process")


def test_an_empty_frame_is_sent_and_shown_as_such(start: Start, open_page: OpenPage) -> None:
    lab = start(echo.create_app())
    page = connected(open_page(lab.url + "/"))
    say(page, "")
    expect(page.locator(".sent")).to_contain_text("(empty frame)")
    assert page.locator(".received .said").text_content() == "Echo:  🔊"


def test_many_quick_sends_stay_in_order_and_the_newest_is_in_view(start: Start, open_page: OpenPage) -> None:
    lab = start(echo.create_app())
    page = connected(open_page(lab.url + "/"))
    page.evaluate(
        """() => {
            const [form, text] = [document.getElementById("form"), document.getElementById("text")];
            for (let i = 0; i < 200; i += 1) { text.value = `m${i}`; form.requestSubmit(); }
        }"""
    )
    expect(page.locator(".took")).to_have_count(200)
    assert page.locator(".sent .said").all_text_contents() == [f"m{i}" for i in range(200)]
    assert page.locator(".received .said").all_text_contents() == [f"Echo: m{i} 🔊" for i in range(200)]
    expect(page.locator(".exchange").last).to_be_in_viewport()
    expect(page.locator(".exchange").first).not_to_be_in_viewport()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".exchange")).to_have_count(0)
    expect(page.get_by_text("Nothing yet.")).to_be_visible()


HOSTILE = '<img src="x" onerror="document.title = `owned`"><script>document.title = `owned`</script>'


def test_hostile_text_is_shown_as_text(start: Start, open_page: OpenPage) -> None:
    lab = start(echo.create_app())
    page = connected(open_page(lab.url + "/"))
    say(page, HOSTILE)
    expect(page.locator(".received .said")).to_have_text(f"Echo: {HOSTILE} 🔊")
    assert page.locator(".exchange img, .exchange script").count() == 0
    assert page.title() == "Echo · labkit"


@pytest.mark.parametrize(("name", "module"), [("echo", echo), ("lifecycle", lifecycle)])
def test_a_page_works_under_a_path_prefix(
    start: Start, open_page: OpenPage, watch: Any, name: str, module: Any
) -> None:
    watch.allow(NOT_UNDER_LABKIT)  # whoami is at the root here, and the page looks beside itself
    lab = start(Starlette(routes=[Mount("/user/ada/proxy/8000", app=module.create_app())]))
    page = open_page(lab.url + "/user/ada/proxy/8000/")
    expect(page.get_by_text("This page comes through Jupyter's proxy.")).to_be_visible()
    if name == "echo":
        say(connected(page), "hello")
        expect(page.locator(".received .said")).to_have_text("Echo: hello 🔊")
    else:
        page.get_by_role("button", name="Connect", exact=True).click()
        expect(page.locator(".event-name")).to_have_text(["connected"])


# ------------------------------------------------------------------------- losing and coming back


def test_when_the_server_comes_back_so_does_the_page_and_it_says_so(
    start: Start, open_page: OpenPage, watch: Any, lasting_port: int
) -> None:
    watch.allow(SERVER_IS_GONE)
    lab = start(echo.create_app(), port=lasting_port)
    page = connected(open_page(lab.url + "/"))
    lab.stop()
    expect(chip(page)).to_contain_text(re.compile(r"Reconnecting.*\(try \d+\)…"))
    expect(
        page.get_by_text("The server doesn't answer: neither HTTP nor the WebSocket works.")
    ).to_be_visible()
    expect(
        page.get_by_text("Run the cell that starts it again: this page comes back by itself.")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    expect(page.get_by_text("Sending waits for a connection. What you type stays here.")).to_be_visible()
    say(page, "typed meanwhile")
    expect(page.get_by_label("Message")).to_have_value("typed meanwhile")

    start(echo.create_app(), port=lasting_port)
    expect(chip(page)).to_contain_text(re.compile(r"Connected.*back after \d+\.\d s"))
    expect(page.get_by_text("The server doesn't answer")).to_be_hidden()
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".received .said")).to_have_text("Echo: typed meanwhile 🔊")


def test_what_was_not_answered_before_the_connection_ended_says_so(start: Start, open_page: OpenPage) -> None:
    async def hear_and_leave(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive_text()
        await ws.close(1008, "no token")

    lab = start(page_app(ws=hear_and_leave))
    page = connected(open_page(lab.url + "/"))
    say(page, "hello?")
    expect(page.locator(".exchange .lost")).to_have_text("no reply: the connection ended first")
    expect(chip(page)).to_contain_text("Closed by the server: 1008 policy violation - no token")
    expect(page.get_by_text("After this code nobody comes back by themselves")).to_be_visible()
    page.get_by_role("button", name="Connect again").click()
    connected(page)
    expect(page.get_by_text("After this code nobody comes back by themselves")).to_be_hidden()


@pytest.mark.parametrize(
    ("code", "connections"),
    [
        *[(code, 1) for code in (1000, 1002, 1003, 1007, 1008, 1009, 4500, 4999)],
        *[(code, 2) for code in (1001, 1011, 1012, 1013, 4000, 4499)],
    ],
)
def test_only_codes_that_mean_come_back_are_retried(
    start: Start, open_page: OpenPage, code: int, connections: int
) -> None:
    seen = 0

    async def close_the_first(ws: WebSocket) -> None:
        nonlocal seen
        seen += 1
        await ws.accept()
        await ws.receive_text()
        await ws.close(code)

    lab = start(page_app(ws=close_the_first))
    page = connected(open_page(lab.url + "/", fake_clock=True))
    say(page, "close me")
    expect(page.locator(".exchange .lost")).to_be_visible()
    # Longer than the first wait for a retry, and shorter than what a retry under way may take.
    page.clock.fast_forward(5_000)
    if connections == 1:
        expect(chip(page)).to_contain_text(f"Closed by the server: {code}")
    else:
        connected(page)
    assert seen == connections


@pytest.mark.parametrize("event", ["online", "visibilitychange"])
def test_the_network_or_a_reader_coming_back_ends_the_wait(
    start: Start, open_page: OpenPage, event: str
) -> None:
    async def restart_once(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive_text()
        await ws.close(1012, "restart")

    lab = start(page_app(ws=restart_once))
    page = connected(open_page(lab.url + "/", fake_clock=True))
    page.clock.pause_at(time.time() + 3600)  # now no timer ends any more: only the event can
    result = run_module(
        page,
        """
        Math.random = () => 1;
        const conversation = new live.Live("ws");
        const closed = new Promise((resolve) => conversation.addEventListener("close", resolve));
        const opened = () => new Promise((r) => conversation.addEventListener("open", r, { once: true }));
        conversation.connect();
        await opened();
        conversation.send("restart");
        await closed;
        const before = [conversation.state, conversation.attempt, conversation.nextRetryAt - Date.now()];
        const again = opened();
        (argument === "online" ? window : document).dispatchEvent(new Event(argument));
        const { detail } = await again;
        conversation.close();
        return [...before, detail.again, conversation.nextRetryAt];
        """,
        event,
    )
    assert result == ["reconnecting", 1, 500, True, None]


# ---------------------------------------------------------------------------- the shared scripts


def test_the_wait_for_a_retry_doubles_up_to_a_cap_with_full_jitter(start: Start, open_page: OpenPage) -> None:
    lab = start(echo.create_app())
    ceilings, floors, middles = run_module(
        connected(open_page(lab.url + "/")),
        """
        const tries = [1, 2, 3, 4, 5, 6, 7, 50];
        return [() => 1, () => 0, () => 0.5].map((random) => tries.map((n) => live.retryDelayMs(n, random)));
        """,
    )
    assert ceilings == [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]
    assert floors == [0] * 8
    assert middles == [ceiling / 2 for ceiling in ceilings]


def test_resume_is_asked_before_each_reconnect_and_never_before_the_first(
    start: Start, open_page: OpenPage
) -> None:
    async def tell_query(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text(ws.url.query)
        async for _ in ws.iter_text():
            await ws.close(4000, "come back")
            return

    lab = start(page_app(ws=tell_query, tell=tell_query))
    page = connected(open_page(lab.url + "/"))
    queries = run_module(
        page,
        """
        let since = 41;
        const conversation = new live.Live("tell", { resume: () => ({ since: since++, epoch: "a&b" }) });
        const message = () => new Promise((r) => conversation.addEventListener("message", r, { once: true }));
        const queries = [];
        for (let i = 0; i < 3; i += 1) {
          const next = message();
          if (i === 0) conversation.connect(); else conversation.send("go");
          queries.push((await next).data);
        }
        conversation.close();
        return queries;
        """,
    )
    assert queries == ["", "since=41&epoch=a%26b", "since=42&epoch=a%26b"]


def test_the_heartbeat_asks_then_gives_a_silent_line_up(start: Start, open_page: OpenPage) -> None:
    heard: list[str] = []

    async def silent(ws: WebSocket) -> None:
        await ws.accept()
        async for text in ws.iter_text():
            heard.append(text)

    lab = start(page_app(ws=silent, silent=silent))
    page = connected(open_page(lab.url + "/"))
    end = run_module(
        page,
        """
        const heartbeat = { quietMs: 30, graceMs: 300, message: "anybody there?" };
        const conversation = new live.Live("silent", { heartbeat, reconnect: false });
        const closed = new Promise((resolve) => conversation.addEventListener("close", resolve));
        conversation.connect();
        return (await closed).detail;
        """,
    )
    assert heard == ["anybody there?"]
    assert end == {
        "code": 1006,
        "reason": "nothing heard any more",
        "wasClean": False,
        "by": "nobody",
        "opened": True,
        "willRetry": False,
    }


def test_a_close_by_the_page_is_never_retried_and_nothing_is_sent_after_it(
    start: Start, open_page: OpenPage
) -> None:
    lab = start(echo.create_app())
    page = connected(open_page(lab.url + "/"))
    result = run_module(
        page,
        """
        const conversation = new live.Live("ws");
        const sentBefore = conversation.send("too early");
        const once = (name) => new Promise((r) => conversation.addEventListener(name, r, { once: true }));
        const opened = once("open");
        conversation.connect();
        await opened;
        const closed = once("close");
        conversation.close(4001, "come back code, but it was us");
        const { detail } = await closed;
        return [sentBefore, detail.by, detail.willRetry, conversation.state, conversation.send("too late")];
        """,
    )
    assert result == [False, "client", False, "closed", False]


@pytest.mark.parametrize(
    ("http", "ws", "place", "title", "advice"),
    [
        ((True, 200), "works", "http://localhost:8000/", None, ""),
        ((True, 404), "untried", "http://localhost:8000/", None, ""),
        ((False, None), "works", "http://localhost:8000/", None, ""),
        (
            (True, 200),
            "refused",
            "http://localhost:8000/",
            "HTTP works and WebSockets get through, but the app refused this one.",
            "lab.logs does",
        ),
        (
            (True, 200),
            "fails",
            "http://localhost:8000/",
            "HTTP works, the WebSocket doesn't.",
            "Open the server's direct",
        ),
        (
            (True, 200),
            "fails",
            "https://lab.example/",
            "HTTP works, the WebSocket doesn't.",
            "has to be wss:",
        ),
        (
            (True, 200),
            "fails",
            "https://hub.example/user/ada/proxy/8123/",
            "HTTP works, the WebSocket doesn't.",
            "open http://localhost:8123/ directly",
        ),
        (
            (False, None),
            "fails",
            "http://localhost:8000/",
            "The server doesn't answer: neither HTTP nor the WebSocket works.",
            "Run the cell that starts it again",
        ),
        (
            (False, None),
            "untried",
            "http://192.168.1.7:8000/",
            "The server doesn't answer: neither HTTP nor the WebSocket works.",
            "the network, the VPN, or a forwarded port",
        ),
        (
            (False, None),
            "fails",
            "http://192.168.1.7:8000/",
            "The server doesn't answer: neither HTTP nor the WebSocket works.",
            "When whoever runs it starts it again",
        ),
        (
            (False, 403),
            "fails",
            "https://hub.example/user/ada/proxy/8123/",
            "HTTP is answered by somebody else (status 403), the WebSocket doesn't work.",
            "Log in to Jupyter again",
        ),
        (
            (False, 500),
            "fails",
            "https://hub.example/user/ada/proxy/8123/",
            "HTTP is answered with an error (status 500), the WebSocket doesn't work.",
            "the server behind it isn't",
        ),
    ],
)
def test_the_self_test_says_which_failed_and_what_to_do(
    start: Start,
    open_page: OpenPage,
    http: tuple[bool, int | None],
    ws: str,
    place: str,
    title: str | None,
    advice: str,
) -> None:
    lab = start(echo.create_app())
    page = connected(open_page(lab.url + "/"))
    found = run_module(
        page,
        "return status.diagnose(argument.http, argument.ws, new URL(argument.place))",
        {"http": {"works": http[0], "status": http[1]}, "ws": ws, "place": place},
    )
    assert (found and found["title"]) == title
    assert advice in " ".join(found["advice"] if found else [])


def test_an_app_that_refuses_is_told_from_a_way_without_websockets(
    start: Start, open_page: OpenPage, watch: Any
) -> None:
    watch.allow(HANDSHAKE_REFUSED)
    lab = start(page_app())  # no /ws at all
    page = open_page(lab.url + "/")
    expect(page.get_by_text("WebSockets get through, but the app refused this one.")).to_be_visible()
    expect(page.locator("#footer")).to_contain_text("HTTP works · WebSocket refused")


def test_a_frame_whose_server_has_gone_says_whose_port_it_is_now(start: Start, open_page: OpenPage) -> None:
    lab = start(echo.create_app(), name="somebody else's echo")
    own = connected(open_page(f"{lab.url}/?lab={lab.identity.id}"))
    strange = connected(open_page(f"{lab.url}/?lab=0123456789abcdef"))
    banner = (
        "This frame belonged to a server that has stopped; this port now belongs to “somebody else's echo”"
    )
    expect(strange.get_by_text(banner)).to_be_visible()
    expect(own.locator("#footer")).to_contain_text("server somebody else's echo")
    expect(own.get_by_text("This frame belonged to")).to_be_hidden()


# -------------------------------------------------------------------------------------- lifecycle


def test_two_connections_with_one_id_and_a_close_that_both_sides_see(
    start: Start, open_page: OpenPage
) -> None:
    lab = start(lifecycle.create_app())
    page = open_page(lab.url + "/")
    expect(page.locator(".state-text")).to_contain_text(
        "Nothing has been sent yet. Connecting starts with an HTTP"
    )
    first = page.get_by_role("article", name="Connection 1")
    first.get_by_label("client id").fill("ada & bob?")
    first.get_by_role("button", name="Connect", exact=True).click()
    expect(first.locator('[data-state="open"]')).to_have_attribute("aria-current", "step")
    expect(first.locator('[data-state="connecting"] .state-time')).to_have_text(re.compile(r"^\d+\.\d ms$"))
    first.get_by_label("text", exact=True).fill(HOSTILE)
    first.get_by_role("button", name="Send text").click()
    expect(first.locator(".received .said")).to_have_text(f"Server received: {HOSTILE} ✨")

    page.get_by_role("button", name="Add a connection").click()
    second = page.get_by_role("article", name="Connection 2")
    expect(second.get_by_label("client id")).to_have_value("ada & bob?")
    second.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("#summary")).to_have_text("3 events · 2 open")
    second.get_by_label("close code").select_option("4001")
    second.get_by_label("reason").fill("tea time")
    second.get_by_role("button", name="Close", exact=True).click()
    expect(second.locator(".state-text")).to_have_text("Closed by you: 4001 private code - tea time.")
    expect(second.locator('[data-state="closed"]')).to_have_attribute("aria-current", "step")

    expect(page.locator(".event-name")).to_have_text(["connected", "received", "connected", "disconnected"])
    expect(page.locator(".event-client")).to_have_text(["ada & bob?"] * 4)
    expect(page.locator(".event-code strong")).to_have_text("4001 private code")
    expect(page.locator(".event .said")).to_have_text(HOSTILE)
    expect(page.locator("#summary")).to_have_text("4 events · 1 open")
    expect(first.locator("[data-part=chip]").get_by_role("status")).to_have_text("Connected")

    second.get_by_role("button", name="Connect", exact=True).click()
    expect(second.locator("[data-part=chip]")).to_contain_text("Connected")
    second.get_by_role("button", name="Remove connection 2").click()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.locator(".event-code strong").last).to_have_text("1000 normal closure")
    assert page.locator(".event img, .talk img").count() == 0


def test_a_close_without_a_code_is_1005_and_explained(start: Start, open_page: OpenPage) -> None:
    lab = start(lifecycle.create_app())
    page = open_page(lab.url + "/")
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_label("close code").select_option("")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator(".event-code strong")).to_have_text("1005 no code")
    expect(page.locator(".event-code")).to_contain_text("Never on the wire")


def test_codes_that_a_page_cannot_send_are_listed_but_cannot_be_chosen(
    start: Start, open_page: OpenPage
) -> None:
    lab = start(lifecycle.create_app())
    page = open_page(lab.url + "/")
    values = page.get_by_label("close code").evaluate(
        "(select) => [...select.options].map((o) => [o.value, o.disabled])"
    )
    for value, disabled in values:
        allowed = value in ("", "1000") or 3000 <= int(value) <= 4999
        assert disabled is not allowed, value


@pytest.mark.parametrize(
    ("label", "bad", "problem"),
    [
        ("client id", "a/b", "A slash would end this part of the address."),
        ("client id", "..", "In an address, this means a folder."),
        ("reason", "é" * 62, "A close frame has room for 123 bytes of reason; this has 124."),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(
    start: Start, open_page: OpenPage, label: str, bad: str, problem: str
) -> None:
    lab = start(lifecycle.create_app())
    page = open_page(lab.url + "/")
    page.get_by_label(label).fill(bad)
    assert page.get_by_label(label).evaluate("(input) => input.validationMessage") == problem
    page.get_by_label(label).fill("fine")
    assert page.get_by_label(label).evaluate("(input) => input.validationMessage") == ""


def test_a_lost_connection_stays_lost_and_the_server_started_again_shows_a_fresh_list(
    start: Start, open_page: OpenPage, watch: Any, lasting_port: int
) -> None:
    watch.allow(SERVER_IS_GONE)
    lab = start(lifecycle.create_app(), port=lasting_port)
    page = open_page(lab.url + "/")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator(".event-name")).to_have_text(["connected"])
    lab.stop()
    expect(page.locator(".state-text")).to_contain_text("Closed by the server: 1012 service restart")
    expect(page.locator("#summary")).to_have_text("no answer: this is what it last said")
    expect(page.get_by_role("button", name="Connect", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator(".state-text")).to_contain_text(
        "It was never open: no server is there, or it refused."
    )
    expect(page.get_by_text("The server doesn't answer: neither")).to_be_visible()
    start(lifecycle.create_app(), port=lasting_port)
    expect(page.locator("#summary")).to_have_text("0 events · 0 open")
    expect(page.locator(".event")).to_have_count(0)


# ----------------------------------------------------------------------------------------- looks

SIZES = [(320, 568), (360, 740), (820, 420), (1280, 800)]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", ["echo", "lifecycle"])
def test_a_page_fits_its_window_and_can_be_tapped(
    start: Start, open_page: OpenPage, name: str, width: int, height: int, dark: bool
) -> None:
    lab = start(name)
    page = open_page(lab.url + "/", width=width, height=height, dark=dark)
    expect(page.locator("#footer")).to_contain_text("WebSocket works")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    controls = page.locator("button:visible, input:visible, select:visible")
    for control in controls.all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, control.inner_text()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    sizes = page.locator("input, select").evaluate_all(
        "(fields) => fields.map((f) => parseFloat(getComputedStyle(f).fontSize))"
    )
    assert min(sizes) >= 16


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["echo", "lifecycle"])
def test_the_projector_view_is_large_and_leaves_the_bottom_empty(
    start: Start, open_page: OpenPage, name: str, dark: bool
) -> None:
    lab = start(name)
    page = open_page(lab.url + "/?view=projector", width=1920, height=1080, dark=dark)
    expect(page.locator("html")).to_have_attribute("data-view", "projector")
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 24
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    bottom = page.locator("body > *").evaluate_all(
        "(parts) => Math.max(...parts.map((part) => part.getBoundingClientRect().bottom))"
    )
    assert bottom <= 1080 * 0.85 + 1


CONTRAST = """
() => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = rgb(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const ownText = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!ownText || !node.checkVisibility() || node.matches("option, optgroup, noscript")) continue;
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.className || node.tagName} ${node.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


@pytest.mark.parametrize("view", ["", "?view=projector"], ids=["normal", "projector"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["echo", "lifecycle"])
def test_every_text_has_enough_contrast_connected_and_not(
    start: Start, open_page: OpenPage, watch: Any, name: str, dark: bool, view: str
) -> None:
    watch.allow(SERVER_IS_GONE)
    lab = start(name)
    page = open_page(lab.url + "/" + view, dark=dark)
    if name == "echo":
        say(connected(page), "hello")
        expect(page.locator(".took")).to_have_count(1)
    else:
        page.get_by_role("button", name="Connect", exact=True).click()
        page.get_by_role("button", name="Send text").click()
        expect(page.locator(".event")).to_have_count(2)
    assert page.evaluate(CONTRAST) == []
    lab.stop()
    if name == "lifecycle":
        expect(page.locator(".state-text")).to_contain_text("1012")
        page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("The server doesn't answer: neither")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
