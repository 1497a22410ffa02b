"""Auth over real sockets: what opens the door, what does not, and what is never written down."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.exceptions import InvalidHandshake, InvalidMessage
from websockets.sync.client import connect as connect_quickly

from labkit import connect, serve
from labkit.apps import auth, demo_users, token_desk
from labkit.errors import ConnectionClosed, HandshakeRefused, LabError
from labkit.host import Lab
from labkit.host.guard import Policy

KEY = bytes(range(32))
CLIENT_LOGGERS = ("websockets.client", "httpx", "httpcore")
WELCOME = "✅ Welcome {}! You're authenticated 🔐"
ECHO = "Secure echo: {} 🛡️"


@pytest.fixture
def lab():
    with serve(auth.create_app(secret_key=KEY)) as lab:
        yield lab


# ---- making tokens, good and bad ---------------------------------------------------------------------


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims: object, *, key: bytes = KEY, hash_name: str = "sha256", **header: object) -> str:
    """Return a token with these claims and header fields, signed, whatever they say."""
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'} | header)}.{part(claims)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), hash_name))}"


def ada(**more: object) -> dict[str, object]:
    """Return the claims of a good token."""
    return {"user_id": "ada", "exp": time.time() + 60, **more}


def good(**more: object) -> str:
    return sign(ada(**more))


def unsigned(alg: str, signature: str = "") -> str:
    return f"{part({'alg': alg, 'typ': 'JWT'})}.{part(ada())}.{signature}"


def without(claims: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in claims.items() if key != name}


def changed(token: str, place: int, **claims: object) -> str:
    """Return a token with one part replaced by one that says something else, and the old signature."""
    parts = token.split(".")
    padded = parts[place] + "=" * (-len(parts[place]) % 4)
    parts[place] = part(json.loads(base64.urlsafe_b64decode(padded)) | claims)
    return ".".join(parts)


def bit_flipped(token: str, place: int) -> str:
    parts = token.split(".")
    data = bytearray(base64.urlsafe_b64decode(parts[place] + "=" * (-len(parts[place]) % 4)))
    data[len(data) // 2] ^= 1
    parts[place] = part(bytes(data))
    return ".".join(parts)


PUBLIC_KEY = b"-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----\n"
HS256_IS_WANTED = "malformed token, or another algorithm"

REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "1 alg none": (lambda: unsigned("none"), "token without a signature"),
    "1 alg None": (lambda: unsigned("None"), "token without a signature"),
    "1 alg nOnE": (lambda: unsigned("nOnE"), "token without a signature"),
    "1 alg none, with a signature": (lambda: unsigned("none", "AAAA"), HS256_IS_WANTED),
    "1 alg none, signed": (lambda: sign(ada(), alg="none"), HS256_IS_WANTED),
    "1 no alg": (lambda: sign(ada(), alg=None), HS256_IS_WANTED),
    "2 empty signature": (lambda: good().rpartition(".")[0] + ".", "token without a signature"),
    "3 signed with a public key": (lambda: sign(ada(), key=PUBLIC_KEY), "wrong signature"),
    "4 another key": (lambda: sign(ada(), key=b"x" * 32), "wrong signature"),
    "4 HS384": (lambda: sign(ada(), alg="HS384", hash_name="sha384"), HS256_IS_WANTED),
    "4 HS512": (lambda: sign(ada(), alg="HS512", hash_name="sha512"), HS256_IS_WANTED),
    "4 RS256": (lambda: sign(ada(), alg="RS256"), HS256_IS_WANTED),
    "4 hs256": (lambda: sign(ada(), alg="hs256"), HS256_IS_WANTED),
    "5 payload changed by a bit": (lambda: bit_flipped(good(), 1), "wrong signature"),
    "6 signature changed by a bit": (lambda: bit_flipped(good(), 2), "wrong signature"),
    "7 expired by a second": (lambda: good(exp=time.time() - 1), "token expired"),
    "8 just expired": (lambda: good(exp=time.time()), "token expired"),
    "10 exp in quotes": (lambda: good(exp=str(time.time() + 60)), "malformed exp"),
    "10 exp NaN": (lambda: good(exp=float("nan")), "malformed exp"),
    "10 exp 1e400": (lambda: sign(b'{"user_id": "ada", "exp": 1e400}'), "malformed exp"),
    "10 exp too long a number": (lambda: sign(b'{"user_id":"ada","exp":%s}' % (b"9" * 400)), "malformed exp"),
    "10 exp negative": (lambda: good(exp=-1), "token expired"),
    "10 exp true": (lambda: good(exp=True), "malformed exp"),
    "10 exp null": (lambda: good(exp=None), "malformed exp"),
    "11 nbf to come": (lambda: good(nbf=time.time() + 30), "token not yet valid (nbf)"),
    "12 iat to come": (lambda: good(iat=time.time() + 30), "token not yet valid (iat)"),
    "14 another audience": (lambda: good(aud="bank"), "token for another audience"),
    "15 audiences without us": (lambda: good(aud=["bank", "shop"]), "token for another audience"),
    "16 another issuer": (lambda: good(iss="mallory"), "token of another issuer"),
    "16 a prefix of our issuer": (lambda: good(iss="lab"), "token of another issuer"),
    "16 our issuer is a prefix": (lambda: good(iss="labkit.evil.example"), "token of another issuer"),
    "16 a list of issuers": (lambda: good(iss=["labkit"]), "token of another issuer"),
    "17 sub a number": (lambda: good(sub=7), "malformed sub"),
    "18 unknown kid": (lambda: sign(ada(), kid="other"), "unknown key (kid)"),
    "19 kid a path": (lambda: sign(ada(), key=b"\0", kid="../../dev/null"), "wrong signature"),
    "19 kid a path, signed": (lambda: sign(ada(), kid="../../dev/null"), "unknown key (kid)"),
    "19 kid SQL": (lambda: sign(ada(), key=b"x", kid="' UNION SELECT 'x"), "wrong signature"),
    "19 kid a number": (lambda: sign(ada(), kid=7), HS256_IS_WANTED),
    "19 kid of 4 kB": (lambda: sign(ada(), kid="k" * 4_000), "token too long"),
    "21 unknown crit": (lambda: sign(ada(), crit=["exp2"], exp2=1), HS256_IS_WANTED),
    "21 empty crit": (lambda: sign(ada(), crit=[]), HS256_IS_WANTED),
    "21 b64 off": (lambda: sign(ada(), crit=["b64"], b64=False), HS256_IS_WANTED),
    "22 an access token": (lambda: sign(ada(), typ="at+jwt"), "another kind of token (typ)"),
    "22 typ a number": (lambda: sign(ada(), typ=7), "another kind of token (typ)"),
    "23 another user": (lambda: changed(good(), 1, user_id="eve"), "wrong signature"),
    "23 a role added": (lambda: changed(good(), 1, role="teacher"), "wrong signature"),
    "23 a later end": (lambda: changed(good(exp=1), 1, exp=time.time() + 60), "wrong signature"),
    "23 header changed": (lambda: changed(good(), 0, cty="x"), "wrong signature"),
    "26 one dot": (lambda: "a.b", "malformed token"),
    "26 three dots": (lambda: good() + ".AAAA", "malformed token"),
    "26 four dots": (lambda: good() + ".AAAA.AAAA", "malformed token"),
    "26 dots alone": (lambda: "..", "malformed token"),
    "26 padding": (lambda: good() + "=", "malformed token"),
    "26 a space before": (lambda: " " + good(), "malformed token"),
    "26 a line end after": (lambda: good() + "\n", "malformed token"),
    "26 other letters": (lambda: "täst." * 2 + "x", "malformed token"),
    "26 no base64": (lambda: "a.a.a", HS256_IS_WANTED),
    "no token": (lambda: "", "no token"),
    "a payload that is no object": (lambda: sign(["ada"]), "malformed token"),
    "a payload that is no JSON": (lambda: sign(b"{"), HS256_IS_WANTED),
    "a payload that is no UTF-8": (lambda: sign(b'{"user_id": "\xff"}'), HS256_IS_WANTED),
    "a deep payload": (lambda: sign(b"[" * 2_500), HS256_IS_WANTED),
    "no user_id": (lambda: sign(without(ada(), "user_id")), "token without user_id"),
    "an empty user_id": (lambda: good(user_id=""), "token without user_id"),
    "user_id null": (lambda: good(user_id=None), "token without user_id"),
    "user_id a number": (lambda: good(user_id=7), "token without user_id"),
    "user_id a list": (lambda: good(user_id=["ada"]), "token without user_id"),
    "user_id half a character": (lambda: good(user_id="\ud83d"), "malformed user_id"),
}


def outcome(lab: Lab, token: str) -> Any:
    """Return the first message, or how the connection was closed before there was one."""
    with connect_quickly(f"{lab.ws_url}/ws/secure?token={quote(token)}", proxy=None) as peer:
        try:
            return peer.recv(timeout=5)
        except PeerClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else "cut"


# ---- the contract -----------------------------------------------------------------------------------


def test_a_good_token_is_welcomed_and_every_text_is_answered_in_the_exact_words(lab):
    ws = connect(lab, f"/ws/secure?token={good()}")
    assert ws.receive() == WELCOME.format("ada")
    for text in (
        "hello",
        "",
        " spaces ",
        "zwei\nZeilen",
        "🔊",
        '{"type": "pong"}',
        "[" * 60_000,
        "x" * 60_000,
    ):
        ws.send(text)
        assert ws.receive() == ECHO.format(text)


def test_forty_texts_at_once_are_all_answered_in_their_order(lab):
    ws = connect(lab, f"/ws/secure?token={good()}")
    for number in range(40):
        ws.send(f"{number} {'x' * 16_000}")
    ws.receive()
    assert [ws.receive() for _ in range(40)] == [ECHO.format(f"{n} {'x' * 16_000}") for n in range(40)]


def number_of(case: str) -> str:
    """Return a case's number in the security notes' list of thirty, "more" if it is none of them."""
    return case.split()[0] if case[0].isdigit() else "more"


@pytest.mark.parametrize("number", sorted({number_of(case) for case in REFUSED}))
def test_a_bad_token_gets_no_welcome_but_a_reason_that_a_page_can_read(lab, number):
    cases = {name: case for name, case in REFUSED.items() if number_of(name) == number}
    told = {name: outcome(lab, make()) for name, (make, _) in cases.items()}
    assert told == {name: (1008, reason) for name, (_, reason) in cases.items()}
    assert outcome(lab, good()) == WELCOME.format("ada")  # and the next one is not disturbed
    assert lab.logs.errors == []


def test_a_token_is_good_whatever_else_it_says(lab):
    tokens = {
        "9 without exp: it is honoured where present": sign({"user_id": "ada"}),
        "15 audiences with us": good(aud=["bank", "labkit"]),
        "14, 16 ours by name": good(aud="labkit", iss="labkit"),
        "10 exp in thirty thousand years": good(exp=10**12),
        "11, 12 in the past": good(nbf=time.time() - 1, iat=int(time.time())),
        "22 typ in small letters": sign(ada(), typ="jwt"),
        "fields that nobody knows": good(sub="1", jti="2", role="admin"),
    }
    told = {name: outcome(lab, token) for name, token in tokens.items()}
    assert told == dict.fromkeys(tokens, WELCOME.format("ada"))


@pytest.mark.parametrize("name", ["exp", "aud", "iss"])
def test_an_app_may_require_claims_that_the_contract_leaves_free(name):
    """Cases 9, 13 and 16: missing."""
    claims = ada(aud="labkit", iss="labkit")
    with serve(auth.create_app(secret_key=KEY, required=["exp", "aud", "iss"])) as lab:
        assert outcome(lab, sign(claims)) == WELCOME.format("ada")
        assert outcome(lab, sign(without(claims, name))) == (1008, f"token without {name}")


def test_a_key_that_the_token_brings_along_is_neither_fetched_nor_used(lab):
    """Case 20."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/keys"
        theirs = b"mallory's own key, 32 bytes long"
        for header in ({"jku": url}, {"x5u": url}, {"jwk": {"kty": "oct", "k": part(theirs)}}):
            assert outcome(lab, sign(ada(), key=theirs, **header)) == (1008, "wrong signature")
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_an_endless_token_gets_nothing_and_the_server_goes_on(lab):
    """Cases 19 and 25: longer than a line of HTTP may be."""
    for size in (9_000, 16_000, 70_000):
        with pytest.raises((InvalidHandshake, InvalidMessage, OSError, EOFError)):
            outcome(lab, sign(ada(), kid="k" * size))
    assert outcome(lab, good()) == WELCOME.format("ada")


