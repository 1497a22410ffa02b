"""`lab.wire.live()`: the timeline as a widget that moves while frames flow, with buttons for faults.

The kernel tells the story, the page lays it out: only rows that are new or different are sent, only rows in view
are drawn. A page without widgets shows the picture instead, and so does the notebook once the wire is stopped: then it
can be closed and opened again.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget

from labkit.errors import LabError
from labkit.wire.bits import FrameBits, words_of
from labkit.wire.conversation import Conversation
from labkit.wire.story import Row, tell
from labkit.wire.trace import Trace

if TYPE_CHECKING:
    from labkit.wire.wire import Wire

UPDATE_EVERY_S = 0.1
WORK_SHARE = 0.2
"""How much of the kernel's time telling a long story may take."""

ROWS_PER_MESSAGE = 1000
THREAD_END_TIMEOUT_S = 2.0

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "late": ("200 ms late", {"latency_s": 0.2}),
    "pongs": ("drop pongs", {"drop": "pong"}),
    "pieces": ("single bytes", {"split_bytes": 1}),
    "deaf": ("client stops reading", {"stall": True}),
    "cable": ("pull the cable", {"half_open": True}),
    "cut": ("cut (RST)", {"cut": True}),
}
"""The buttons: what they are called, and what they hand to `wire.fault()`."""


