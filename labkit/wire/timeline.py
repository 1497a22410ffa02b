"""A connection as a timeline: the picture, and the same in words."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from labkit.wire.conversation import Conversation
from labkit.wire.folding import fold, window
from labkit.wire.story import Story, tell
from labkit.wire.timeline_svg import timeline_svg
from labkit.wire.timeline_text import timeline_text
from labkit.wire.trace import FaultSpan, Trace

MAX_PICTURES = 8
"""How many connections a trace draws; earlier ones are named."""

_STYLE = (
    "<style>.labkit-wire img{color-scheme:light dark}"
    '[data-jp-theme-light="true"] .labkit-wire img{color-scheme:light}'
    '[data-jp-theme-light="false"] .labkit-wire img,.vscode-dark .labkit-wire img{color-scheme:dark}</style>'
)
"""Lets the pictures follow the notebook's theme. Where it is not let through, they are light, on their own ground."""


class Timeline:
    """One connection, drawn. A cell shows the picture, `print()` says the same in words.

    Attributes:
        story: what is drawn, folded if it was long.
        alt: the picture in one paragraph, for who cannot see it.
    """

    def __init__(
        self,
        talk: Conversation,
        *,
        frames: tuple[int, int] | None = None,
        faults: tuple[FaultSpan, ...] = (),
        app: bool = False,
    ) -> None:
        whole = tell(talk, faults=faults, app=app)
        self._app = app
        self.story: Story = fold(whole if frames is None else window(whole, *frames))
        verdict = " ".join(sentence for _, sentence in whole.verdict)
        self.alt = f"Timeline of {whole.title}, {len(talk.frames)} frames. {verdict}"

    def svg(self) -> str:
        """Return the picture as an SVG document."""
        return timeline_svg(self.story, alt=self.alt, app=self._app)

    def save(self, path: str) -> None:
        """Write the picture to a file, as SVG."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg())

    def __str__(self) -> str:
        return timeline_text(self.story)

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": str(self)}

    def html(self) -> str:
        """Return the picture with its words, as a piece of HTML that also does without its style sheet."""
        return f'{_STYLE}<div class="labkit-wire">{self.parts()}</div>'

    def parts(self) -> str:
        """Return the picture with its words, without what surrounds them."""
        return (
            f"{picture(self.svg(), self.alt)}<details><summary>the same in words</summary>"
            f'<pre style="font-size: 13px; line-height: 1.4; overflow-x: auto">{escape(str(self))}</pre></details>'
        )


class TraceView:
    """All connections of a trace, drawn one below the other."""

    def __init__(self, trace: Trace, *, app: bool = False) -> None:
        drawn = [talk for talk in trace.conversations if talk.is_websocket or not talk.exchanges]
        self._others = [talk for talk in trace.conversations if not (talk.is_websocket or not talk.exchanges)]
        self._left_out = drawn[:-MAX_PICTURES]
        self.timelines = [Timeline(talk, faults=trace.faults, app=app) for talk in drawn[-MAX_PICTURES:]]
        self._trace = trace

    def _asides(self) -> list[str]:
        trace, told = self._trace, []
        if trace.dropped_conversations or trace.dropped_frames:
            told.append(
                f"The record was full: {trace.dropped_conversations} connections and {trace.dropped_frames} frames "
                f"({trace.dropped_bytes} bytes) of the oldest were dropped."
            )
        if self._left_out:
            first, last = self._left_out[0].id, self._left_out[-1].id
            told.append(
                f"Connections {first} to {last} are not drawn here: trace[{first}] draws one of them."
            )
        requests = [exchange for talk in self._others for exchange in talk.exchanges]
        if requests:
            told.append(f"Beside them {len(requests)} plain HTTP requests, which trace.table() lists.")
        if not self.timelines:
            told.insert(0, "No WebSocket has been recorded yet.")
        if trace.secrets:
            told.append(f"Secrets were hidden in {len(trace.secrets)} places.")
        return told

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.timelines), *self._asides()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": str(self)}

    def html(self) -> str:
        """Return the pictures with their words, as a piece of HTML that also does without its style sheet."""
        asides = "".join(f"<div><small>{escape(aside)}</small></div>" for aside in self._asides())
        drawn = "".join(timeline.parts() for timeline in self.timelines)
        return f'{_STYLE}<div class="labkit-wire">{drawn}{asides}</div>'


def picture(svg: str, alt: str) -> str:
    """Return an SVG as an image that a notebook shows even if it is not trusted."""
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt, quote=True)}" '
        'style="max-width: 100%; height: auto">'
    )