def test_a_query_without_a_readable_token_is_refused(lab):
    """Case 26: bytes that are no UTF-8, and more."""
    for query in ("?token=%FF%FE.x.y", "?token=%00", "?", "", "?tok=x", "?token"):
        close = connect(lab, f"/ws/secure{query}").wait_closed()
        assert (query, close.code, close.closed_by) == (query, 1008, "server")


def test_two_tokens_in_one_query_are_none(lab):
    close = connect(lab, f"/ws/secure?token={good()}&token={good()}").wait_closed()
    assert (close.code, close.reason) == (1008, "no token")


def test_raw_bytes_in_the_address_get_nothing_and_the_server_goes_on(lab):
    with socket.create_connection(("127.0.0.1", lab.port), timeout=5) as sock:
        sock.sendall(
            b"GET /ws/secure?token=\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        with suppress(ConnectionResetError):
            assert b"101" not in sock.recv(65_536).partition(b"\r\n")[0]
    assert outcome(lab, good()) == WELCOME.format("ada")


def test_when_the_token_expires_so_does_the_connection_within_a_second(lab):
    """Case 28."""
    expires_at = time.time() + 2.5
    ws = connect(lab, f"/ws/secure?token={good(exp=expires_at)}")
    ws.receive()
    other = connect(lab, f"/ws/secure?token={good()}")
    ws.send("in time")
    assert ws.receive() == ECHO.format("in time")
    close = ws.wait_closed(timeout_s=15)
    assert expires_at <= time.time() <= expires_at + 10
    assert (close.code, close.reason, close.closed_by) == (1008, "token expired", "server")
    other.receive()
    other.send("I have time")
    assert other.receive() == ECHO.format("I have time")
    assert lab.logs.errors == []


def test_one_who_talks_without_a_pause_is_closed_at_the_moment_too(lab):
    ws = connect(lab, f"/ws/secure?token={good(exp=time.time() + 2)}")
    started = time.monotonic()
    with suppress(ConnectionClosed):
        while time.monotonic() - started < 20:
            ws.send("still here")
            ws.receive()
    assert ws.wait_closed().reason == "token expired"
    assert time.monotonic() - started < 15


def test_after_the_computer_slept_an_expired_token_gets_no_answer(lab, monkeypatch):
    """A timer does not count the time that a laptop is shut; the clock on the wall does."""
    ws = connect(lab, f"/ws/secure?token={good()}")
    ws.receive()
    later = time.time() + 120
    monkeypatch.setattr(auth.time, "time", lambda: later)
    ws.send("good morning")
    close = ws.wait_closed()
    assert (close.code, close.reason) == (1008, "token expired")
    assert ws.received() == []


def test_a_client_that_leaves_before_its_token_expires_leaves_no_error(lab):
    for leave in ("close", "abort"):
        ws = connect(lab, f"/ws/secure?token={good(exp=time.time() + 1.8)}")
        ws.receive()
        getattr(ws, leave)()
    stays = connect(lab, f"/ws/secure?token={good(exp=time.time() + 2)}")
    stays.wait_closed(timeout_s=15)
    assert lab.logs.errors == []


# ---- the log ----------------------------------------------------------------------------------------


def test_no_token_is_in_the_log_whatever_becomes_of_it(lab, caplog):
    """Case 29."""
    caplog.set_level("DEBUG")
    tokens = [good(), good(exp=1), sign(ada(), key=b"x" * 32), unsigned("none"), good() + ".AAAA"]
    for token in tokens:
        outcome(lab, token)
    httpx.post(lab.url + "/token/renew", headers={"Authorization": f"Bearer {tokens[0]}"}, trust_env=False)
    lab.stop()
    # The kit's own log, and what any other handler of the process gets; without this test's own clients.
    seen = [record.getMessage() for record in caplog.records if not record.name.startswith(CLIENT_LOGGERS)]
    written = "\n".join([str(lab.logs), *seen])
    assert "/ws/secure?token=[hidden" in written
    for token in tokens:
        assert token not in written
        assert all(piece not in written for piece in token.split(".") if len(piece) > 20)


@pytest.mark.slow
def test_a_plain_uvicorn_does_not_print_the_token_even_when_it_traces_everything():
    command = [sys.executable, "-m", "uvicorn", "labkit.apps.auth:app", "--port", "0", "--log-level", "trace"]
    secret = "an environment's own secret key, long enough"
    process = subprocess.Popen(
        command, env={"SECRET_KEY": secret, "PATH": ""}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    lines: list[str] = []
    told = threading.Event()

    def read() -> None:
        for line in process.stdout:
            lines.append(line.decode())
            if "running on" in lines[-1]:
                told.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert told.wait(20), lines
        (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", "".join(lines))
        token = sign(ada(), key=secret.encode())
        for path, first in (
            (f"/ws/secure?token={token}", WELCOME.format("ada")),
            ("/ws/secure?token=x", None),
        ):
            ws = connect(f"ws://127.0.0.1:{port}", path)
            if first:
                assert ws.receive() == first
                ws.send("hello")
                assert ws.receive() == ECHO.format("hello")
                ws.close()
            else:
                assert ws.wait_closed().code == 1008
        answer = httpx.post(
            f"http://127.0.0.1:{port}/token/renew",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert answer.status_code == 401  # it has no jti, so it can't be renewed
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)
        process.stdout.close()
    printed = "".join(lines)
    assert "/ws/secure?token=[hidden" in printed
    assert "/token/renew" in printed
    for piece in token.split("."):
        assert piece not in printed
    assert secret not in printed


# ---- the key ----------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment_when_the_app_is_created(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "from the environment, and long enough")
    with serve("auth") as lab:
        assert outcome(lab, sign(ada(), key=b"from the environment, and long enough")) == WELCOME.format(
            "ada"
        )
        assert outcome(lab, good()) == (1008, "wrong signature")


@pytest.mark.parametrize("value", [None, ""], ids=["not set", "empty"])
def test_without_a_key_each_server_makes_one_that_nobody_knows(monkeypatch, value):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SECRET_KEY", value)
    with serve("auth") as one, serve("auth") as other:
        token = log_in(one).json()["access_token"]
        assert outcome(one, token) == WELCOME.format("ada")
        assert outcome(other, token) == (1008, "wrong signature")
        assert outcome(one, sign(ada(), key=b"")) == (1008, "wrong signature")


def test_a_short_key_of_the_environment_works_and_is_complained_of(monkeypatch, caplog):
    """Case 27, where a checker sets the key: the contract does not say how long it is."""
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    with serve("auth") as lab:
        assert outcome(lab, sign(ada(), key=b"hunter2")) == WELCOME.format("ada")
    assert "SECRET_KEY: The key has 7 bytes: it can be guessed from one token" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_short_key_given_in_code_is_refused_at_the_start():
    """Case 27."""
    with pytest.raises(LabError, match=r"The key has 31 bytes(?s:.*)at least 32 random bytes"):
        auth.create_app(secret_key=b"x" * 31)


def test_a_public_key_of_the_environment_is_refused_at_the_start(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", PUBLIC_KEY.decode())
    with pytest.raises(LabError, match="can't be a key for HS256"):
        auth.create_app()


# ---- handing out tokens ------------------------------------------------------------------------------


def post(lab: Lab, path: str = "/token", **options: Any) -> httpx.Response:
    return httpx.post(lab.url + path, trust_env=False, timeout=5, **options)


def log_in(lab: Lab, username: str = "ada", password: str = "analytical-engine") -> httpx.Response:
    return post(lab, json={"username": username, "password": password})


def renew(lab: Lab, token: str) -> httpx.Response:
    return post(lab, "/token/renew", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(("username", "password"), [("ada", "analytical-engine"), ("ben", "kite-and-key")])
def test_a_name_and_its_password_get_a_short_lived_token_that_opens_the_door(lab, username, password):
    answer = log_in(lab, username, password)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert set(told) == {"access_token", "token_type", "expires_in"}
    assert (told["token_type"], told["expires_in"]) == ("bearer", pytest.approx(60, abs=1))
    assert outcome(lab, told["access_token"]) == WELCOME.format(username)


def test_anything_else_gets_one_and_the_same_refusal(lab):
    for username, password in (
        ("ada", "wrong"),
        ("ada", "kite-and-key"),
        ("ada", ""),
        ("eve", "analytical-engine"),
        ("ADA", "analytical-engine"),
    ):
        answer = log_in(lab, username, password)
        assert (answer.status_code, answer.json()) == (401, {"detail": "wrong name or password"})
        assert answer.headers["www-authenticate"] == "Bearer"


def test_ten_wrong_passwords_in_a_minute_are_looked_at_and_no_more(lab, monkeypatch):
    monkeypatch.setattr(token_desk, "is_right", lambda username, password: password == "right")
    log_in(lab, "ada", "right")  # right ones are not counted
    assert [log_in(lab, "ada", "wrong").status_code for _ in range(10)] == [401] * 10
    answer = log_in(lab, "ada", "right")
    assert (answer.status_code, answer.json()) == (429, {"detail": "too many wrong passwords"})
    assert 0 < int(answer.headers["retry-after"]) <= 60


def test_wrong_guesses_are_forgotten_after_a_minute_and_never_pile_up():
    guesses = demo_users.WrongGuesses()
    assert [guesses.begin("here", now) for now in range(10)] == [0.0] * 10
    assert guesses.begin("here", 10) == 50.0
    assert guesses.begin("there", 10) == 0.0
    assert guesses.begin("here", 60) == 0.0
    for number in range(5_000):
        guesses.begin(f"address {number}", 100)
    assert len(guesses._guesses) == demo_users.ADDRESSES_KEPT_MAX


def test_the_password_is_checked_in_a_thread_and_not_on_the_event_loop(lab, monkeypatch):
    asked_in = []
    monkeypatch.setattr(
        token_desk, "is_right", lambda *_: bool(asked_in.append(threading.current_thread().name)) or True
    )
    assert log_in(lab).status_code == 200
    assert not asked_in[0].startswith("labkit")  # the server's thread, with its loop, is called so


def test_passwords_are_stored_as_salted_scrypt_hashes_alone():
    one, other = demo_users.USERS.values()
    assert one.salt != other.salt
    assert one.hash == hashlib.scrypt(
        b"analytical-engine", salt=one.salt, dklen=32, n=2**14, r=8, p=1, maxmem=2**26
    )
    source = Path(demo_users.__file__).read_text()
    assert "analytical-engine" not in source
    assert "kite-and-key" not in source


def test_what_is_no_json_object_of_credentials_is_refused(lab):
    """A page of another site can post a form or plain text without asking; JSON it can't (CVE-2021-32677)."""
    right = {"username": "ada", "password": "analytical-engine"}
    as_text = {"content": json.dumps(right), "headers": {"Content-Type": "text/plain"}}
    others = [{"username": "ada"}, right | {"username": ["ada"]}, right | {"password": "x" * 1_025}, None, []]
    for options in (as_text, {"data": right}, *({"json": value} for value in others)):
        assert (options, post(lab, **options).status_code) == (options, 422)
    assert post(lab, json=right).status_code == 200


def test_a_good_token_is_renewed_once_and_the_new_one_opens_the_door(lab):
    """Case 24: the second time is a replay."""
    old = log_in(lab).json()["access_token"]
    answer = renew(lab, old)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    new = answer.json()["access_token"]
    assert new != old
    assert outcome(lab, new) == WELCOME.format("ada")
    again = renew(lab, old)
    assert (again.status_code, again.json()) == (401, {"detail": "this token can't be renewed, or has been"})
    assert renew(lab, new).status_code == 200


def test_what_is_no_good_token_is_not_renewed(lab):
    for token, detail in (
        (good(exp=1, jti="1"), "token expired"),
        (sign(ada(jti="1"), key=b"x" * 32), "wrong signature"),
        (good(), "this token can't be renewed, or has been"),
        ("a.b.c", "malformed token, or another algorithm"),
    ):
        answer = renew(lab, token)
        assert (answer.status_code, answer.json()) == (401, {"detail": detail})
    assert post(lab, "/token/renew").json() == {"detail": "no token"}
    basic = post(lab, "/token/renew", headers={"Authorization": f"Basic {good(jti='1')}"})
    assert basic.json() == {"detail": "no token"}


def test_a_renewed_token_is_forgotten_when_it_has_expired(monkeypatch):
    with serve(auth.create_app(secret_key=KEY)) as lab:
        first = log_in(lab).json()["access_token"]
        renew(lab, first)
        later = time.time() + 3_600
        monkeypatch.setattr(token_desk.time, "time", lambda: later)
        newer = log_in(lab).json()["access_token"]
        assert renew(lab, newer).status_code == 200
        assert renew(lab, first).json() == {"detail": "token expired"}


def test_the_lifetime_is_a_setting(monkeypatch):
    monkeypatch.setenv("TOKEN_LIFETIME_S", "5")
    with serve("auth") as lab:
        assert log_in(lab).json()["expires_in"] == pytest.approx(5, abs=1)
    monkeypatch.setenv("TOKEN_LIFETIME_S", "0")
    with pytest.raises(
        LabError, match=r"TOKEN_LIFETIME_S is '0'\.\nExpected: a number of seconds, 1 or more"
    ):
        auth.create_app()


# ---- from other sites -------------------------------------------------------------------------------

FOREIGN = {"Origin": "https://evil.example", "Cookie": "token=stolen; session=ada"}


def test_a_page_of_another_site_is_refused_before_anything_is_accepted(lab):
    with pytest.raises(HandshakeRefused) as caught:
        connect(lab, f"/ws/secure?token={good()}", headers=FOREIGN)
    assert caught.value.status == 403


def test_without_a_token_a_page_of_another_site_gets_nothing_even_where_its_origin_is_let_in():
    """A browser sends cookies along with any page's WebSocket. It does not send tokens: so there is no hijacking."""
    with serve(auth.create_app(secret_key=KEY), policy=Policy(origins=["https://evil.example"])) as lab:
        ws = connect(lab, "/ws/secure", headers=FOREIGN)
        close = ws.wait_closed()
        assert (close.code, close.reason) == (1008, "no token")
        assert ws.received() == []
        in_header = connect(lab, "/ws/secure", headers={"Authorization": f"Bearer {good()}"})
        assert in_header.wait_closed().reason == "no token"


# ---- bad input after the door -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"), [(b"\0", 1003), ("x" * (64 * 1024 + 1), 1009)], ids=["binary", "64 KiB + 1"]
)
def test_what_is_no_text_closes_its_sender_with_the_right_code(lab, data, code):
    ben = connect(lab, f"/ws/secure?token={good(user_id='ben')}")
    ws = connect(lab, f"/ws/secure?token={good()}")
    with suppress(ConnectionClosed):
        ws.send(data)
    assert ws.wait_closed().code == code
    ben.send("still here")
    assert [ben.receive(), ben.receive()] == [WELCOME.format("ben"), ECHO.format("still here")]
    assert lab.logs.errors == []


def masked(opcode: int, payload: bytes, *, claim: int | None = None) -> bytes:
    size = len(payload) if claim is None else claim
    return bytes([0x80 | opcode, 0x80 | size]) + b"\0\0\0\0" + payload


BROKEN = {
    "unmasked": (b"\x81\x02hi", 1002),
    "an opcode that does not exist": (masked(0x3, b"hi"), 1002),
    "no UTF-8": (masked(0x1, b"\xff\xfe"), 1007),
    "a lone surrogate": (masked(0x1, b"\xed\xa0\x80"), 1007),
}


def test_a_client_that_breaks_the_protocol_is_closed_and_nobody_else(lab, raw):
    ben = connect(lab, f"/ws/secure?token={good(user_id='ben')}")
    for what, (data, code) in BROKEN.items():
        client = raw(lab, f"/ws/secure?token={good()}")
        client.send(data)
        assert struct.pack("!H", code) in client.read_to_the_end(), what
    assert ben.receive() == WELCOME.format("ben")
    ben.ping()


def test_half_a_frame_and_then_silence_is_found_by_the_servers_pings(raw):
    with serve(auth.create_app(secret_key=KEY), ping_interval_s=0.2, ping_timeout_s=0.2) as lab:
        client = raw(lab, f"/ws/secure?token={good()}")
        client.send(masked(0x1, b"ha", claim=20))
        assert struct.pack("!H", 1011) in client.read_to_the_end()


def test_a_handshake_without_a_key_is_refused(lab):
    with socket.create_connection(("127.0.0.1", lab.port), timeout=5) as sock:
        sock.sendall(
            f"GET /ws/secure?token={good()} HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_ten_thousand_texts_at_once_are_all_answered(lab):
    """An echo costs its sender as much as the server, so it has no rate."""
    ws = connect(lab, f"/ws/secure?token={good()}")
    for number in range(10_000):
        ws.send(str(number))
    ws.receive()
    assert [ws.receive() for _ in range(10_000)] == [ECHO.format(n) for n in range(10_000)]


def test_a_client_that_sends_and_never_reads_is_told_to_come_back_and_costs_nobody_anything(raw, monkeypatch):
    # A machine that is slow has all the time it needs, before the stalled one is cut without a word.
    monkeypatch.setattr(auth, "LIMITS", replace(auth.LIMITS, write_timeout_s=60))
    with serve(auth.create_app(secret_key=KEY)) as lab:
        stalled = raw(lab, f"/ws/secure?token={good()}", receive_buffer_bytes=4_096)
        frame = b"\x81\xfe" + struct.pack("!H", 60_000) + b"\0\0\0\0" + b"x" * 60_000
        stalled.sock.settimeout(2)
        with suppress(OSError):
            for _ in range(200):
                stalled.send(frame)
        ben = connect(lab, f"/ws/secure?token={good(user_id='ben')}")
        ben.send("hello")
        assert [ben.receive(), ben.receive()] == [WELCOME.format("ben"), ECHO.format("hello")]
        stalled.sock.settimeout(20)
        tail = b""
        while struct.pack("!H", 4408) + b"too slow" not in tail:
            chunk = stalled.sock.recv(65_536)
            assert chunk, "cut without a close frame"
            tail = tail[-50:] + chunk


def test_a_name_is_said_back_as_it_is(lab):
    for name in ("<img src=x onerror=alert(1)>", "a\nb", "a" * 2_000, "日本語", "{{7*7}}"):
        assert outcome(lab, good(user_id=name)) == WELCOME.format(name)


def test_when_the_server_stops_everyone_hears_why_and_quickly(lab):
    everyone = [connect(lab, f"/ws/secure?token={good()}") for _ in range(6)]
    everyone[-1].receive()
    started = time.monotonic()
    lab.stop()
    assert time.monotonic() - started < 10
    for ws in everyone:
        close = ws.wait_closed()
        assert (close.code, close.reason) == (1012, "the server is restarting")
    assert lab.logs.errors == []
