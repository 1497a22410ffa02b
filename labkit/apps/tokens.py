"""Which tokens are good: JSON Web Tokens by HS256, as plain decisions. No clock, no sockets, no settings.

Rules: RFC 7515 (signatures), RFC 7519 (claims), RFC 8725 (what goes wrong with both). PyJWT checks the form
and the signature; the claims are checked here, because it reads a number in quotes as a number.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError, InvalidSignatureError, PyJWTError

from labkit.errors import LabError

ALGORITHM = "HS256"
KEY_MIN_BYTES = 32
"""As many as the hash has: RFC 7518 section 3.2."""
TOKEN_MAX_CHARS = 4_096
ISSUER = "labkit"
AUDIENCE = "labkit"

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.(?P<signature>[A-Za-z0-9_-]*)")


class _HS256(HMACAlgorithm):
    """HMAC with SHA-256, silent about short keys: `check_key` speaks of them once, at the start."""

    def check_key_length(self, key: bytes) -> str | None:
        """Return None: there is nothing to complain of."""
        return None


_ALGORITHM = _HS256(HMACAlgorithm.SHA256)
_SIGNATURES = PyJWS(algorithms=[])  # knows no algorithm, not even "none", but the one that it is given here
_SIGNATURES.register_algorithm(ALGORITHM, _ALGORITHM)


class WeakKey(LabError):
    """A key that works and can be guessed."""


class TokenRefused(LabError):
    """A token that opens nothing. The message is fit for a close frame: short, and without the token."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says.

    Attributes:
        user_id: whose it is.
        expires_at: seconds since the epoch; infinity if it never does.
        token_id: its `jti`, empty if it has none.
    """

    user_id: str
    expires_at: float
    token_id: str

    def seconds_left(self, now: float) -> float:
        """Return how long it is still good; 0 or less once it has expired."""
        return self.expires_at - now


def make_key() -> bytes:
    """Return a fresh random key: tokens signed with it are good until the server stops."""
    return secrets.token_bytes(KEY_MIN_BYTES)


def check_key(key: bytes) -> None:
    """Check a key before anything is signed with it.

    Raises:
        WeakKey: it is shorter than 32 bytes.
        LabError: it can't be used at all: empty, or a public key or certificate, which others know too.
    """
    try:
        _ALGORITHM.prepare_key(key)
    except InvalidKeyError as error:
        raise LabError(f"This can't be a key for {ALGORITHM}: {error}", expected="random bytes.") from None
    if len(key) < KEY_MIN_BYTES:
        raise WeakKey(
            f"The key has {len(key)} bytes: it can be guessed from one token, away from the server.",
            expected=f"at least {KEY_MIN_BYTES} random bytes (RFC 7518 section 3.2).",
            hint='python -c "import secrets; print(secrets.token_hex(32))"',
        )


def make_token(user_id: str, key: bytes, *, now: float, lifetime_s: float) -> str:
    """Return a token for a user, good for `lifetime_s` seconds and at most one more."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "user_id": user_id,
        "iat": math.floor(now),
        "exp": math.ceil(now + lifetime_s),
        "jti": secrets.token_urlsafe(8),
    }
    return _SIGNATURES.encode(json.dumps(claims, separators=(",", ":")).encode(), key, ALGORITHM)


def check_token(token: str, key: bytes, *, now: float, required: Collection[str] = ()) -> Claims:
    """Return what a token says, if it is good now.

    What it says of its own use is honoured where it is present: `exp`, `nbf`, `iat`, `iss`, `aud`, `typ`,
    `kid`, `crit`. The clocks get no leeway: the server that checks is the one that made it.

    Args:
        now: seconds since the epoch.
        required: claims that must be present, besides `user_id`.

    Raises:
        TokenRefused: it is not good; the message says why.
    """
    if not token:
        raise TokenRefused("no token")
    if len(token) > TOKEN_MAX_CHARS:
        raise TokenRefused("token too long")
    form = _FORM.fullmatch(token)
    if form is None:
        raise TokenRefused("malformed token")
    if not form["signature"]:
        raise TokenRefused("token without a signature")
    header, claims = _open(token, key)
    _check_kind(header)
    for name in required:
        if claims.get(name) is None:
            raise TokenRefused(f"token without {name}")
    expires_at = _moment(claims, "exp", default=math.inf)
    if now >= expires_at:
        raise TokenRefused("token expired")
    for name in ("nbf", "iat"):
        if now < _moment(claims, name, default=-math.inf):
            raise TokenRefused(f"token not yet valid ({name})")
    _check_parties(claims)
    for name in ("sub", "jti"):
        if not isinstance(claims.get(name, ""), str):
            raise TokenRefused(f"malformed {name}")
    return Claims(_user_id(claims), expires_at, claims.get("jti", ""))


def _open(token: str, key: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check the signature and return header and claims."""
    try:
        opened = _SIGNATURES.decode_complete(token, key, algorithms=[ALGORITHM])
        claims = json.loads(opened["payload"])
    except InvalidSignatureError:
        raise TokenRefused("wrong signature") from None
    except (PyJWTError, ValueError, RecursionError):
        raise TokenRefused("malformed token, or another algorithm") from None
    if not isinstance(claims, dict):
        raise TokenRefused("malformed token")
    return opened["header"], claims


def _check_kind(header: dict[str, Any]) -> None:
    """Refuse a token that was signed with this key for another purpose, or that names another key."""
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise TokenRefused("another kind of token (typ)")
    if "kid" in header:
        raise TokenRefused("unknown key (kid)")


def _check_parties(claims: dict[str, Any]) -> None:
    """Refuse a token that somebody else made, or that was made for somebody else."""
    if claims.get("iss", ISSUER) != ISSUER:
        raise TokenRefused("token of another issuer")
    audience = claims.get("aud", AUDIENCE)
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        raise TokenRefused("token for another audience")


def _user_id(claims: dict[str, Any]) -> str:
    user_id = claims.get("user_id")
    if not isinstance(user_id, str) or not user_id:
        raise TokenRefused("token without user_id")
    try:
        user_id.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell and UTF-8 can't
        raise TokenRefused("malformed user_id") from None
    return user_id


def _moment(claims: dict[str, Any], name: str, *, default: float) -> float:
    """Return a NumericDate of RFC 7519 section 2: a JSON number, finite, not in quotes, not true."""
    if name not in claims:
        return default
    value = claims[name]
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # an integer too large for a float
        pass
    raise TokenRefused(f"malformed {name}")
