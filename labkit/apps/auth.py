"""Auth: a signed token opens the WebSocket, and when the token's time is over, so is the connection's."""

import asyncio
import logging
import os
import time
from collections.abc import Collection
from contextlib import suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.hub_lifespan import hub_lifespan
from labkit.apps.messages.auth import CHANNELS
from labkit.apps.page_files import add_page
from labkit.apps.settings import seconds
from labkit.apps.socket_transport import accept, refuse
from labkit.apps.token_desk import token_desk
from labkit.apps.tokens import Claims, TokenRefused, WeakKey, check_key, check_token, make_key
from labkit.host.logs import hide_secrets
from labkit.hub import Hub, Limits, Refused

POLICY_VIOLATION = 1008
TOKEN_LIFETIME_S = 60.0
LIMITS = Limits(connections_per_user=256)

logger = logging.getLogger("labkit.apps")


def create_app(*, secret_key: bytes | None = None, required: Collection[str] = ()) -> FastAPI:
    """Return a fresh server: a page at `/`, the WebSocket at `/ws/secure?token=`, and `POST /token`.

    Args:
        secret_key: at least 32 bytes; SECRET_KEY unless given, else a random one.
        required: claims that a token must have, besides `user_id`.

    Raises:
        LabError: the key is too short, or can't be one.
    """
    key = key_of_settings() if secret_key is None else secret_key
    if secret_key is not None:
        check_key(key)
    hide_secrets()

    def check(token: str) -> Claims:
        return check_token(token, key, now=time.time(), required=required)

    hub = Hub(ping=None, limits=LIMITS)
    app = FastAPI(title="auth", lifespan=hub_lifespan(hub))
    add_page(app, "auth")
    add_asyncapi(app, *CHANNELS)
    lifetime_s = seconds("TOKEN_LIFETIME_S", TOKEN_LIFETIME_S, least=1)
    app.include_router(token_desk(key, check, lifetime_s=lifetime_s))

    @app.websocket("/ws/secure")
    async def secure_echo(ws: WebSocket) -> None:
        # accept: before the check, because a browser can't read why a handshake was refused
        transport = await accept(ws)
        try:
            claims = check(token_of(ws))
            # register, for as long as the token is good
            async with hub.connect(transport, user=claims.user_id) as connection:
                left_s = claims.seconds_left(time.time())
                end = (POLICY_VIOLATION, "token expired")
                expiry = asyncio.get_running_loop().call_later(left_s, connection.close, *end)
                connection.send(f"✅ Welcome {claims.user_id}! You're authenticated 🔐")
                try:
                    # receive loop
                    while connection.heard(len((text := await ws.receive_text()).encode())):
                        if claims.seconds_left(time.time()) <= 0:  # a computer that slept has a late timer
                            connection.close(*end)
                        # reply
                        connection.send(f"Secure echo: {text} 🛡️")
                except WebSocketDisconnect as left:
                    connection.gone(left.code)
                except KeyError:  # a binary frame has no text
                    connection.close(1003, "text frames only")
                finally:
                    expiry.cancel()
                # unregister: the block's end does it
        except TokenRefused as refusal:
            with suppress(RuntimeError, WebSocketDisconnect):  # it has gone already
                await transport.close(POLICY_VIOLATION, refusal.happened)
        except Refused as refusal:
            await refuse(ws, refusal)

    return app


def token_of(ws: WebSocket) -> str:
    """Return the token in the query. Two of them are none: which one counts would depend on who reads."""
    tokens = ws.query_params.getlist("token")
    return tokens[0] if len(tokens) == 1 else ""


def key_of_settings() -> bytes:
    """Return SECRET_KEY or, if there is none, a random key. A short one is used, and complained of."""
    key = os.environ.get("SECRET_KEY", "").encode("utf-8", "surrogateescape")
    if not key:
        return make_key()
    try:
        check_key(key)
    except WeakKey as weak:
        logger.warning("SECRET_KEY: %s", weak)
    return key


app = create_app()
