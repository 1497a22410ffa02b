"""What the drawing app says and hears: the plain contract, and `labkit.draw.v2` for a whole class.

**Plain.** A client without the subprotocol sends `Draw`, `Cursor`, `Clear`, `Undo`, `Redo`, `Save`, `Load` and gets
`Init` first, then `UserJoined`, `UserLeft`, `Draw`n strokes, cursors, `Clear`ed, `Removed`, `Saved`, `History`,
`Error`, `Notice`, `RoomRules` and `Ping` (to answer with `Pong`), one message a frame.

**labkit.draw.v2** is for a client that offers it as its subprotocol. Both kinds share a board.

1. The client's first message is `Hello`, within 10 s. `token` is what an earlier `Welcome` gave, and makes it the same
   artist again, with its undo stack; with `since` (the last `seq` that it has) and `epoch` it resumes.
2. The server answers `Welcome`. If `recovered` is true, batches with everything that was missed follow, and `parts`
   is 0. If not, the client empties its board and fills it from the `parts` messages `Items` that follow at once,
   the items in drawing order. The board is then as of `Welcome.seq`.
3. From then on there is a `Batch` each tick in which something happened: `ops`, each with its `seq`, and `cursors`,
   each `[artist_id, x, y]`, the newest of all who moved (one's own too: ignore it). An op whose `seq` the client has
   is to be ignored. Ops come to their author too, and that is the acknowledgement: what an op says, holds.
4. A stroke: `Begin` with an `id` of the client's making, `Points` as it grows, `End`. `at` is the number of points
   that were sent before, those of `Begin` too. Points that the server has are skipped, so after a reconnect a client
   sends all of a stroke again that was not acknowledged by its `end` op, from `begin` on: nothing is drawn twice.
   What is known already makes no op: such a stroke is on the board, and there under its id. A shape, or a stroke
   made offline, is one `Begin` with `done: true`; line, rect and ellipse have two points, corners or ends. An `end`
   op acknowledges all of a stroke.
5. Ops: `begin` (a growing stroke; all its fields), `points` (`at` as above), `end`, `draw` (a finished item: a plain
   client's, or redone), `removed` (undone, or hidden by the host), `clear`. Growing strokes lie above all others. A
   finished item's place is its `order`: ascending, from `draw`, from `end`, or from `items`; redone, it keeps it.
6. `Reset`: the board has changed as a whole (loaded, a clear taken back, strokes shown again): like 2, its `parts`
   follow, and what is not in them is gone. The epoch stays.
7. `Error`: nothing has changed. `about` is the type of the message that was refused, `id` the stroke's where there
   is one. `too_fast`, `slow_mode`: send it again after `retry_ms`. `gap`: send points from `have` on. `ended`: the
   server ended the stroke (its artist was away for long) at `have` points: draw the others as a new one. `gone`: it
   was cleared or undone meanwhile. `used_id`: for a `draw` that was sent again this means that it had arrived.
   Others: `bad_message`, `not_yours`, `board_full`, `muted`, `nothing_to_undo`, `nothing_to_redo`, `no_drawing`,
   `not_saved`.
8. `Users`: who is here, on each change, at most four times a second. `tick_ms` is the pace of batches, slower the
   more there are; cursors and points need not be sent more often.
9. `Undo`, `Redo`, `Clear`, `Save`, `Load` are as in the plain contract, and come back as ops (`saved` as a message
   to the sender). They are not to be sent again after a reconnect: the board shows whether they were done.
10. Moderation is the host's, at `/host/ws` (see `messages.host`; a room is a board, a user an `artist_id`): lock,
    mute, kick, slow, clear, `hide` and `show` of what one artist has drawn, `undo` of all that. `RoomRules` tells
    each what holds for them.
11. `/watch` and `/watch/{board}` are for the projector: the same, `Hello` too, but nobody sees it come or go, its
    `artist_id` is empty, and what it sends is ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast

from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema

from labkit.apps.asyncapi import Channel
from labkit.apps.messages.reading import Reader, read_object
from labkit.apps.messages.session import Ping, Pong, RoomRules
from labkit.board.item import compact
from labkit.board.limits import (
    COORDINATE_MAX,
    DRAWING_NAME_MAX_CHARS,
    ID_MAX_CHARS,
    NAME_MAX_CHARS,
    STROKE_MAX_POINTS,
    WIDTH_MAX,
)
from labkit.hub import Refused

DRAW_PROTOCOL = "labkit.draw.v2"
"""The subprotocol of a client that draws at class size."""

Tool = Literal["pen", "eraser", "line", "rect", "ellipse"]
Coordinate = Annotated[int | float, Field(ge=-COORDINATE_MAX, le=COORDINATE_MAX, allow_inf_nan=False)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


def check_points(points: object) -> object:
    """Return a list of points as it is, or raise `ValueError`.

    pydantic would take a tick's time for 5 000 points, and everybody else would wait meanwhile.
    """
    if not isinstance(points, list) or len(points) > STROKE_MAX_POINTS:
        raise ValueError(f"it should be a list of at most {STROKE_MAX_POINTS} points")
    for point in points:
        if type(point) is not list or len(point) != 2:
            raise ValueError("each point should be [x, y]")
        x, y = point
        # type() and not isinstance(): True is an int, and no coordinate.
        if type(x) not in _NUMBERS or type(y) not in _NUMBERS:
            raise ValueError("coordinates should be numbers")
        if not (-COORDINATE_MAX <= x <= COORDINATE_MAX and -COORDINATE_MAX <= y <= COORDINATE_MAX):
            raise ValueError(f"coordinates should be from {-COORDINATE_MAX} to {COORDINATE_MAX}")
    return points


def check_some_points(points: object) -> object:
    """Return a list of one or more points as it is, or raise `ValueError`."""
    if points == []:
        raise ValueError("there should be a point")
    return check_points(points)


_NUMBERS = frozenset((int, float))
_SCHEMA = {
    "type": "array",
    "maxItems": STROKE_MAX_POINTS,
    "items": {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": {"type": "number", "minimum": -COORDINATE_MAX, "maximum": COORDINATE_MAX},
    },
}
PointList = Annotated[list[Point], PlainValidator(check_points), WithJsonSchema(_SCHEMA)]
SomePoints = Annotated[
    list[Point], PlainValidator(check_some_points), WithJsonSchema({**_SCHEMA, "minItems": 1})
]
ItemId = Annotated[str, Field(min_length=1, max_length=ID_MAX_CHARS)]
Width = Annotated[int | float, Field(gt=0, le=WIDTH_MAX, allow_inf_nan=False)]
DrawingName = Annotated[str, Field(min_length=1, max_length=DRAWING_NAME_MAX_CHARS)]
Count = Annotated[int, Field(ge=0)]
OpSeq = Annotated[int, Field(ge=1, description="Its number on the board; ascending.")]
Order = Annotated[int, Field(ge=1, description="Its place: items lie in ascending order.")]


# ---- what clients send ------------------------------------------------------------------------------


class Request(BaseModel):
    """What asks for a change of the board. One that `starts` something needs the host's leave to speak."""

    starts: ClassVar[bool] = True


