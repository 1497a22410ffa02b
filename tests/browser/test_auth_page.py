"""The auth page in a real browser: a refusal, an expiry and a renewal are seen, and the token is not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labkit.apps import auth, demo_users
from labkit.host import Lab

OpenPage = Callable[..., Page]
Start = Callable[..., Lab]
KEY = bytes(range(32))
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
REFUSED_LOGIN = r"status of 401"


@pytest.fixture(autouse=True)
def patient_expectations() -> None:
    expect.set_options(timeout=10_000)


@pytest.fixture
def lab(start: Start) -> Lab:
    return start(auth.create_app(secret_key=KEY), name="auth")


@pytest.fixture
def short_lived(start: Start, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A server whose tokens are good for six to seven seconds."""
    monkeypatch.setenv("TOKEN_LIFETIME_S", "6")
    return start(auth.create_app(secret_key=KEY), name="auth")


def log_in(page: Page, user: str = "ada", password: str = "analytical-engine") -> Page:
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    return page


def entered(page: Page, user: str = "ada") -> Page:
    log_in(page)
    expect(page.locator("#said .received").first).to_contain_text(
        f"✅ Welcome {user}! You're authenticated 🔐"
    )
    return page


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def everything_to_see(page: Page) -> str:
    """Return all text and all values on the page, hidden ones too, and its address and storage."""
    return page.evaluate(
        """() => [
            document.documentElement.outerHTML,
            ...[...document.querySelectorAll("input")].map((field) => field.value),
            location.href, document.title, JSON.stringify(history.state),
            JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}), document.cookie,
        ].join("\\n")"""
    )


def test_a_login_opens_the_socket_and_every_text_is_answered(lab: Lab, open_page: OpenPage) -> None:
    page = open_page(lab.url + "/")
    expect(page.locator("#chip")).to_have_text("Not connected")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    entered(page)
    expect(page.locator("#chip")).to_contain_text("Connected")
    expect(page.locator("#summary")).to_have_text("as ada")
    say(page, "hello")
    expect(page.locator("#said .received").last).to_have_text("received: Secure echo: hello 🛡️")


def test_the_token_is_shown_decoded_and_never_whole(lab: Lab, open_page: OpenPage) -> None:
    page = entered(open_page(lab.url + "/"))
    expect(page.locator("#header")).to_have_text('{"alg": "HS256", "typ": "JWT"}')
    for line in ('"iss": "labkit"', '"user_id": "ada"', '"exp": '):
        expect(page.locator("#payload")).to_contain_text(line)
    expect(page.get_by_text("Signature: the proof, hidden here")).to_be_visible()
    # Nowhere: not on the page, not in the address bar, not in what the browser keeps.
    assert TOKEN.search(everything_to_see(page)) is None
    projector = entered(open_page(lab.url + "/?view=projector"))
    assert TOKEN.search(everything_to_see(projector)) is None
    assert projector.url == lab.url + "/?view=projector"


def test_the_token_goes_to_the_server_in_the_socket_and_in_no_address_of_a_page(
    lab: Lab, open_page: OpenPage
) -> None:
    page = open_page(lab.url + "/")
    requested: list[str] = []
    sockets: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("websocket", lambda websocket: sockets.append(websocket.url))
    entered(page)
    page.get_by_role("button", name="Renew", exact=True).click()
    expect(page.get_by_text("Renewed:")).to_be_visible()
    assert [url for url in requested if TOKEN.search(url)] == []
    assert len([url for url in sockets if TOKEN.search(url)]) == 2


@pytest.mark.parametrize(("user", "password"), [("ada", "wrong"), ("eve", "analytical-engine")])
def test_a_wrong_password_is_told_and_opens_nothing(
    lab: Lab, open_page: OpenPage, watch: Any, user: str, password: str
) -> None:
    watch.allow(REFUSED_LOGIN)
    page = log_in(open_page(lab.url + "/"), user, password)
    expect(page.get_by_role("alert")).to_have_text("Refused: 401, wrong name or password.")
    expect(page.locator("#token-panel")).to_be_hidden()
    expect(page.locator("#chip")).to_have_text("Not connected")


def test_the_passwords_on_the_page_are_the_right_ones(lab: Lab, open_page: OpenPage) -> None:
    page = open_page(lab.url + "/")
    words = page.locator(".demo-users code").all_text_contents()
    shown = dict(zip(words[::2], words[1::2], strict=True))
    assert {user: demo_users.is_right(user, shown[user]) for user in shown} == {"ada": True, "ben": True}
    entered(page)  # and the form is filled in with one of them


def test_the_time_runs_out_before_your_eyes_and_the_server_closes(
    short_lived: Lab, open_page: OpenPage
) -> None:
    page = entered(open_page(short_lived.url + "/"))
    expect(page.locator("#countdown")).to_have_text(re.compile(r"^[67] s$"))
    expect(page.locator("#time-left")).to_have_attribute("data-tone", "good")
    expect(page.locator("#time-left")).to_have_attribute("data-tone", "wait")
    expect(page.locator("#chip")).to_contain_text(
        "Closed by the server: 1008 policy violation - token expired"
    )
    expect(page.locator("#said .notice")).to_have_text(
        "Closed by the server: 1008 policy violation - token expired"
    )
    expect(page.locator("#time-left")).to_have_attribute("data-tone", "bad")
    expect(page.locator("#time-left")).to_contain_text(re.compile(r"expired\s*\d+ s ago"))
    expect(page.get_by_role("button", name="Renew", exact=True)).to_be_disabled()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.get_by_role("button", name="The expired one").click()
    expect(page.locator(".outcome").first).to_have_text(re.compile("The expired one.*1008 token expired"))
    log_in(page)  # and back in
    expect(page.locator("#chip")).to_contain_text("Connected")


