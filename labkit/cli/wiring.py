"""`labkit wire`: a recording proxy in front of any server, with a live log in the terminal."""

from __future__ import annotations

import dataclasses
import sys
import threading
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from labkit.cli.terminal import stop_signals, tell_end
from labkit.errors import LabError
from labkit.wire.conversation import Conversation
from labkit.wire.log_text import Timed, happenings, log_line
from labkit.wire.trace import Trace
from labkit.wire.wire import Wire

SHOW_EVERY_S = 0.1
STYLES = {"→": "cyan", "←": "green", "■": "bold", "=": "bold magenta", "✗": "bold red"}


def wire_up(url: str, *, port: int, save: Path | None) -> None:
    """Record what goes to a server until a signal comes, and print it as it happens.

    Raises:
        LabError: no such URL, the port is taken, or the file cannot be written.
    """
    if save is not None:
        _require_writable(save)
    stopped = threading.Event()
    log = _Log()
    with Wire(url, port=port) as wire, stop_signals(stopped.set):
        typer.echo(f"Connect to {wire.ws_url} instead of {url} (Ctrl-C stops it)")
        sys.stdout.flush()
        for trace in wire.recorder.changes(stopped.is_set, SHOW_EVERY_S):
            log.show(trace)
        trace = wire.trace()
        log.show(trace)
    if save is not None:
        trace.save(save)
        tell_end(f"The wire is stopped; {_told(trace)} saved in {save}.")
    else:
        tell_end(f"The wire is stopped: {_told(trace)}.")


def _told(trace: Trace) -> str:
    count = len(trace.conversations)
    return f"{count} connection{'' if count == 1 else 's'}"


def _require_writable(path: Path) -> None:
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise LabError(
            f"Cannot write {path}: {error.strerror}.", expected="a file in a folder that exists."
        ) from error


class _Log:
    """Prints what is new in a trace, each thing once."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._last_frame: dict[int, int] = {}
        self._shown: dict[int, set[Timed]] = {}
        self._dropped_frames = 0

    def show(self, trace: Trace) -> None:
        new = [each for talk in trace.conversations for each in self._new(talk)]
        for happening in sorted(new, key=lambda each: each[0]):
            text = happening[2]
            style = STYLES["✗"] if "✗" in text else STYLES.get(text[0], "")
            self._console.print(Text(log_line(happening), style=style))
        if trace.dropped_frames > self._dropped_frames:
            self._dropped_frames = trace.dropped_frames
            self._console.print(f"(the record is full: {trace.dropped_frames} frames are dropped by now)")

    def _new(self, talk: Conversation) -> list[Timed]:
        """Return what has not been shown of a conversation; a frame is shown when it is complete."""
        whole = [frame for frame in talk.frames if frame.complete or talk.endings]
        talk = dataclasses.replace(talk, frames=tuple(whole))
        found = list(happenings(talk, after=self._last_frame.get(talk.id, 0)))
        if whole:
            self._last_frame[talk.id] = whole[-1].number
        shown = self._shown.setdefault(talk.id, set())
        new = [each for each in found if each not in shown]
        shown.update(each for each in new if each[2][0] in "■=" or "HTTP/" in each[2])
        return new
