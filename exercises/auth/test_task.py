"""The graded checks of `auth`: `labkit check auth`, or `pytest exercises/auth --solution FILE`.

Each check makes its own tokens with the key that the solution got. Any server passes that does what task.md
says, whatever it looks like inside; both ways of refusing are right, and what is said with a refusal is free.
"""

import math
import time

import pytest

from labkit.grader.failures import CheckFailure
from labkit.grader.tokens import encode_part, make_token

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints

PATH = "/ws/secure"
HOUR_S = 3600
CLOSES_WITHIN_S = 1.0
SLACK_S = 2.0  # for a busy machine, on which a timer and a close frame may be late


def welcome(user):
    return f"✅ Welcome {user}! You're authenticated 🔐"


def echo_of(text):
    return f"Secure echo: {text} 🛡️"


def key_of(server):
    return server.settings["SECRET_KEY"]


def claims_of(user, **more):
    return {"user_id": user, "exp": math.floor(time.time()) + HOUR_S, **more}


def good_token(server, user, **more):
    return make_token(claims_of(user, **more), key_of(server))


def address(token):
    return f"{PATH}?token={token}"


def enter(server, user, token, who=""):
    """Connect with a good token and require the welcome."""
    ws = server.connect(address(token), who=who)
    ws.expect_text(welcome(user))
    return ws


def exchange(server, ws):
    word = server.word()
    ws.send(word)
    ws.expect_text(echo_of(word))


def expect_refused(server, *tokens, whose=""):
    """Require that each token opens nothing, and that a good one still does."""
    for token in tokens:
        server.expect_refused(address(token), {401, 403}, 1008, welcome="✅ Welcome", who=whose)
    user = server.word()
    enter(server, user, good_token(server, user), who="one with a good token")


@points(2)
@hints(
    "Where does the token stand in the address, and where does the key come from?",
    "The token is not read from the query, or is checked with another key than SECRET_KEY, or the welcome has other "
    "words.",
    "Look up query parameters in FastAPI, `os.environ` and `jwt.decode()`.",
)
def test_welcome(server):
    """A valid token is welcomed with the `user_id` that is in it."""
    for user in (server.word(), server.phrase()):
        enter(server, user, good_token(server, user))


@points(1)
@needs("welcome")
@hints(
    "What happens after the welcome?",
    "Only one text is answered, or an empty one is not, or the words of the answer are others.",
    "Look up a loop around receive and send, and compare letter by letter.",
)
def test_echo(server):
    """After the welcome, each text is answered, in order."""
    user, other = server.word(), server.word()
    ws = enter(server, user, good_token(server, user), who="Ada")
    second = enter(server, other, good_token(server, other), who="Ben")
    texts = [server.phrase(), "", f" {server.word()} ", *[server.word() for _ in range(10)]]
    ws.send(*texts)
    exchange(server, second)
    for text in texts:
        ws.expect_text(echo_of(text))


@points(1)
@needs("welcome")
@hints(
    "Which claims must a token have, and which may it have?",
    "A claim is required that the task does not require: `exp` is honoured only where it is present.",
    "Look up what `jwt.decode()` does without `exp`, and how `payload.get()` differs from `payload[...]`.",
)
def test_without_exp(server):
    """A token without `exp` is good, and so is one that says more than it has to."""
    user = server.word()
    exchange(server, enter(server, user, make_token({"user_id": user}, key_of(server))))
    now = math.floor(time.time())
    more = {"iat": now - HOUR_S, "nbf": now - HOUR_S, "role": server.word()}
    exchange(server, enter(server, user, good_token(server, user, **more)))


@points(1)
@needs("welcome")
@hints(
    "What does your server do with somebody who brings no token at all?",
    "A missing token is taken for a good one, or raises an error that nobody catches.",
    "Treat a missing token like a bad one; look up the close code 1008.",
)
def test_no_token(server):
    """Without a token, or with an empty one, nobody gets in."""
    server.expect_refused(PATH, {401, 403}, 1008, welcome="✅ Welcome")
    expect_refused(server, "")


@points(2)
@needs("welcome")
@hints(
    "What can stand in the address instead of a token?",
    "A token that cannot be read raises another error than a wrong one, and nobody catches it; or the claims are taken "
    "for an object without a look.",
    "Look up `jwt.PyJWTError`, from which all errors of the library come.",
)
def test_malformed(server):
    """What is no token, or only a part of one, is refused."""
    good = good_token(server, server.word())
    header, claims, signature = good.split(".")
    expect_refused(
        server,
        server.word(),
        f"{header}.{claims}",
        f"{good}.{signature}",
        "..",
        f"{encode_part(b'{')}.{claims}.{signature}",
        make_token([server.word()], key_of(server)),
        make_token("user_id", key_of(server)),
    )


@points(2)
@needs("welcome")
@hints(
    "How does your server know that the token was made by somebody who has the key?",
    "The claims are read without checking the signature, or the check is switched off.",
    "Anybody can decode a token and write another one. Look up what `jwt.decode()` needs to verify it.",
)
def test_wrong_signature(server):
    """A token that was signed with another key, or changed afterwards, is refused."""
    user, victim = server.word(), server.word()
    header, claims, signature = good_token(server, user).split(".")
    other = good_token(server, victim).split(".")[1]
    changed = f"{'B' if signature.startswith('A') else 'A'}{signature[1:]}"  # still Base64
    expect_refused(
        server,
        make_token(claims_of(victim), server.word() * 4),
        make_token(claims_of(victim), ""),
        f"{header}.{other}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}.{changed}",
    )