def test_a_renewal_goes_on_without_a_gap(short_lived: Lab, open_page: OpenPage) -> None:
    page = entered(open_page(short_lived.url + "/"))
    before = page.locator("#payload").text_content()
    page.get_by_role("button", name="Renew", exact=True).click()
    expect(
        page.get_by_text("Renewed: a new connection with the new token, then the old one closed.")
    ).to_be_visible()
    expect(page.locator("#chip")).to_contain_text("Connected")
    assert page.locator("#payload").text_content() != before
    say(page, "hello again")
    expect(page.locator("#said .received").last).to_contain_text("Secure echo: hello again 🛡️")


def test_what_is_said_while_it_renews_is_answered_all_the_same(lab: Lab, open_page: OpenPage) -> None:
    page = entered(open_page(lab.url + "/"))
    page.evaluate(
        """async () => {
            const [form, text] = [document.getElementById("form"), document.getElementById("text")];
            const renewed = () => document.querySelectorAll("#said .notice").length > 0;
            document.getElementById("renew").click();
            for (let i = 0; i < 90 && !(renewed() && i > 50); i += 1) {
                text.value = `m${i}`;
                form.requestSubmit();
                await new Promise((resolve) => setTimeout(resolve, 2));
            }
        }"""
    )
    expect(page.get_by_text("Renewed:")).to_be_visible()
    said = page.locator("#said .sent .said").all_text_contents()
    expect(page.locator("#said .received .said").filter(has_text="Secure echo")).to_have_count(len(said))
    answers = page.locator("#said .received .said").filter(has_text="Secure echo").all_text_contents()
    assert sorted(answers) == sorted(f"Secure echo: {text} 🛡️" for text in said)
    assert len(said) > 50


def test_it_renews_by_itself_when_told_to(short_lived: Lab, open_page: OpenPage) -> None:
    page = entered(open_page(short_lived.url + "/"))
    page.get_by_label("Renew by itself").check()
    started, count = time.monotonic(), 0
    while time.monotonic() - started < 12:  # longer than any of its tokens is good
        count += 1
        say(page, f"message {count}")
        expect(page.get_by_text(f"Secure echo: message {count} 🛡️")).to_be_visible()
    assert 1 <= page.get_by_text("Renewed:").count() <= 2 + (time.monotonic() - started) / 6
    expect(page.locator("#chip")).to_contain_text("Connected")
    assert "1008" not in (page.locator("#said").text_content() or "")


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        ("No token", "1008 no token"),
        ("Somebody else's name", "1008 wrong signature"),
        ("A later end", "1008 wrong signature"),
        ("alg: none", "1008 token without a signature"),
    ],
)
def test_every_try_to_get_in_without_is_refused_with_a_reason(
    lab: Lab, open_page: OpenPage, attack: str, told: str
) -> None:
    page = entered(open_page(lab.url + "/"))
    page.get_by_role("button", name=attack).click()
    row = page.locator(".outcome")
    expect(row).to_have_attribute("data-tone", "good")
    expect(row.locator("span").last).to_have_text(told)
    expect(page.locator("#chip")).to_contain_text("Connected")  # our own connection is not disturbed
    assert TOKEN.search(everything_to_see(page)) is None


def test_without_a_token_only_the_try_without_one_can_be_made(lab: Lab, open_page: OpenPage) -> None:
    page = open_page(lab.url + "/")
    expect(page.locator("[data-attack]:enabled")).to_have_text(["No token"])
    page.get_by_role("button", name="No token").click()
    expect(page.locator(".outcome")).to_contain_text("1008 no token")


def test_hostile_text_is_shown_as_text(lab: Lab, open_page: OpenPage) -> None:
    page = entered(open_page(lab.url + "/"))
    hostile = '<img src="x" onerror="document.title = `owned`">'
    say(page, hostile)
    expect(page.locator("#said .received .said").last).to_have_text(f"Secure echo: {hostile} 🛡️")
    assert page.locator("#said img").count() == 0
    assert page.title() == "Auth · labkit"


def test_when_the_server_restarts_with_the_same_key_the_token_still_opens(
    start: Start, open_page: OpenPage, watch: Any, lasting_port: int
) -> None:
    watch.allow(r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED")
    lab = start(auth.create_app(secret_key=KEY), name="auth", port=lasting_port)
    page = entered(open_page(lab.url + "/"))
    lab.stop()
    expect(page.locator("#chip")).to_contain_text("Reconnecting")
    start(auth.create_app(secret_key=KEY), name="auth", port=lasting_port)
    expect(page.locator("#chip")).to_contain_text(re.compile(r"Connected\s*back after \d+\.\d s"))
    expect(page.locator("#said .received")).to_have_count(2)  # welcomed again


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("width", "height", "query"),
    [(1280, 800, ""), (900, 420, ""), (1920, 1080, "?view=projector"), (390, 844, ""), (320, 640, "")],
    ids=["laptop", "frame", "projector", "phone", "small phone"],
)
def test_it_fits_everywhere(
    lab: Lab, open_page: OpenPage, width: int, height: int, query: str, dark: bool
) -> None:
    page = entered(open_page(lab.url + "/" + query, width=width, height=height, dark=dark))
    page.get_by_role("button", name="alg: none").click()
    expect(page.locator(".outcome")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        """() => [...document.querySelectorAll("button, input, .outcome > span, .token-part > *")]
            .filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth + 1
                && getComputedStyle(part).display !== "inline")
            .map((part) => part.textContent || part.id)"""
    ) in ([], ["password"])