class Draw(Request):
    """A whole stroke or shape, with an id of the client's making."""

    type: Literal["draw"]
    id: ItemId
    tool: Tool
    points: SomePoints
    width: Width


class Cursor(BaseModel):
    """Where the client points. Never stored."""

    type: Literal["cursor"]
    x: Coordinate
    y: Coordinate


class Clear(Request):
    """Take everything off the board."""

    type: Literal["clear"]


class Undo(Request):
    """Take back one's own last visible stroke."""

    type: Literal["undo"]


class Redo(Request):
    """Bring back what one has undone last, unless one has drawn since."""

    type: Literal["redo"]


class Save(BaseModel):
    """Keep the board as it is, by a name."""

    type: Literal["save"]
    name: DrawingName


class Load(BaseModel):
    """Put what was saved by a name in the place of all that is on the board."""

    type: Literal["load"]
    name: DrawingName


class Hello(BaseModel):
    """v2: the first message. See the module for `token`, `since` and `epoch`."""

    type: Literal["hello"]
    name: Annotated[str, Field(max_length=NAME_MAX_CHARS)] = ""
    token: Annotated[str, Field(max_length=256)] = ""
    since: Count | None = None
    epoch: Annotated[str, Field(max_length=64)] = ""


class Begin(Request):
    """v2: a stroke begins, or with `done` is all there."""

    type: Literal["begin"]
    id: ItemId
    tool: Tool
    width: Width
    points: PointList = []
    done: bool = False


class Points(Request):
    """v2: one's own stroke grows; `at` points were sent before."""

    starts = False

    type: Literal["points"]
    id: ItemId
    at: Count
    points: SomePoints


class End(Request):
    """v2: one's own stroke is finished. With `at`, only if it has so many points."""

    starts = False

    type: Literal["end"]
    id: ItemId
    at: Count | None = None


PlainMessage = Annotated[
    Draw | Cursor | Clear | Undo | Redo | Save | Load | Pong, Field(discriminator="type")
]
"""What a plain client may send."""

ClassMessage = Annotated[
    Hello | Begin | Points | End | Draw | Cursor | Clear | Undo | Redo | Save | Load | Pong,
    Field(discriminator="type"),
]
"""What a client of `labkit.draw.v2` may send."""


# ---- what the server sends --------------------------------------------------------------------------


