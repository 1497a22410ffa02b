"""Where tokens are handed out, over HTTP: one for a password, and a fresh one for one that is still good."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request, Response

from labkit.apps.demo_users import WrongGuesses, is_right
from labkit.apps.messages.auth import Credentials, IssuedToken
from labkit.apps.tokens import Claims, TokenRefused, make_token


def token_desk(key: bytes, check: Callable[[str], Claims], *, lifetime_s: float) -> APIRouter:
    """Return `POST /token` and `POST /token/renew`.

    Args:
        key: signs the tokens.
        check: returns what a good token says, and raises `TokenRefused` for any other.
        lifetime_s: how long a token is good.
    """
    desk = APIRouter()
    guesses = WrongGuesses()
    renewed: dict[str, float] = {}  # tokens that have had their one renewal, until they expire

    def issue(user_id: str, response: Response) -> IssuedToken:
        response.headers["Cache-Control"] = "no-store"
        now = time.time()
        token = make_token(user_id, key, now=now, lifetime_s=lifetime_s)
        return IssuedToken(access_token=token, expires_in=round(check(token).seconds_left(now)))

    @desk.post("/token")
    async def log_in(who: Credentials, request: Request, response: Response) -> IssuedToken:
        address = request.client.host if request.client else ""
        if (wait_s := guesses.begin(address, time.monotonic())) > 0:
            raise HTTPException(429, "too many wrong passwords", {"Retry-After": f"{wait_s:.0f}"})
        # Some 50 ms of computing: on the event loop, everybody else would wait for it.
        if not await asyncio.to_thread(is_right, who.username, who.password):
            raise _unauthorized("wrong name or password")
        guesses.forgive(address)
        return issue(who.username, response)

    @desk.post("/token/renew")
    async def renew(response: Response, authorization: Annotated[str, Header()] = "") -> IssuedToken:
        scheme, _, token = authorization.partition(" ")
        try:
            claims = check(token if scheme.lower() == "bearer" else "")
        except TokenRefused as refusal:
            raise _unauthorized(refusal.happened) from None
        # Once only: a stolen token that its owner has renewed can't be made to live on.
        if not claims.token_id or claims.token_id in renewed:
            raise _unauthorized("this token can't be renewed, or has been")
        now = time.time()
        for token_id in [token_id for token_id, until in renewed.items() if until <= now]:
            del renewed[token_id]
        renewed[claims.token_id] = claims.expires_at
        return issue(claims.user_id, response)

    return desk


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})
