"""Makes JSON Web Tokens for checks, sound and unsound ones alike: no library signs what is not sound."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def make_token(claims: Any, key: str, algorithm: str = "HS256", *, says: str = "") -> str:
    """Return a token, RFC 7515 section 3.1.

    Args:
        claims: any JSON value; a sound token has an object.
        key: what it is signed with.
        algorithm: HS256, HS384 or HS512 signs; any other name leaves the signature empty.
        says: the algorithm that its header names, where that is not the one that signs.
    """
    header = {"alg": says or algorithm, "typ": "JWT"}
    signed = ".".join(encode_part(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{encode_part(_signature(signed, key, algorithm))}"


def encode_part(data: bytes) -> str:
    """Return bytes as base64url without padding, RFC 7515 section 2."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(signed: str, key: str, algorithm: str) -> bytes:
    hash_function = _HASHES.get(algorithm)
    return hmac.digest(key.encode(), signed.encode(), hash_function) if hash_function else b""