@points(2)
@needs("welcome")
@hints(
    "Who chooses by which algorithm a token is checked: your server, or whoever wrote the token?",
    "The algorithm is taken from the token's header, or more of them are allowed than HS256.",
    "Look up the parameter `algorithms` of `jwt.decode()`, and why `none` is dangerous.",
)
def test_algorithm(server):
    """Only HS256 counts: neither `none` nor another algorithm, even with the right key."""
    claims, key = claims_of(server.word()), key_of(server)
    expect_refused(
        server,
        *[make_token(claims, "", none) for none in ("none", "None", "NONE")],
        make_token(claims, key, "HS512"),
        make_token(claims, key, "HS384"),
        make_token(claims, key, says="RS256"),
        make_token(claims, key, says="none"),
    )


@points(2)
@needs("welcome")
@hints(
    "For how long is a token good?",
    "The time in `exp` is not looked at, or is given a period of grace, or is compared with local time.",
    "`exp` counts seconds since 1970 in UTC, as `time.time()` does. Look up ExpiredSignatureError.",
)
def test_expired(server):
    """A token whose `exp` has passed is refused, by an hour or by seconds."""
    now = math.floor(time.time())
    user = server.word()
    expect_refused(
        server, *[make_token({"user_id": user, "exp": now - ago_s}, key_of(server)) for ago_s in (HOUR_S, 3)]
    )


@points(1)
@needs("welcome")
@hints(
    "Can a token be valid some day and not today?",
    "`nbf` is not looked at. A library does it by itself, unless it is told not to.",
    "Look up `nbf` in RFC 7519, section 4.1.5.",
)
def test_not_yet_valid(server):
    """A token whose `nbf` is still to come is refused."""
    now = math.floor(time.time())
    user = server.word()
    expect_refused(server, *[good_token(server, user, nbf=now + later_s) for later_s in (HOUR_S // 2, 60)])


@points(2)
@needs("welcome")
@hints(
    "Whom does your server welcome if a token is perfectly signed and names nobody?",
    "A missing or odd `user_id` is taken as it is, so that None, an empty name or a number is welcomed.",
    "Look up `isinstance()`, and decide before you accept.",
)
def test_user_id(server):
    """A token without a `user_id` that is a text of some length is refused."""
    exp = math.floor(time.time()) + HOUR_S
    key = key_of(server)
    expect_refused(
        server,
        make_token({"exp": exp, "sub": server.word()}, key),
        *[make_token({"exp": exp, "user_id": odd}, key) for odd in (None, "", 42, True, [server.word()], {})],
    )


@points(3)
@needs("expired", "echo")
@hints(
    "What becomes of an open connection when its token's time is over?",
    "The token is looked at once, at the door; or only when the next text comes; or each text starts the clock anew; "
    "or the connection ends with another code.",
    "Look up `asyncio.timeout_at()` or `loop.call_later()`, for the time that is left of `exp`.",
)
def test_expiry(server):
    """When `exp` passes on an open connection, the server closes it with 1008, whether the client talks or not."""
    silent, talking, exp = enter_for_a_moment(server)
    while time.time() < exp + CLOSES_WITHIN_S + SLACK_S:
        try:
            exchange(server, talking)
        except CheckFailure:
            if time.time() < exp:
                raise
            break
        time.sleep(0.1)
    expected = "the server closes with 1008 within 1 s of the token's `exp`"
    for ws in (silent, talking):
        left_s = exp + CLOSES_WITHIN_S + SLACK_S - time.time()
        ws.expect_close(1008, expected=expected, timeout_s=max(left_s, SLACK_S / 2))


def enter_for_a_moment(server):
    """Connect two clients whose token expires in about two seconds; in more of them on a very busy machine."""
    for lifetime_s in (1.3, 4, 8):
        user = server.word()
        exp = math.ceil(time.time() + lifetime_s)
        token = make_token({"user_id": user, "exp": exp}, key_of(server))
        try:
            silent = enter(server, user, token, who="the silent one")
            return silent, enter(server, user, token, who="the talking one"), exp
        except CheckFailure:
            if time.time() < exp:
                raise
    raise AssertionError("this machine is too busy: a token expires before it is used")


@points(1)
@needs("wrong_signature", "expired")
@hints(
    "Who may read your server's log?",
    "Something prints or logs the token, the address with its query, or all that came.",
    "Look for `print` and for logging calls, also in `except`; say who came, not with what.",
)
def test_token_stays_secret(server):
    """The token never appears in what the server logs or prints."""
    user = server.word()
    now = math.floor(time.time())
    good = good_token(server, user)
    ws = enter(server, user, good)
    exchange(server, ws)
    ws.close()
    expired = make_token({"user_id": user, "exp": now - HOUR_S}, key_of(server))
    forged = make_token(claims_of(user), server.word() * 4)
    nameless = make_token({"exp": now + HOUR_S}, key_of(server))
    expect_refused(server, expired, forged, nameless)
    exchange(server, enter(server, user, good_token(server, user)))
    for token, after in (
        (good, "after a valid one has come and gone"),
        (expired, "after an expired one"),
        (forged, "after a forged one"),
        (nameless, "after one without user_id"),
    ):
        server.expect_not_printed(token.rpartition(".")[2], "the token", after)
