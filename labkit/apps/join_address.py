"""Tells the address at which others join, as text and as a QR code, for the projector."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.responses import Response


def add_join_address(app: FastAPI) -> None:
    """Serve ``GET /join`` and ``GET /join.svg``.

    The address is ``app.state.join_url`` if `labkit demo --lan` has set it, else the one asked through.
    """

    @app.get("/join", include_in_schema=False)
    async def tell_address(request: Request) -> dict[str, Any]:
        """Return ``{"url": str, "only_here": bool}``; `only_here` means that no other machine can open it."""
        url = address_of(request)
        return {"url": url, "only_here": is_loopback(url)}

    @app.get("/join.svg", include_in_schema=False)
    async def draw_address(request: Request) -> Response:
        from labkit.live.qr import qr_svg

        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(qr_svg(address_of(request)), media_type="image/svg+xml", headers=headers)


def address_of(request: Request) -> str:
    """Return the address to join at, with a slash at its end."""
    return str(getattr(request.app.state, "join_url", "") or request.base_url)


def is_loopback(url: str) -> bool:
    """Tell whether an address works on this very machine only."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
