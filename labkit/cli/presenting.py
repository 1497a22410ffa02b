"""`labkit demo`: one app in the foreground, for oneself or for the room."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from fastapi import FastAPI

from labkit.apps import create
from labkit.apps.settings import data_folder
from labkit.cli.terminal import open_browser, stop_signals, tell_end, wait_for
from labkit.errors import LabError, ServeError
from labkit.host import Lab, serve

DEMO_PORT = 8000
"""Tried first, so that pages find a demo again that was stopped and started anew."""

KEPT = ("drawing",)
DATA_FOLDER = Path(".labkit")
"""Where the demos of `KEPT` keep what was made in them, unless DATA_DIR says otherwise: in the current folder."""


def present(name: str, *, port: int | None, lan: bool, browser: bool) -> None:
    """Serve an app until a signal comes; with `lan`, to everyone on this machine's networks.

    Args:
        port: the port, 0 for any free one, None for `DEMO_PORT` if that is free.

    Raises:
        UnknownName: there is no app of that name.
        ServeError: the port is taken.
        LabError: the server ended by itself.
    """
    stopped = threading.Event()
    if name in KEPT and data_folder() is None:
        os.environ["DATA_DIR"] = str(DATA_FOLDER / name)
        typer.echo(
            f"What is made here is kept for the next start, in {DATA_FOLDER / name} (DATA_DIR changes that)."
        )
    app = create(name)
    with _troubles_told(), stop_signals(stopped.set), _serve(app, name, port, lan=lan) as lab:
        typer.echo(f"{name}: {lab.url}/ (Ctrl-C stops it)")
        for line in _invitation(app, lab.port) if lan else ():
            typer.echo(line)
        if token := getattr(app.state, "host_token", ""):
            typer.echo(f"Host view, for you alone: {lab.url}/host/{token}")
        if browser:
            open_browser(f"{lab.url}/?view=projector" if lan else f"{lab.url}/")
        wait_for(stopped, unless_ended=lambda: not lab.running)
        if not stopped.is_set():
            raise LabError(
                f"{name} ended by itself.", hint="\n".join(["look at its log:", *map(str, lab.logs)])
            )
    tell_end(f"{name} is stopped.")


@contextmanager
def _troubles_told() -> Iterator[None]:
    """Print what labkit's own servers warn of, such as a full disk: nobody sees a demo's log."""
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    logger = logging.getLogger("labkit")
    logger.addHandler(terminal)
    try:
        yield
    finally:
        logger.removeHandler(terminal)


def _serve(app: FastAPI, name: str, port: int | None, *, lan: bool) -> Lab:
    if port is None:
        try:
            return _serve(app, name, DEMO_PORT, lan=lan)
        except ServeError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            return _serve(app, name, 0, lan=lan)
    if not lan:
        return serve(app, name=name, port=port)
    from labkit.live.lan import serve_on_lan

    return serve_on_lan(app, name=name, port=port)


def _invitation(app: FastAPI, port: int) -> list[str]:
    """Tell the app the address at which the others join, and return the lines that say it."""
    from labkit.live.lan import lan_interfaces
    from labkit.live.qr import qr_text

    found = lan_interfaces()
    if not found:
        return ["This machine has no network address but its own: join a Wi-Fi, or start a hotspot."]
    best, *others = [(f"http://{each.address}:{port}/", each.name) for each in found]
    app.state.join_url = best[0]
    lines = ["", qr_text(best[0], colours=_takes_colours(), blocks=_shows_blocks()), ""]
    lines.append(f"Join at {best[0]} (on {best[1]}), from the same network.")
    if others:
        lines.append("If that is the wrong one: " + ", ".join(f"{url} ({name})" for url, name in others))
    lines.append("If phones can't open it: guest Wi-Fis often keep devices apart; a phone's hotspot doesn't.")
    return lines


def _takes_colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _shows_blocks() -> bool:
    try:
        "▀▄█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