class Live(anywidget.AnyWidget):
    """A wire's timeline, live. Its messages may come on any thread of the kernel.

    A page asks for everything when it begins to show it; before that, nothing is told and no thread runs.
    """

    _esm = Path(__file__).parent / "live.js"
    _css = Path(__file__).parent / "live.css"

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire
        self._outputs: list[str] = []  # ids of the outputs that show it
        self._lock = threading.RLock()
        self._wanted: int | None = None  # the conversation that is looked at; None for the newest
        self._told_talk: int | None = None
        self._told: tuple[Row, ...] = ()
        self._told_head: dict[str, Any] = {}
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.on_msg(self._on_message)

    # -- what a page says ----------------------------------------------------------------------------

    def _on_message(self, _: object, said: Any, __: object) -> None:
        """Do what a button or a click asks for; a message that makes no sense is answered with the reason."""
        try:
            with self._lock:
                self._do(said if isinstance(said, dict) else {})
        except (LabError, LookupError) as error:
            self.send({"kind": "problem", "text": str(error)})

    def _do(self, said: dict[str, Any]) -> None:
        talk = said.get("talk")
        talk = talk if isinstance(talk, int) else None
        match said.get("ask"):
            case "everything":
                self._forget_what_was_told()
                self._ensure_thread()
            case "watch":
                self._wanted = talk
                self._tell(self.wire.trace())
            case "bits":
                frames = self.wire.trace()[talk or 0].frames
                frame = next((frame for frame in frames if frame.number == said.get("frame")), None)
                if frame is None:
                    raise LookupError(f"Frame {said.get('frame')} is no longer in the record.")
                self.send({"kind": "bits", "bits": _bits_for_page(frame.bits())})
            case "fault":
                if (button := FAULTS.get(str(said.get("name")))) is None:
                    raise LookupError(f"There is no fault {said.get('name')!r}.")
                _, options = button
                self.wire.fault(**options, conversation=talk)
            case "mend":
                self.wire.clear_faults()
            case "clear":
                self.wire.clear()
                self._tell(self.wire.trace())
            case other:
                raise LookupError(f"The page asked for {other!r}, which there is not.")

    # -- what the page is told -----------------------------------------------------------------------

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._tell(self.wire.trace())
            return
        self._thread = threading.Thread(target=self._run, name=f"labkit live :{self.wire.port}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for trace in self.wire.recorder.changes(self._is_over, UPDATE_EVERY_S):
            began_s = time.perf_counter()
            with self._lock:
                self._tell(trace)
            took_s = time.perf_counter() - began_s
            self._closing.wait(max(UPDATE_EVERY_S, took_s * (1 / WORK_SHARE - 1)))
        with self._lock:
            self._tell(self.wire.trace())  # what came last, and that it is over
        if not self.wire.running:
            self._leave_picture()

    def _is_over(self) -> bool:
        return self._closing.is_set() or not self.wire.running

    def close(self) -> None:
        """End the live view; the page keeps what it shows."""
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(THREAD_END_TIMEOUT_S)
        super().close()

    def _forget_what_was_told(self) -> None:
        self._told_talk, self._told, self._told_head = None, (), {}

    def _tell(self, trace: Trace) -> None:
        talk = _chosen(trace, self._wanted)
        story = tell(talk, faults=trace.faults) if talk is not None else None
        head = {
            "kind": "head",
            "talks": [
                {"id": each.id, "title": _named(each)} for each in trace.conversations if each.is_websocket
            ],
            "watched": talk.id if talk is not None else None,
            "newest": self._wanted is None,
            "verdict": list(story.verdict) if story is not None else [],
            "port": story.port if story is not None else None,
            "faults": [fault.plan.told for fault in self.wire.faults],
            "buttons": [[name, text] for name, (text, _) in FAULTS.items()],
            "running": self.wire.running,
        }
        if head != self._told_head:
            self._told_head = head
            self.send(head)
        rows = story.rows if story is not None else ()
        self._tell_rows(talk.id if talk is not None else None, rows)

    def _tell_rows(self, talk: int | None, rows: tuple[Row, ...]) -> None:
        if talk != self._told_talk:
            self._told_talk, self._told = talk, ()
        known = self._told
        changed = [place for place, row in enumerate(rows) if place >= len(known) or known[place] != row]
        if not changed and len(rows) == len(known):
            return
        self._told = rows
        for start in range(0, max(len(changed), 1), ROWS_PER_MESSAGE):
            part = [[place, asdict(rows[place])] for place in changed[start : start + ROWS_PER_MESSAGE]]
            self.send({"kind": "rows", "talk": talk, "count": len(rows), "rows": part})

    # -- where there are no widgets ------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        """Show it in an output with an id, so that the picture can take its place once the wire is stopped.

        A saved widget has nothing to show when its notebook is opened again; a picture has.
        """
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        self._outputs.append(uuid.uuid4().hex)
        display(data, metadata=metadata, raw=True, display_id=self._outputs[-1])

    def _leave_picture(self) -> None:
        from IPython.display import display

        picture = self.wire.trace().timeline()._repr_mimebundle_()
        for output in self._outputs:
            display(picture, raw=True, display_id=output, update=True)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = self.wire.trace().timeline()._repr_mimebundle_()
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return shown, {}
        data, metadata = made
        return {**data, **shown}, metadata


def _chosen(trace: Trace, wanted: int | None) -> Conversation | None:
    if wanted is not None:
        with contextlib.suppress(LookupError):  # dropped meanwhile: the newest, then
            return trace[wanted]
    return trace.websockets[-1] if trace.websockets else None


def _named(talk: Conversation) -> str:
    from labkit.wire.shown_text import shown

    state = (
        "open" if talk.is_open else "refused" if talk.refused else f"closed {talk.close_code or ''}".rstrip()
    )
    return f"{talk.id}: {shown(talk.path, 40)} ({state})"


def _bits_for_page(bits: FrameBits) -> dict[str, Any]:
    return {
        "title": bits.title,
        "words": [[[field.name, part] for field, part in word] for word in words_of(bits.fields)],
        "fields": [[field.name, field.value, field.meaning] for field in bits.fields],
        "told": [bits.length, bits.mask_text, *filter(None, [bits.problem])],
        "mask": [[f"{s.on_wire:02x}", f"{s.key:02x}", f"{s.plain:02x}", _seen(s.plain)] for s in bits.mask],
        "payload": bits.payload,
    }


def _seen(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else "·"