class Artist(BaseModel):
    """Somebody who is here."""

    artist_id: str
    name: str
    color: str = Field(pattern=r"^#[0-9a-f]{6}$")


class Item(BaseModel):
    """Something on the board. `growing` strokes are not finished, and have no order yet (v2)."""

    id: str
    artist_id: str
    color: str
    tool: Tool
    width: float
    points: list[Point]
    order: Order | None = None
    growing: Literal[True] | None = None


class SavedItem(BaseModel):
    """An item in a file of ours, which somebody may have written by hand."""

    artist_id: Annotated[str, Field(max_length=ID_MAX_CHARS)] = "loaded"
    color: str = Field(pattern=r"^#[0-9a-f]{6}$")
    tool: Tool
    width: Width
    points: SomePoints


class Init(BaseModel):
    """Plain: the first message."""

    type: Literal["init"] = "init"
    artist_id: str
    color: str
    history: list[Item]
    active_users: int
    users: list[Artist]


class UserJoined(BaseModel):
    """Plain: somebody else has come."""

    type: Literal["user_joined"] = "user_joined"
    artist_id: str
    active_users: int
    users: list[Artist]


class UserLeft(BaseModel):
    """Plain: somebody else has left."""

    type: Literal["user_left"] = "user_left"
    artist_id: str
    active_users: int
    users: list[Artist]


class CursorMoved(BaseModel):
    """Plain: somebody else points at something."""

    type: Literal["cursor"] = "cursor"
    artist_id: str
    color: str
    x: float
    y: float


class Drawn(BaseModel):
    """An item is on the board from now on: drawn, finished, or redone."""

    type: Literal["draw"] = "draw"
    seq: OpSeq
    id: str
    artist_id: str
    color: str
    tool: Tool
    width: float
    points: list[Point]
    order: Order


class Removed(BaseModel):
    """These items are off the board: undone, or hidden by the host."""

    type: Literal["removed"] = "removed"
    seq: OpSeq
    ids: list[str]


class Cleared(BaseModel):
    """Everything is off the board, growing strokes too."""

    type: Literal["clear"] = "clear"
    seq: OpSeq
    artist_id: str


class History(BaseModel):
    """Plain: what replaces everything on the board."""

    type: Literal["history"] = "history"
    history: list[Item]


class Saved(BaseModel):
    """The board is kept by this name; if not `lasting`, only until the server ends."""

    type: Literal["saved"] = "saved"
    name: str
    lasting: bool


class Notice(BaseModel):
    """Something that everyone should know. `not_saved`: the disk takes nothing more; `saved_again`: it does."""

    type: Literal["notice"] = "notice"
    code: Literal["not_saved", "saved_again"]
    detail: str


class Error(BaseModel):
    """Something was refused, and nothing has changed. Only the sender gets it."""

    type: Literal["error"] = "error"
    code: str
    detail: str
    retry_ms: int | None = Field(default=None, description="When it would work, if waiting helps.")
    about: str | None = Field(default=None, description="The type of what was refused.")
    id: str | None = Field(default=None, description="The stroke that it was about.")
    have: int | None = Field(default=None, description="How many points of it the server has.")


class BoardLimits(BaseModel):
    """What a board takes. `ops_per_s` counts all but cursors, of which `cursors_per_s` are passed on."""

    stroke_points: int
    items: int
    ops_per_s: float
    ops_burst: float
    cursors_per_s: float
    message_bytes: int


class BoardWelcome(BaseModel):
    """v2: the answer to `Hello`. Keep `token` to oneself: who has it, is this artist."""

    type: Literal["welcome"] = "welcome"
    board: str
    artist_id: str
    name: str
    color: str
    token: str
    epoch: str
    seq: int
    recovered: bool | None = None
    parts: int = Field(description="How many Items messages follow at once.")
    users: list[Artist]
    tick_ms: int
    rules: RoomRules
    limits: BoardLimits


class Reset(BaseModel):
    """v2: the board has changed as a whole, and this many Items messages follow at once."""

    type: Literal["reset"] = "reset"
    seq: OpSeq
    parts: int


class Items(BaseModel):
    """v2: a part of the board, in drawing order. `part` counts from 1."""

    type: Literal["items"] = "items"
    part: int
    of: int
    items: list[Item]


class Begun(BaseModel):
    """v2: a stroke grows from here."""

    type: Literal["begin"] = "begin"
    seq: OpSeq
    id: str
    artist_id: str
    color: str
    tool: Tool
    width: float
    points: list[Point]


class Grown(BaseModel):
    """v2: a stroke has grown; it had `at` points before."""

    type: Literal["points"] = "points"
    seq: OpSeq
    id: str
    at: int
    points: list[Point]


