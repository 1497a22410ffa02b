"""What the commands need of the terminal: streams that show any text, a browser, and the signals to stop."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator

import typer

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, a polite kill, and the terminal's window being closed."""

WAKE_S = 0.5


def make_streams_forgiving() -> None:
    """Let stdout and stderr show `?` for what their encoding lacks, such as an emoji on a cp1252 console."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def write_json(text: str) -> None:
    """Write one JSON text and a line break to stdout, as UTF-8 whatever the terminal speaks."""
    sys.stdout.flush()
    data = text.rstrip("\n").encode("utf-8", "replace") + b"\n"
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # a test's or an IDE's stand-in for stdout
        sys.stdout.write(data.decode())
    else:
        binary.write(data)
    sys.stdout.flush()


def tell_end(text: str) -> None:
    """Say that something has stopped, on a line of its own: a terminal has just shown ^C."""
    typer.echo(f"\n{text}" if sys.stdout.isatty() else text)


def has_browser() -> bool:
    """Tell whether a browser window can open here; a text browser would only be in the way."""
    if sys.platform.startswith("linux"):
        under_windows = "microsoft" in platform.release().lower()
        return bool(under_windows or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def open_browser(url: str) -> None:
    """Open a page in the user's browser if there is one; never wait for it."""
    if has_browser():
        threading.Thread(target=_open, args=(url,), name="labkit browser", daemon=True).start()


def _open(url: str) -> None:
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(url)


@contextlib.contextmanager
def stop_signals(on_stop: Callable[[], None]) -> Iterator[None]:
    """Call a function on Ctrl-C, SIGTERM or a closed terminal, instead of ending the process."""
    # `nohup` has the closed terminal ignored, and so it stays.
    numbers = [
        number
        for number in STOP_SIGNALS
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, lambda *_: on_stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for(stopped: threading.Event, *, unless_ended: Callable[[], bool]) -> None:
    """Return when the event is set, or when what runs meanwhile has ended by itself."""
    # Windows delivers Ctrl-C only between waits, so they are short.
    while not stopped.wait(WAKE_S) and not unless_ended():
        pass
