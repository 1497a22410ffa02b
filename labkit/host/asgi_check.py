"""Telling an ASGI application from the things that learners pass instead of one."""

from __future__ import annotations

import inspect
from typing import Any

from labkit.errors import ServeError
from labkit.host.identity import ASGIApp


def require_asgi(app: Any) -> ASGIApp:
    """Return the app if it can be called as `await app(scope, receive, send)`.

    Raises:
        ServeError: it cannot; the message names what it is and how to get an application from it.
    """
    what = _name_of(app)
    if app is None:
        raise _not_an_app("None is no ASGI application.", "does your factory return the app?")
    if inspect.ismodule(app):
        raise _not_an_app(f"{what} is a module.", f"serve({app.__name__.rpartition('.')[2]}.app).")
    if inspect.isclass(app):
        raise _not_an_app(f"{what} is a class.", f"call it: serve({app.__name__}()).")
    if not callable(app):
        raise _not_an_app(f"{what} cannot be called.", "pass the object that FastAPI() returned.")
    wanted = _positional_count(app)
    if wanted == 0:
        raise _not_an_app(
            f"{what} takes no arguments: it looks like a factory.", f"call it: serve({app.__name__}())."
        )
    if wanted is not None and wanted != 3:
        raise _not_an_app(
            f"{what} takes {wanted} argument(s).", "an ASGI application takes scope, receive and send."
        )
    return app  # type: ignore[no-any-return]


def _not_an_app(happened: str, hint: str) -> ServeError:
    return ServeError(
        happened, expected="an ASGI application, such as app = FastAPI(), or a name.", hint=hint
    )


def _name_of(app: object) -> str:
    name = getattr(app, "__qualname__", None) or getattr(app, "__name__", None)
    return f"{name!r}" if name else f"{app!r:.80}"


def _positional_count(app: Any) -> int | None:
    """Return how many positional arguments a call must have, or None if that cannot be told."""
    try:
        signature = inspect.signature(app)
        signature.bind(None, None, None)
    except TypeError:
        needed = [
            p
            for p in signature.parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        return len(needed)
    except ValueError:
        return None
    return 3
