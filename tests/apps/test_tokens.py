"""The token rules without a server: the clock, the claims and the key, one decision at a time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.apps.tokens import (
    KEY_MIN_BYTES,
    Claims,
    TokenRefused,
    WeakKey,
    check_key,
    check_token,
    make_key,
    make_token,
)
from labkit.errors import LabError

KEY = b"k" * KEY_MIN_BYTES
NOW = 1_800_000_000.5


def sign(claims: object, **header: object) -> str:
    """Return a token with these claims, signed with the right key, whatever they are."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = ".".join(
        part(json.dumps(value).encode()) for value in ({"alg": "HS256", "typ": "JWT"} | header, claims)
    )
    return f"{signed}.{part(hmac.digest(KEY, signed.encode(), hashlib.sha256))}"


def refusal(token: str, *, now: float = NOW, **options: object) -> str:
    with pytest.raises(TokenRefused) as caught:
        check_token(token, KEY, now=now, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_token_that_was_made_here_is_good_for_its_lifetime_and_at_most_a_second_more():
    token = make_token("ada", KEY, now=NOW, lifetime_s=60)
    claims = check_token(token, KEY, now=NOW)
    assert claims == Claims("ada", math.ceil(NOW + 60), claims.token_id)
    assert 60 <= claims.seconds_left(NOW) <= 61
    assert check_token(token, KEY, now=NOW + 60) == claims
    assert refusal(token, now=NOW + 61) == "token expired"


def test_a_token_has_the_claims_that_readers_elsewhere_look_for():
    token = make_token("ada", KEY, now=NOW, lifetime_s=60)
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims == {
        "iss": "labkit",
        "aud": "labkit",
        "user_id": "ada",
        "iat": 1_800_000_000,
        "exp": 1_800_000_061,
        "jti": claims["jti"],
    }


def test_two_tokens_of_one_user_are_not_the_same():
    assert len({make_token("ada", KEY, now=NOW, lifetime_s=60) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("now", "good"), [(99.999, True), (100.0, False), (100.001, False), (131.0, False)], ids=str
)
def test_a_token_expires_at_its_moment_without_leeway(now, good):
    token = sign({"user_id": "ada", "exp": 100})
    if good:
        assert check_token(token, KEY, now=now).seconds_left(now) == pytest.approx(0.001)
    else:
        assert refusal(token, now=now) == "token expired"


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_begins_at_its_moment(name):
    token = sign({"user_id": "ada", name: 100})
    assert refusal(token, now=99.999) == f"token not yet valid ({name})"
    assert check_token(token, KEY, now=100.0).user_id == "ada"


def test_a_token_without_exp_never_expires():
    assert check_token(sign({"user_id": "ada"}), KEY, now=NOW).seconds_left(NOW) == math.inf


@pytest.mark.parametrize("name", ["exp", "iss", "aud", "nbf", "iat", "jti"])
def test_what_is_required_must_be_there(name):
    assert refusal(sign({"user_id": "ada"}), required=[name]) == f"token without {name}"
    assert refusal(sign({"user_id": "ada", name: None}), required=[name]) == f"token without {name}"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", ["100", True, False, None, [100], {}, math.nan, math.inf, -math.inf, 10**400]
)
def test_a_moment_is_a_finite_number_and_nothing_else(name, value):
    assert refusal(sign({"user_id": "ada", name: value})) == f"malformed {name}"


def test_a_key_of_enough_bytes_is_taken_and_a_fresh_one_has_them():
    check_key(KEY)
    check_key(make_key())
    assert make_key() != make_key()


def test_a_short_key_is_told_what_is_wrong_with_it():
    with pytest.raises(WeakKey) as caught:
        check_key(b"x" * 31)
    assert str(caught.value) == (
        "The key has 31 bytes: it can be guessed from one token, away from the server.\n"
        "Expected: at least 32 random bytes (RFC 7518 section 3.2).\n"
        'Try: python -c "import secrets; print(secrets.token_hex(32))"'
    )


@pytest.mark.parametrize(
    "key",
    [b"", b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", b"ssh-rsa AAAAB3NzaC1yc2E= ada"],
    ids=["empty", "public key", "ssh key"],
)
def test_what_everybody_knows_is_no_key(key):
    with pytest.raises(LabError, match="can't be a key for HS256"):
        check_key(key)


@given(
    st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True)
)
def test_no_text_at_all_is_taken_for_a_token_or_breaks_the_rules(text):
    assert refusal(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3),
)


@given(
    st.dictionaries(st.sampled_from(["user_id", "exp", "nbf", "iat", "iss", "aud", "sub", "jti"]), JSON),
    st.data(),
)
def test_claims_of_any_shape_are_read_or_refused_and_never_break_the_rules(claims, data):
    header = data.draw(
        st.dictionaries(st.sampled_from(["typ", "kid", "crit", "b64", "alg"]), JSON, max_size=2)
    )
    read, refused = None, ""
    try:
        read = check_token(sign(claims, **header), KEY, now=NOW)
    except TokenRefused as refusal_:
        refused = refusal_.happened
    assert len(refused.encode()) <= 123  # fits into a close frame
    assert (read is None) == bool(refused)
    if read is not None:
        assert read.user_id == claims["user_id"]
        assert read.user_id
        assert read.expires_at > NOW
