"""The tokens that checks make: good ones are good to a library too, and bad ones are what they claim to be."""

from __future__ import annotations

import jwt
import pytest

from labkit.grader.tokens import make_token

KEY = "k" * 80
CLAIMS = {"user_id": "ada", "exp": 2**33}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_signed_token_is_good_to_a_library(algorithm):
    token = make_token(CLAIMS, KEY, algorithm)
    assert jwt.decode(token, KEY, algorithms=[algorithm]) == CLAIMS
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, KEY[1:], algorithms=[algorithm])


def test_a_token_can_name_another_algorithm_than_the_one_that_signed():
    token = make_token(CLAIMS, KEY, says="HS512")
    assert jwt.get_unverified_header(token) == {"alg": "HS512", "typ": "JWT"}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, KEY, algorithms=["HS512"])


def test_an_unsigned_token_has_an_empty_signature():
    token = make_token(CLAIMS, KEY, "none")
    assert token.endswith(".")
    assert jwt.decode(token, options={"verify_signature": False}) == CLAIMS