class Ended(BaseModel):
    """v2: a stroke is finished and takes its place."""

    type: Literal["end"] = "end"
    seq: OpSeq
    id: str
    order: Order


Op = Annotated[Begun | Grown | Ended | Drawn | Removed | Cleared, Field(discriminator="type")]


class Batch(BaseModel):
    """v2: what happened in one tick."""

    type: Literal["batch"] = "batch"
    ops: list[Op] = Field(default=[], description="In order; the last one's seq is where the board is.")
    cursors: list[tuple[str, float, float]] = Field(default=[], description="[artist_id, x, y] each.")


class Users(BaseModel):
    """v2: who is here now, and how often batches come."""

    type: Literal["users"] = "users"
    active_users: int
    users: list[Artist]
    tick_ms: int


PlainServerMessage = Annotated[
    Init
    | UserJoined
    | UserLeft
    | Drawn
    | CursorMoved
    | Removed
    | Cleared
    | History
    | Saved
    | Notice
    | RoomRules
    | Error
    | Ping,
    Field(discriminator="type"),
]
"""What the server sends to plain clients."""

ClassServerMessage = Annotated[
    BoardWelcome | Items | Batch | Reset | Users | Saved | Notice | RoomRules | Error | Ping,
    Field(discriminator="type"),
]
"""What the server sends to clients of `labkit.draw.v2`."""


# ---- reading ----------------------------------------------------------------------------------------


class Pointed(NamedTuple):
    """A cursor's place, as JSON numbers."""

    x: str
    y: str


Plain = Draw | Clear | Undo | Redo | Save | Load | Pong
Class = Hello | Begin | Points | End | Plain

_plain = Reader[Plain | Cursor](PlainMessage)
_class = Reader[Class | Cursor](ClassMessage)

# Of all that is sent in a class, nine in ten messages are cursors as a page writes them.
_NUMBER = r"(-?(?:0|[1-9]\d{0,4})(?:\.\d{1,6})?)"
_CURSOR = re.compile(rf'\{{"type": ?"cursor", ?"x": ?{_NUMBER}, ?"y": ?{_NUMBER}\}}', re.ASCII).fullmatch


def read_plain(text: str) -> Plain | Pointed | str:
    """Return what a plain client says; what has a type that is not known comes back as text, to be ignored.

    Raises:
        Refused: it is no JSON object with a type, or not as that type should be.
    """
    return cast(Plain | Pointed | str, _read(_plain, text))


def read_class(text: str) -> Class | Pointed | str:
    """Return what a client of `labkit.draw.v2` says, like `read_plain`."""
    return cast(Class | Pointed | str, _read(_class, text))


_hello = Reader[Hello](Hello)


def read_hello(text: str) -> Hello:
    """Return a client's first message.

    Raises:
        Refused: it is something else.
    """
    hello = _hello.read(text)
    if hello is None:
        raise Refused("bad_message", "The first message is no hello.", expected='{"type": "hello"}.')
    return hello


def _read(reader: Reader[Any], text: str) -> Any:
    if (cursor := _CURSOR(text)) is not None:
        return Pointed(cursor[1], cursor[2])
    try:
        message = reader.read(text)
        if isinstance(message, Cursor):
            return Pointed(compact(message.x), compact(message.y))
        if message is not None:
            return message
        value = read_object(text)
    except Refused as refusal:
        raise refusal.about(**_subject(text)) from None
    except RecursionError:
        raise Refused("bad_message", "This JSON is nested too deeply.") from None
    if value is None or not isinstance(value.get("type"), str):
        raise Refused("bad_message", "This is no JSON object with a type.", hint='{"type": "undo"}')
    return text


def _subject(text: str) -> dict[str, str]:
    """Return of which type, and about which stroke, a message is that was not understood."""
    try:
        value = read_object(text) or {}
    except RecursionError:
        return {}
    subject = {"about": value.get("type"), "id": value.get("id")}
    return {
        key: found for key, found in subject.items() if isinstance(found, str) and len(found) <= ID_MAX_CHARS
    }


CHANNELS = (
    Channel(
        "drawing",
        "/ws/draw",
        "The default board, in plain messages.",
        PlainMessage,
        PlainServerMessage,
        query=(("name", "who I am"),),
    ),
    Channel(
        "drawing_board",
        "/ws/draw/{board}",
        "One board, in the messages of the subprotocol labkit.draw.v2; without it, as the default board.",
        ClassMessage,
        ClassServerMessage,
    ),
    Channel(
        "watch", "/watch", "The default board, for one who only watches.", Hello | Pong, ClassServerMessage
    ),
    Channel(
        "watch_board",
        "/watch/{board}",
        "One board, for one who only watches.",
        Hello | Pong,
        ClassServerMessage,
    ),
)
