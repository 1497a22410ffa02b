"""The kit's own servers, one a lesson; each `create_app()` returns a fresh one that shares no state."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from labkit.errors import UnknownName

if TYPE_CHECKING:
    from fastapi import FastAPI

APP_NAMES = ("echo", "lifecycle", "chat", "dashboard", "auth", "rooms", "pitfalls", "drawing")


def create(name: str) -> FastAPI:
    """Return a fresh app by its lesson's name.

    Raises:
        UnknownName: there is none of that name; the message suggests the nearest.
    """
    if name not in APP_NAMES:
        raise UnknownName("app", name, APP_NAMES)
    return cast("FastAPI", importlib.import_module(f"labkit.apps.{name}").create_app())
