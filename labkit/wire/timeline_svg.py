"""A story as a picture: two lanes, time downward, an arrow for each frame.

The picture is meant for an `<img>`: it has its own background and its own style, for light and dark, because a
notebook that is not trusted lets neither a style sheet nor inline SVG through.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from textwrap import wrap

from labkit.wire.frame import Sender
from labkit.wire.shown_text import columns, seconds
from labkit.wire.story import Row, Story, Tie
from labkit.wire.verdict import SIGNS, Tone

MARGIN_PX = 16
TIME_PX = 74
LANES_PX = 580
"""Between the client's lane and the server's."""
APP_PX = 380
APP_GAP_PX = 64
MIN_WIDTH_PX = 780
TIE_STEP_PX = 13
SIDE_PX = 18
ROW_PX = 40
NOTE_PX = 18
VERDICT_PX = 24
SMALL_COLUMN_PX = 7.0
NOTE_COLUMN_PX = 8.0
VERDICT_COLUMN_PX = 9.2
"""Wider than most characters are, the bold ones too: no font is known here."""

_STYLE = """
svg{--bg:#fff;--ink:#1f2328;--quiet:#59636e;--line:#d1d9e0;--lane:#6e7781;--text:#0550ae;--binary:#6639ba;--beat:#0b6b7a;
--close:#a04100;--good:#116329;--warn:#8a5a00;--bad:#c21c28;--badbg:#ffebe9;
font:15px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}
@media(prefers-color-scheme:dark){svg{--bg:#14181f;--ink:#e6edf3;--quiet:#a0a8b2;--line:#3d444d;--lane:#8b949e;--text:#79c0ff;
--binary:#d2a8ff;--beat:#56d4dd;--close:#ffa657;--good:#56d364;--warn:#e3b341;--bad:#ff8a82;--badbg:#3f1a1d}}
text{fill:var(--ink);white-space:pre}.b{font-weight:600}.t{font-size:19px;font-weight:600}.s{font-size:13.5px}
.m{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:13.5px}
.e{text-anchor:end}.c{text-anchor:middle}
.quiet{fill:var(--quiet)}.good{fill:var(--good)}.warn{fill:var(--warn)}.bad{fill:var(--bad)}
.text{fill:var(--text)}.binary{fill:var(--binary)}.beat{fill:var(--beat)}.close{fill:var(--close)}
path{fill:none;stroke:var(--lane);stroke-width:1.6}.lane{stroke-width:2}
.k-text{stroke:var(--text)}.k-binary{stroke:var(--binary)}.k-beat{stroke:var(--beat)}.k-good{stroke:var(--good)}
.k-close{stroke:var(--close);stroke-width:2.4}.k-bad{stroke:var(--bad);stroke-width:2.4}
.k-warn{stroke:var(--warn);stroke-width:2.4}.lost{stroke-dasharray:7 5}
.bg{fill:var(--bg);stroke:var(--line)}.band{fill:var(--badbg);stroke:var(--bad);stroke-width:1.6}.rule{stroke:var(--line)}
"""

_COLOUR_OF = {
    "text": "text",
    "continuation": "text",
    "binary": "binary",
    "ping": "beat",
    "pong": "beat",
    "close": "close",
}


def timeline_svg(story: Story, *, alt: str, app: bool = False) -> str:
    """Return the picture as one SVG document.

    Args:
        story: what happened, already folded to a bearable length.
        alt: what the picture shows, in words.
        app: draw the app as a third lane.
    """
    return _Picture(story, app).draw(alt)


@dataclass(frozen=True)
class _Placed:
    """A row with its remarks broken into lines, and where it lies."""

    row: Row
    top_px: float
    notes: list[list[tuple[Tone, str]]]

    @property
    def arrow_px(self) -> float:
        return self.top_px + 27

    @property
    def height_px(self) -> float:
        return ROW_PX + NOTE_PX * len(self.notes)


class _Picture:
    def __init__(self, story: Story, app: bool) -> None:
        self._story = story
        self._app = app
        self._parts: list[str] = []
        self._levels = {
            side: _levels([tie for tie in story.ties if tie.side == side]) for side in ("client", "server")
        }
        left_px, right_px = self._side_px("client"), self._side_px("server")
        self._numbers_px = MARGIN_PX + TIME_PX + self._number_px()
        self._client_px = self._numbers_px + left_px
        self._server_px = self._client_px + LANES_PX
        self._app_px = self._server_px + right_px + (APP_GAP_PX - SIDE_PX)
        right_end = self._app_px + APP_PX if app else self._server_px + right_px
        self._width_px = max(right_end + MARGIN_PX, MIN_WIDTH_PX)

    def _number_px(self) -> float:
        return 16 + SMALL_COLUMN_PX * max((len(f"#{row.number or 0}") for row in self._story.rows), default=0)

    def _side_px(self, side: str) -> float:
        ties = [tie for tie in self._story.ties if tie.side == side]
        if not ties:
            return SIDE_PX
        label = max(columns(tie.label) for tie in ties) * SMALL_COLUMN_PX
        return 2 * SIDE_PX + TIE_STEP_PX * (1 + max(self._levels[side].values())) + label

    # -- the whole -----------------------------------------------------------------------------------

    def draw(self, alt: str) -> str:
        top = self._draw_head()
        placed = []
        for row in self._story.rows:
            placed.append(
                _Placed(row, top, _packed(row.notes, APP_PX if row.kind == "app" else LANES_PX - 28))
            )
            top += placed[-1].height_px
        bottom = top + 8
        lanes = self._draw_lanes(placed, bottom)
        for each in placed:
            self._draw_row(each)
        for side in ("client", "server"):
            for tie in self._story.ties:
                if tie.side == side:
                    self._draw_tie(tie, placed)
        height = bottom + MARGIN_PX
        width = self._width_px
        size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
            f"<title>{escape(self._story.title)}</title><desc>{escape(alt)}</desc><style>{_STYLE}</style>"
            f'<rect class="bg" x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="10"/>'
            f"{lanes}{''.join(self._parts)}</svg>"
        )

    def _draw_head(self) -> float:
        self._text(MARGIN_PX, 32, self._story.title, "t")
        top = 40.0
        wide = int((self._width_px - 2 * MARGIN_PX - 20) / VERDICT_COLUMN_PX)
        for tone, sentence in self._story.verdict:
            self._text(MARGIN_PX, top + 19, SIGNS[tone], f"{tone} b")
            for line in wrap(sentence, wide):
                self._text(
                    MARGIN_PX + 20, top + 19, line, tone if tone in ("plain", "quiet") else f"{tone} b"
                )
                top += VERDICT_PX
        return top + 48

    def _draw_lanes(self, placed: list[_Placed], bottom: float) -> str:
        top = (placed[0].top_px if placed else bottom) - 6
        lanes = [(self._client_px, f"client :{self._story.port}"), (self._server_px, "server")]
        if self._app:
            lanes.append((self._app_px, "app"))
        folds = [each for each in placed if each.row.kind == "fold"]
        drawn = []
        for x, name in lanes:
            self._text(x, top - 10, name, "b c")
            path = f"M{x:.1f} {top:.1f}"
            for fold in folds:
                y = fold.top_px
                path += f"V{y + 8:.1f}l-6 6 12 6 -12 6 6 6"
            drawn.append(f'<path class="lane" d="{path}V{bottom:.1f}"/>')
        return "".join(drawn)

    # -- one row -------------------------------------------------------------------------------------

    def _draw_row(self, placed: _Placed) -> None:
        row, y = placed.row, placed.top_px + 19
        middle = (self._client_px + self._server_px) / 2
        if row.kind == "fold":
            self._text(middle, y + 6, row.label, f"s c {row.tone}")
            return
        self._text(MARGIN_PX + TIME_PX, y, seconds(row.at_s), "s e quiet")
        if row.number is not None:
            self._text(self._numbers_px, y, f"#{row.number}", "s e quiet")
        if row.kind == "app":
            self._draw_app(placed)
        elif row.sender is not None:
            self._draw_arrow(placed, row.sender)
            self._draw_notes(placed, self._client_px + 14)
        else:
            self._draw_remark(placed, middle)

    def _draw_arrow(self, placed: _Placed, sender: Sender) -> None:
        row, y = placed.row, placed.arrow_px
        colour = _COLOUR_OF.get(row.label, "quiet")
        name = "bad" if row.label.startswith("reserved") else colour
        label = f'<tspan class="b {name}">{escape(row.label)}</tspan>  <tspan class="m">{escape(row.detail)}</tspan>'
        self._parts.append(
            f'<text x="{self._client_px + 14:.1f}" y="{placed.top_px + 19:.1f}">{label}</text>'
        )
        self._text(self._server_px - 14, placed.top_px + 19, row.size, "s e quiet")
        way = 1 if sender == "client" else -1
        start, end = (self._client_px, self._server_px)[::way]
        kind = row.tone if row.tone in ("bad", "warn") or row.kind != "frame" else colour
        lost = ""
        if not row.arrives:
            end, lost = start + way * LANES_PX * 0.62, " lost"
        shaft = f"M{start + 3 * way:.1f} {y:.1f}H{end - 3 * way:.1f}"
        self._parts.append(f'<path class="k-{kind}{lost}" d="{shaft}"/>')
        if row.arrives:
            head = f"M{end - 12 * way:.1f} {y - 5:.1f}l{9 * way} 5 {-9 * way} 5"
        else:
            head = f"M{end - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12"
        self._parts.append(f'<path class="k-{kind}" d="{head}"/>')

    def _draw_notes(self, placed: _Placed, x: float) -> None:
        for place, line in enumerate(placed.notes):
            spans = "   ".join(
                f'<tspan class="{tone}{" b" if tone == "bad" else ""}">{escape(note)}</tspan>'
                for tone, note in line
            )
            y = placed.arrow_px + 17 + place * NOTE_PX
            self._parts.append(f'<text class="s" x="{x:.1f}" y="{y:.1f}">{spans}</text>')

    def _draw_remark(self, placed: _Placed, middle: float) -> None:
        row, y = placed.row, placed.top_px + 19
        if row.kind == "note" and row.tone == "bad":
            self._parts.append(
                f'<rect class="band" x="{self._client_px - 8:.1f}" y="{placed.top_px + 1:.1f}" '
                f'width="{LANES_PX + 16}" height="28" rx="6"/>'
            )
            self._text(middle, y + 1, f"{SIGNS['bad']} {row.label}", "b c bad")
            return
        self._text(middle, y, f"■ {row.label}", f"s c {row.tone}")

    def _draw_app(self, placed: _Placed) -> None:
        row, x, y = placed.row, self._app_px, placed.top_px
        if not self._app:
            return
        self._parts.append(f'<path class="k-{row.tone}" d="M{x - 5:.1f} {y + 14:.1f}h10"/>')
        label = f'<tspan class="b {row.tone}">{escape(row.label)}</tspan> <tspan class="m">{escape(row.detail)}</tspan>'
        self._parts.append(f'<text class="s" x="{x + 12:.1f}" y="{y + 19:.1f}">{label}</text>')
        self._draw_notes(placed, x + 12)

    # -- what belongs together -----------------------------------------------------------------------

    def _draw_tie(self, tie: Tie, placed: list[_Placed]) -> None:
        way = -1 if tie.side == "client" else 1
        lane = self._client_px if tie.side == "client" else self._server_px
        level = self._levels[tie.side][tie]
        x = lane + way * (8 + TIE_STEP_PX * (level + 1))
        ys = [placed[place].arrow_px for place in tie.rows]
        path = f"M{x:.1f} {ys[0]:.1f}V{ys[-1]:.1f}" + "".join(
            f"M{lane + way * 5:.1f} {y:.1f}H{x:.1f}" for y in ys
        )
        kind = "beat" if tie.kind == "ping" else "text"
        self._parts.append(f'<path class="k-{kind}" d="{path}"/>')
        outermost = 8 + TIE_STEP_PX * (1 + max(self._levels[tie.side].values()))
        self._text(
            lane + way * (outermost + 6), ys[-1] + 4, tie.label, f"s {kind}" + (" e" if way < 0 else "")
        )

    def _text(self, x: float, y: float, text: str, classes: str) -> None:
        if text:
            self._parts.append(f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>')


def _levels(ties: list[Tie]) -> dict[Tie, int]:
    """Give each tie of a side a column of its own as long as others are open beside it."""
    level_of: dict[Tie, int] = {}
    busy_until: list[int] = []
    for tie in sorted(ties, key=lambda tie: tie.rows[0]):
        level = next((place for place, end in enumerate(busy_until) if end < tie.rows[0]), len(busy_until))
        busy_until[level : level + 1] = [tie.rows[-1]]
        level_of[tie] = level
    return level_of


def _packed(notes: tuple[tuple[Tone, str], ...], width_px: float) -> list[list[tuple[Tone, str]]]:
    """Put remarks, each with its sign, on as few lines as they need."""
    room = int(width_px / NOTE_COLUMN_PX)
    lines: list[list[tuple[Tone, str]]] = []
    used = room
    for tone, note in notes:
        for piece in wrap(f"{SIGNS[tone]} {note}", room, subsequent_indent="  "):
            needed = columns(piece) + 3
            if used + needed > room + 3:
                lines.append([])
                used = 0
            lines[-1].append((tone, piece))
            used += needed
    return lines
