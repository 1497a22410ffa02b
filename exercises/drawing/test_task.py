"""The graded checks of `drawing`: `labkit check drawing`, or `pytest exercises/drawing --solution FILE`.

Each artist keeps a copy of the board made of nothing but what the server says, and the checks compare copies. Any
server passes that does what task.md says, whatever it looks like inside. The last seven checks are the bonus.
"""

import json
import tempfile

import pytest

from labkit.grader.artist import TOOLS, Artist, same_item, wait_for

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints

BAD_TEXTS = (
    "this is no JSON",
    '{"type": "draw", "id": "broken',
    "[1, 2]",
    "null",
    "7",
    "{}",
    '{"type": 5}',
    '{"type": "draw", "id": "bad-1", "tool": "pen", "width": 3}',
    '{"type": "draw", "id": "bad-2", "tool": "pen", "width": 3, "points": null}',
    '{"type": "draw", "id": "bad-3", "tool": "pen", "width": 3, "points": [["left", "top"], ["right", "top"]]}',
    '{"type": "draw", "id": "bad-4", "tool": "pen", "width": 3, "points": "1,2"}',
    '{"type": "draw", "id": "bad-5", "tool": "pen", "width": 3, "points": [[1], [2]]}',
    '{"type": "draw", "id": "bad-6", "tool": "pen", "width": "thick", "points": [[1, 2], [3, 4]]}',
    '{"type": "draw", "id": 7, "tool": "pen", "width": 3, "points": [[1, 2], [3, 4]]}',
    '{"type": "draw", "tool": "pen", "width": 3, "points": [[1, 2], [3, 4]]}',
    '{"type": "cursor", "x": "left", "y": null}',
)

# ---- who is there -----------------------------------------------------------------------------------


@points(2)
@hints(
    "What is the very first message that a newcomer needs?",
    "The connection is not accepted, `init` does not come first, or one of its fields is missing or of another type.",
    "Look up `accept()` and `send_json()`, and compare your `init` with the one in task.md, field by field.",
)
def test_init(server):
    """A newcomer first gets `init`, with an id of their own even if the name is taken."""
    name = server.word()
    artists = [Artist(server, name), Artist(server, name), Artist(server)]
    ids = [artist.id for artist in artists]
    if len(set(ids)) < 3 or not all(ids):
        server.fail_as_answered(
            "three artists with three different ids, none of them empty", f"the ids {ids}"
        )


@points(1)
@needs("init")
@hints(
    "How does somebody who has been there for an hour learn the newcomer's name?",
    "The others are not told, the list lacks somebody, or its names, ids or number are not right.",
    "Keep who is there in one place, and send the whole list with `init` and with each `user_joined`.",
)
def test_users(server):
    """Everyone knows who is there: their ids and names, and how many they are."""
    names = [server.word() for _ in range(3)]
    artists = [Artist(server, name) for name in names]
    wait_for_company(server, *artists, besides=artists[0].board.users.keys() - {artists[0].id})
    for artist in artists:
        for other, name in zip(artists, names, strict=True):
            told = artist.board.users[other.id]["name"]
            if told != name:
                server.fail_as_answered(f"{artist.who} is told of {name!r}", f"told of {told!r}")


@points(2)
@needs("users")
@hints(
    "What happens to the list when somebody closes the tab, or loses the network?",
    "Nobody is told, or who has gone stays in the list, or is still counted.",
    "Look up WebSocketDisconnect and `finally:`. First take the artist out of the list, then tell those left.",
)
def test_leaving(server):
    """Who leaves, by closing or by a cut, is gone from the list, for those left and for newcomers."""
    ada, ben, cy, dan = (Artist(server, server.word(), who=who) for who in ("Ada", "Ben", "Cy", "Dan"))
    before = ada.board.users.keys() - {ada.id}
    wait_for_company(server, ada, ben, cy, dan, besides=before)
    ben.close()
    wait_for_company(server, ada, cy, dan, besides=before)
    cy.abort()
    wait_for_company(server, ada, dan, besides=before)
    late = Artist(server, who="a newcomer")
    wait_for_company(server, ada, dan, late)


@points(1)
@needs("leaving")
@hints(
    "How many colours are there, and which one does the ninth newcomer's predecessor get?",
    "A colour is given twice although others are free, or the lists tell another colour than `init` did.",
    "Give a newcomer the first of at least eight colours that nobody present has.",
)
def test_colors(server):
    """Eight artists have eight different colours, and everybody is told the same ones."""
    artists = [alone(server)]
    artists += [Artist(server, server.word()) for _ in range(4)]
    wait_for_company(server, *artists)
    artists.pop(2).close()
    wait_for_company(server, *artists)
    artists += [Artist(server, server.word()) for _ in range(4)]
    wait_for_company(server, *artists)
    colors = [artist.color.lower() for artist in artists]
    if len(set(colors)) < len(colors):
        server.fail_as_answered(
            "eight different colours for eight artists", f"the colours {', '.join(colors)}"
        )
    for artist in artists:
        for other in artists:
            told = artist.board.users[other.id]["color"]
            if told.lower() != other.color.lower():
                server.fail_as_answered(
                    f"the colour of {other.who} is {other.color} in everybody's list",
                    f"it is {told} for {artist.who}",
                )


# ---- strokes ----------------------------------------------------------------------------------------


@points(2)
@needs("init")
@hints(
    "Who has to get a stroke: the others, or everyone?",
    "Somebody is left out, perhaps the author, or the stroke changes on its way.",
    "Send each accepted draw to all connections, with `artist_id` and `color` added.",
)
def test_draw(server):
    """Everyone, the author too, gets a stroke as it was drawn, with the author's id and colour."""
    artists = [Artist(server, who=who) for who in ("Ada", "Ben", "Cy")]
    wait_for_company(server, *artists)
    for author in artists:
        stroke = author.draw(tool=server.random.choice(TOOLS[:1]), width=server.random.choice((1, 2.5, 7)))
        wait_for_items(server, artists, [stroke])
        expect_as_drawn(server, artists, author)


@points(1)
@needs("draw")
@hints(
    "Could somebody draw in another's name?",
    "Fields that the client sends are passed on, so a client chooses its own id or colour.",
    "Build the message for the others anew, from the fields that a client may choose.",
)
def test_author(server):
    """`artist_id` and `color` are the server's, whatever a client writes there."""
    ben, forger = Artist(server, who="Ben"), Artist(server, who="Ada")
    wait_for_company(server, ben, forger)
    forged = forger.draw(artist_id=ben.id, color="#123456")
    wait_until_dealt_with(server, ben, forger)
    for artist in (ben, Artist(server, who="a newcomer")):
        item = artist.board.items.get(forged)
        if item and (item["artist_id"] != forger.id or item["color"].lower() != forger.color.lower()):
            server.fail_as_answered(
                f"Ada's stroke with artist_id {forger.id!r} and color {forger.color!r}",
                f"{artist.who} got artist_id {item['artist_id']!r} and color {item['color']!r}",
            )


@points(1)
@needs("draw")
@hints(
    "What if two strokes have one id?",
    "The second one replaces the first, or is added beside it.",
    "Look whether the id is used before you accept a draw. Who draws it again gets an error.",
)
def test_used_id(server):
    """A second draw with a used id is refused, whoever sends it."""
    ada, ben, thief = (Artist(server, who=who) for who in ("Ada", "Ben", "a thief"))
    wait_for_company(server, ada, ben, thief)
    stroke = ada.draw()
    wait_for_items(server, (ada, ben, thief), [stroke])
    first = dict(ada.board.items[stroke])
    for again in (thief, ada):
        again.send("draw", id=stroke, tool="pen", width=30, points=[[5000, 5000], [6000, 6000]])
        wait_until_dealt_with(server, ben, again)
    for artist in (ben, Artist(server, who="a newcomer")):
        item = artist.board.items.get(stroke)
        if item and (not same_item(item, first) or item["artist_id"] != ada.id):
            server.fail_as_answered(
                "the first stroke with that id stays as it was",
                f"{artist.who} holds {json.dumps(item)[:200]}",
            )


@points(1)
@needs("draw")
@hints(
    "If two people draw at the same moment, whose stroke is the first, and for whom?",
    "Strokes get lost, come twice, or reach different people in different orders.",
    "There has to be one place where strokes are put in order, such as the list from which all are served.",
)
def test_all_at_once(server):
    """Strokes drawn by three at once reach everybody, each once and in the same order."""
    artists = [Artist(server, who=who) for who in ("Ada", "Ben", "Cy")]
    wait_for_company(server, *artists)
    for _ in range(20):
        for artist in artists:
            artist.draw()
    strokes = [stroke for artist in artists for stroke in artist.drawn]
    wait_for_items(server, artists, strokes)
    for author in artists:
        expect_as_drawn(server, artists, author)
    first = [item for item in artists[0].board.items if item in strokes]
    for artist in artists[1:]:
        order = [item for item in artist.board.items if item in strokes]
        if order != first:
            server.fail_as_answered(
                "everybody gets the strokes in one order",
                f"stroke {first_difference(first, order) + 1} is another one for {artist.who} than for Ada",
            )
    for author in artists:
        if [item for item in first if item in author.drawn] != list(author.drawn):
            server.fail_as_answered(
                f"{author.who}'s strokes in the order in which they were drawn", "another order"
            )


@points(2)
@needs("all_at_once")
@hints(
    "What does somebody see who comes an hour late?",
    "The strokes are not kept, or are kept otherwise than they were sent: incomplete, in another order, by another "
    "author.",
    "Put each accepted draw into a list, as everyone gets it, and send that list with `init`.",
)
def test_latecomer(server):
    """A newcomer's `history` holds what everyone holds, in the same order."""
    artists = [Artist(server, who=who) for who in ("Ada", "Ben")]
    wait_for_company(server, *artists)
    for _ in range(10):
        for artist in artists:
            artist.draw()
    strokes = [stroke for artist in artists for stroke in artist.drawn]
    wait_for_items(server, artists, strokes)
    artists[1].close()
    late = Artist(server, who="a newcomer")
    wait_for_items(server, (late,), strokes)
    expect_agreement(server, artists[0], late)
    held, told = ([item for item in artist.board.items if item in strokes] for artist in (artists[0], late))
    if held != told:
        server.fail_as_answered(
            "`history` in the order in which the strokes were sent",
            f"item {first_difference(held, told) + 1} is another one",
        )


# ---- cursors ----------------------------------------------------------------------------------------


@points(1)
@needs("init")
@hints(
    "Who wants to see where your cursor is: you, or the others?",
    "A cursor is not passed on, goes back to its owner, or lacks who it is; or the last position gets lost.",
    "Send it to all connections but the one it came from, with `artist_id` and `color`. Whatever you skip, send the "
    "last.",
)
def test_cursor(server):
    """The others see where an artist's cursor stopped, with their id and colour."""
    ada, ben, cy = (Artist(server, who=who) for who in ("Ada", "Ben", "Cy"))
    wait_for_company(server, ada, ben, cy)
    x, y = server.random.randrange(1000), server.random.randrange(1000)
    for step in range(10, -1, -1):
        ada.send("cursor", x=x + step, y=y - step)
    for artist in (ben, cy):
        wait_for(
            server,
            (ada, ben, cy),
            lambda artist=artist: is_at(artist.board.cursors.get(ada.id), x, y),
            f"{artist.who} sees Ada's cursor at ({x}, {y})",
            lambda artist=artist: f"the last one was {json.dumps(artist.board.cursors.get(ada.id))}",
        )
        if artist.board.cursors[ada.id]["color"].lower() != ada.color.lower():
            server.fail_as_answered(
                f"a cursor of {ada.color}", f"it has {artist.board.cursors[ada.id]['color']}"
            )
    ben.send("cursor", x=y, y=x)
    wait_for(
        server,
        (ada, ben, cy),
        lambda: is_at(ada.board.cursors.get(ben.id), y, x),
        f"Ada sees Ben's cursor at ({y}, {x})",
        lambda: f"the last one was {json.dumps(ada.board.cursors.get(ben.id))}",
    )
    if ada.id in ada.board.cursors:
        server.fail_as_answered("nobody gets their own cursor back", "Ada got hers")


@points(1)
@needs("latecomer", "cursor")
@hints(
    "Is a cursor a part of the drawing?",
    "Every message is kept in the history, cursors too.",
    "Keep only what was drawn.",
)
def test_cursor_not_kept(server):
    """Cursors leave nothing in `history`."""
    ada, ben = Artist(server, who="Ada"), Artist(server, who="Ben")
    wait_for_company(server, ada, ben)
    strokes = [ada.draw(), ben.draw()]
    wait_for_items(server, (ada, ben), strokes)
    for step in range(100):
        ada.send("cursor", x=step, y=step)
    wait_for_items(server, (ada, ben), [ada.draw()])
    late = Artist(server, who="a newcomer")
    expect_agreement(server, ada, ben, late)


# ---- clearing ---------------------------------------------------------------------------------------


@points(2)
@needs("latecomer")
@hints(
    "What is left on the board after a clear: for you, for the others, for those who come later?",
    "Not everybody is told, the message lacks who did it, or the history is kept.",
    "Empty your list, then send `clear` with the `artist_id` to all connections.",
)
def test_clear(server):
    """After a clear nobody holds anything, and a newcomer's `history` is empty."""
    ada, ben = Artist(server, who="Ada"), Artist(server, who="Ben")
    wait_for_company(server, ada, ben)
    wait_for_items(server, (ada, ben), [ada.draw(), ben.draw()])
    ada.send("clear")
    late = None
    for artist in (ada, ben):
        wait_for(
            server,
            (ada, ben),
            lambda artist=artist: not artist.board.items and artist.board.cleared_by == [ada.id],
            f"{artist.who} is told that Ada ({ada.id!r}) has cleared the board, and holds nothing",
            lambda artist=artist: (
                f"told of clears by {artist.board.cleared_by}, holds {len(artist.board.items)} items"
            ),
        )
    late = Artist(server, who="a newcomer")
    if late.board.items:
        server.fail_as_answered("an empty `history` for a newcomer", f"it has {len(late.board.items)} items")


@points(1)
@needs("clear")
@hints(
    "One draws while another clears: is the stroke there afterwards, and is it so for everybody?",
    "After a clear something of the old board comes back, or for some the stroke came before the clear and for others "
    "after it.",
    "Change your list and put the message on its way to everyone in one go, without an `await` in between.",
)
def test_clear_and_draw(server):
    """What is drawn after a clear stays, and in a race everybody ends with the same board."""
    ada, ben = fresh_board(server, "Ada", "Ben")
    wait_for_items(server, (ada, ben), [ben.draw()])
    ada.send("clear")
    wait_for(server, (ada, ben), lambda: not (ada.board.items or ben.board.items), "an empty board")
    stroke = ben.draw()
    wait_for_items(server, (ada, ben), [stroke])
    late = Artist(server, who="a newcomer")
    for artist in (ada, ben, late):
        if list(artist.board.items) != [stroke]:
            server.fail_as_answered(
                "nothing but the stroke drawn after the clear", f"{artist.who} holds more"
            )
    for _ in range(5):
        for _ in range(5):
            ben.draw()
        ada.send("clear")
        for _ in range(5):
            ben.draw()
        expect_same_end(server, [ada, ben, late])
    expect_agreement(server, ada, ben, late, Artist(server, who="another newcomer"))


# ---- what goes wrong --------------------------------------------------------------------------------


@points(2)
@needs("latecomer")
@hints(
    "What does your server do with a message that is no message?",
    "It is passed on or kept as it is, or its error ends more than its sender's connection.",
    "Look at every field and its type before you do anything. A pydantic model does that for you.",
)
def test_bad_input(server):
    """Bad input reaches nobody, is not kept, and disturbs nobody."""
    ada, ben = Artist(server, who="Ada"), Artist(server, who="Ben")
    wait_for_company(server, ada, ben)
    for text in BAD_TEXTS:
        before = set(ben.board.items)
        offender = Artist(server, who="who sends bad input")
        offender.send_text(text)
        stroke = ada.draw()
        wait_for_items(server, (ada, ben), [stroke])
        more = set(ben.board.items) - before - {stroke}
        if more or offender.id in ben.board.cursors:
            server.fail_as_answered(
                f"nobody gets anything of {text}", f"Ben got it as {sorted(more) or 'a cursor'}"
            )
        offender.close_if_open()
    late = Artist(server, who="a newcomer")
    expect_agreement(server, ada, ben, late)


@points(1)
@needs("cursor", "draw")
@hints(
    "What happens to everybody else if one moves the mouse like mad?",
    "Each position is waited for, so the others' strokes stand in a queue behind two thousand cursors.",
    "Let each connection have its own handler, and do not let one wait for the other. Positions may be skipped.",
)
def test_cursor_flood(server):
    """Two thousand cursors at once do not hold up another artist's stroke."""
    ada, ben, cy = (Artist(server, who=who) for who in ("Ada", "Ben", "Cy"))
    wait_for_company(server, ada, ben, cy)
    flood = [json.dumps({"type": "cursor", "x": step, "y": step}) for step in range(2000)]
    for start in range(0, len(flood), 100):
        ada.send_whatever(*flood[start : start + 100])
        for artist in (ben, cy):
            artist.update()
        if start == 1000:
            stroke = cy.draw()
    wait_for_items(server, (ben, cy), [stroke])
    wait_for_items(server, (ben, cy), [ben.draw()])


@points(2)
@needs("clear", "users")
@hints(
    "What does your server do while one client's line is so bad that nothing more can be sent to it?",
    "The loop over all connections waits for the one that does not read, and everybody waits with it.",
    "Give each connection a queue and a task that sends from it, and only put messages into the queues.",
)
def test_stalled_reader(server):
    """One who stops reading holds up nobody else."""
    (ada,) = fresh_board(server, "Ada")
    stalled = Artist(server, who="who stops reading", will_stall=True)
    ben = Artist(server, who="Ben")
    wait_for_company(server, ada, ben, also=[stalled.id])
    # 350 KB in all: the buffers between the server and one who does not read hold less than half of that.
    for _ in range(9):
        wait_for_items(server, (ada, ben), [ada.draw(points=long_stroke(server, 3_500, 1000))])
    stalled.abort()
    ada.send("clear")
    wait_for(server, (ada, ben), lambda: not (ada.board.items or ben.board.items), "an empty board")


@points(1)
@needs("clear", "leaving")
@hints(
    "Which limits has your server, and who set them?",
    "A limit lies below what task.md asks for: points of a stroke, items of the history, or artists.",
    "Look for slices, `maxlen=`, lists of fixed length, and for sizes at which messages are refused.",
)
def test_enough_room(server):
    """Thirty artists, a stroke of 5 000 points and many hundreds of items have room."""
    artists = fresh_board(server, *(f"artist {number}" for number in range(1, 31)))
    for artist in artists[5:]:
        artist.close()
    artists = artists[:5]
    wait_for_company(server, *artists)
    artists[0].draw(points=long_stroke(server, 5_000, 100))
    for number in range(110):
        for artist in artists:
            artist.draw()
        if number % 5 == 0:
            for artist in artists:
                artist.update()
    strokes = [stroke for artist in artists for stroke in artist.drawn]
    wait_for_items(server, artists, strokes)
    late = Artist(server, who="a newcomer")
    wait_for_items(server, (late,), strokes)
    for artist in artists[:2]:
        expect_as_drawn(server, (artists[-1], late), artist)
    artists[0].send("clear")
    wait_for(server, artists, lambda: not any(one.board.items for one in artists), "an empty board")


# ---- bonus ------------------------------------------------------------------------------------------


@points(1)
@needs("latecomer")
@hints(
    "Which tools does your server know?",
    "A tool is refused, or another one is written in its place.",
    "The field `tool` goes to everyone and into the history as it came.",
)
def test_tools(server):
    """Bonus: every tool arrives and is kept: line, rect, ellipse, eraser and pen."""
    ada, ben = Artist(server, who="Ada"), Artist(server, who="Ben")
    wait_for_company(server, ada, ben)
    strokes = [ada.draw(tool=tool, points=long_stroke(server, 2, 1000)) for tool in TOOLS]
    wait_for_items(server, (ada, ben), strokes)
    late = Artist(server, who="a newcomer")
    wait_for_items(server, (late,), strokes)
    expect_as_drawn(server, (ada, ben, late), ada)


@points(2)
@needs("clear_and_draw")
@hints(
    "Whose stroke does an undo take back: the last one on the board, or the caller's own last one?",
    "Undo is shared by all, is not told to everybody, leaves the item in the history, or comes back after a clear.",
    "Look through the history from its end for the first item with the caller's `artist_id`.",
)
def test_undo(server):
    """Bonus: undo takes back the caller's own last visible draw, for everybody."""
    ada, ben = fresh_board(server, "Ada", "Ben")
    everyone = (ada, ben)
    drawn = []
    for artist in (ada, ben, ada):
        drawn.append(artist.draw())
        expect_board(server, everyone, drawn)
    first, bens, _ = drawn
    ada.send("undo")
    expect_board(server, everyone, [first, bens])
    ben.send("undo")
    expect_board(server, everyone, [first])
    ben.send("undo")
    last = ben.draw()
    expect_board(server, (*everyone, Artist(server, who="a newcomer")), [first, last])
    ada.send("clear")
    expect_board(server, everyone, [])
    ada.send("undo")
    ben.send("undo")
    drawn = [ada.draw(), ben.draw()]
    expect_board(server, (*everyone, Artist(server, who="another newcomer")), drawn)


@points(2)
@needs("undo")
@hints(
    "What can still be redone after somebody has drawn something new?",
    "A redo brings back the wrong stroke or another id, is emptied by others, or is not emptied by one's own new draw.",
    "Keep a list of what was undone for each artist, and empty it where that artist draws.",
)
def test_redo(server):
    """Bonus: redo brings back what was undone, until the caller draws something new."""
    ada, ben = fresh_board(server, "Ada", "Ben")
    everyone = (ada, ben)
    one, two = ada.draw(), ada.draw()
    expect_board(server, everyone, [one, two])
    ada.send("undo")
    expect_board(server, everyone, [one])
    ada.send("undo")
    expect_board(server, everyone, [])
    bens = ben.draw()
    expect_board(server, everyone, [bens])
    ada.send("redo")
    expect_board(server, everyone, [one, bens])
    ada.send("redo")
    expect_board(server, (*everyone, Artist(server, who="a newcomer")), [one, two, bens])
    expect_as_drawn(server, everyone, ada)
    ada.send("undo")
    expect_board(server, everyone, [one, bens])
    new = ada.draw()
    expect_board(server, everyone, [one, bens, new])
    ada.send("redo")
    last = ada.draw()
    expect_board(server, (*everyone, Artist(server, who="another newcomer")), [one, bens, new, last])


@points(2)
@needs("clear_and_draw")
@hints(
    "What does everybody hold after somebody has loaded a drawing?",
    "`saved` is not sent, the board is mixed with what was loaded, or only the caller is told of it.",
    "Write the history as JSON; when it is loaded, replace your list and send it to everyone as `history`.",
)
def test_save_and_load(server):
    """Bonus: what was saved replaces everything when it is loaded; a name never saved changes nothing."""
    ada, ben = fresh_board(server, "Ada", "Ben")
    saved = saved_drawing(server, ada, ben, name := server.word())
    ada.send("clear")
    wait_for_items(server, (ada, ben), [ben.draw()])
    ben.send("load", name=name)
    expect_loaded(server, (ada, ben), saved)
    expect_loaded(server, (Artist(server, who="a newcomer"),), saved)
    before = list(ada.board.items)
    careless = Artist(server, who="who loads what was never saved")
    careless.send("load", name=f"{name}-never-saved")
    fence = wait_until_dealt_with(server, ben, careless)
    expect_board(server, (ada, ben), [*before, *(item for item in fence if item in ben.board.seen)])


@points(1)
@needs("save_and_load")
@hints(
    "Where is a saved drawing while your server is not running?",
    "It is kept in memory only, or written only when something else happens.",
    "Write it to a file in the folder that DATA_DIR names, before you answer with `saved`.",
)
def test_restart(server):
    """Bonus: a saved drawing can be loaded after the server was stopped and started again."""
    ada, ben = fresh_board(server, "Ada", "Ben")
    saved = saved_drawing(server, ada, ben, name := server.word())
    server.restart()
    ada, ben = fresh_board(server, "Ada", "Ben")
    ada.send("load", name=name)
    expect_loaded(server, (ada, ben), saved)


@points(1)
@needs("save_and_load")
@hints(
    "Where does a file called `../x` go?",
    "A name is joined to the folder as it came, so it leads out of the folder.",
    "Refuse names with anything but letters, digits, - and _; or make a harmless file name of them, such as a hash.",
)
def test_files_stay(server):
    """Bonus: whatever the name, no file is written outside of `DATA_DIR`."""
    ada = Artist(server, who="Ada")
    word = server.word()
    for name in (
        f"../{word}",
        f"../../{word}",
        f"{tempfile.gettempdir()}/{word}",
        f"sub/../../{word}",
        f"..\\{word}",
        f"./../{word}.json",
        f"{word}\0",
        word * 40,
    ):
        offender = Artist(server, who="who saves")
        offender.send_whatever(*(json.dumps({"type": kind, "name": name}) for kind in ("save", "load")))
        wait_until_dealt_with(server, ada, offender)
        offender.close_if_open()
        found = server.files_outside_data(word)
        if found:
            server.fail_as_answered(
                f"no file outside of DATA_DIR for the name {name!r}", f"there is {found[0]}"
            )
    ada.close()
    ada, ben = fresh_board(server, "Ada", "Ben")
    saved = saved_drawing(server, ada, ben, word)
    ben.send("clear")
    ada.send("load", name=word)
    expect_loaded(server, (ada, ben), saved)


@points(3)
@needs("redo", "leaving")
@hints(
    "If everything happens at once, does everybody still hold the same?",
    "In some order of events the list and what was sent come apart: an `await` lies between the two, or who comes or "
    "leaves meanwhile misses something.",
    "Let one place decide, and let it change the list and put the message into everyone's queue without an `await` in "
    "between. A newcomer gets `init` and a place among the others in the same way.",
)
def test_convergence(server):
    """Bonus: after 200 random actions of four artists, five times, everybody holds what a newcomer gets."""
    for _ in range(5):
        artists = fresh_board(server, "Ada", "Ben", "Cy", "Dan")
        for _ in range(200):
            number = server.random.randrange(4)
            artist = artists[number]
            kind = server.random.choices(("draw", "undo", "redo", "clear", "rejoin"), (70, 12, 8, 3, 7))[0]
            if kind == "draw":
                artist.draw()
            elif kind != "rejoin":
                artist.send(kind)
            else:
                server.random.choice((artist.close, artist.abort))()
                other = artists[number - 1]
                artists[number] = Artist(
                    server, who=artist.who, meanwhile=lambda other=other: (other.draw(), other.draw())
                )
            if server.random.random() < 0.2:
                for artist in server.random.sample(artists, 2):
                    artist.update()
        expect_same_end(server, artists)
        for artist in artists:
            artist.close()


# ---- what the checks share --------------------------------------------------------------------------


def alone(server):
    """Let an artist come, and wait until all those of earlier checks have gone."""
    artist = Artist(server, server.word(), who="Ada")
    wait_for_company(server, artist)
    return artist


def fresh_board(server, *who):
    """Let artists come, alone on an empty board."""
    first = Artist(server, server.word(), who=who[0])
    wait_for_company(server, first)
    if first.board.items:
        first.send("clear")
        wait_for(server, (first,), lambda: not first.board.items, "an empty board after a clear")
    artists = [first, *(Artist(server, server.word(), who=name) for name in who[1:])]
    wait_for_company(server, *artists)
    return artists


def wait_for_company(server, *artists, also=(), besides=()):
    """Wait until everyone's list holds just these artists.

    Args:
        also: ids that are to be in it too.
        besides: ids that may be in it: of those who were there before the check, and may not have left yet.
    """
    ids = {*(artist.id for artist in artists), *also}

    def is_told(one):
        return one.board.users.keys() - besides == ids and one.board.active_users == len(one.board.users)

    def told():
        one = next(one for one in artists if not is_told(one))
        return f"{one.who} was told last of {one.board.active_users} users: {', '.join(one.board.users)}"

    wait_for(
        server,
        artists,
        lambda: all(map(is_told, artists)),
        f"everyone is told of {len(ids)} users: {', '.join(sorted(ids))}",
        told,
    )


def wait_for_items(server, artists, strokes):
    """Wait until every one of the artists holds all these strokes."""

    def lacking():
        return ((one, stroke) for one in artists for stroke in strokes if stroke not in one.board.items)

    def observed():
        one = next(lacking())[0]
        return f"{one.who} lacks {sum(stroke not in one.board.items for stroke in strokes)} of them"

    wait_for(
        server,
        artists,
        lambda: not any(True for _ in lacking()),
        f"everyone gets {'the stroke' if len(strokes) == 1 else f'all {len(strokes)} strokes'}",
        observed,
    )


def wait_until_dealt_with(server, witness, doubtful):
    """Wait until the server has dealt with all that somebody sent whom it may as well send away for it.

    Returns:
        the ids of the strokes that were drawn to see that.
    """
    strokes = [doubtful.draw_whatever()]
    wait_for(
        server,
        (witness, doubtful),
        lambda: strokes[0] in witness.board.seen or doubtful.is_gone,
        f"{doubtful.who} can go on drawing, or is sent away",
    )
    strokes.append(witness.draw())
    wait_for_items(server, (witness,), strokes[1:])
    return strokes


def expect_as_drawn(server, artists, author):
    """Require that everyone holds an author's strokes as they were drawn."""
    for artist in artists:
        for stroke, drawn in author.drawn.items():
            item = artist.board.items.get(stroke)
            if item is None:
                continue
            if not same_item(item, drawn):
                server.fail_as_answered(
                    f"{json.dumps(drawn)[:300]}", f"{artist.who} got {json.dumps(item)[:300]}"
                )
            if item["artist_id"] != author.id or item["color"].lower() != author.color.lower():
                server.fail_as_answered(
                    f"a stroke with artist_id {author.id!r} and color {author.color!r}",
                    f"{artist.who} got artist_id {item['artist_id']!r} and color {item['color']!r}",
                )


def expect_board(server, artists, strokes):
    """Require that everyone comes to hold just these strokes."""
    wanted = set(strokes)

    def differing():
        return [one for one in artists if set(one.board.items) != wanted]

    wait_for(
        server,
        artists,
        lambda: not differing(),
        f"everyone holds just these {len(wanted)} items: {', '.join(strokes)}",
        lambda: f"{differing()[0].who} holds {', '.join(differing()[0].board.items) or 'nothing'}",
    )


def expect_agreement(server, *artists):
    """Require that all artists come to hold the same items."""
    first = artists[0]

    def differing():
        for other in artists[1:]:
            mine, theirs = first.board.items, other.board.items
            lacks = mine.keys() ^ theirs.keys()
            if lacks:
                stroke = sorted(lacks)[0]
                holder, lacker = (first, other) if stroke in mine else (other, first)
                return f"{holder.who} holds item {stroke} and {lacker.who} does not"
            for stroke, item in mine.items():
                twin = theirs[stroke]
                if item["artist_id"] != twin["artist_id"] or not same_item(item, twin):
                    return f"item {stroke} is another one for {other.who} than for {first.who}"
        return ""

    wait_for(server, artists, lambda: not differing(), "everybody holds the same items", differing)


def expect_same_end(server, artists):
    """Require that all, and a newcomer, hold the same once everything that was sent has been dealt with."""
    fences = [artist.draw() for artist in artists]
    wait_for(
        server,
        artists,
        lambda: all(fence in one.board.seen for one in artists for fence in fences),
        "everyone gets everybody's last stroke",
    )
    late = Artist(server, who="a newcomer")
    expect_agreement(server, late, *artists)
    late.close()


def saved_drawing(server, author, other, name):
    """Draw something, save it, and return its items."""
    strokes = [author.draw(), author.draw(), other.draw()]
    wait_for_items(server, (author, other), strokes)
    author.send("save", name=name)
    wait_for(
        server,
        (author, other),
        lambda: name in author.board.saved,
        f"an answer `saved` with the name {name!r}",
    )
    return list(author.board.items.values())


def expect_loaded(server, artists, saved):
    """Require that everyone comes to hold just what was saved. The ids may be new ones."""

    def differing():
        return [one for one in artists if not alike(list(one.board.items.values()), saved)]

    wait_for(
        server,
        artists,
        lambda: not differing(),
        f"everyone holds just the {len(saved)} items that were saved",
        lambda: f"{differing()[0].who} holds {len(differing()[0].board.items)} items, and not just those",
    )


def alike(items, others):
    others = list(others)
    for item in items:
        twin = next(
            (one for one in others if same_item(one, item) and one["color"].lower() == item["color"].lower()),
            None,
        )
        if twin is None:
            return False
        others.remove(twin)
    return not others


def long_stroke(server, number, size):
    chance = server.random
    return [[chance.randrange(size), chance.randrange(size)] for _ in range(number)]


def is_at(cursor, x, y):
    return cursor is not None and abs(cursor["x"] - x) <= 0.5 and abs(cursor["y"] - y) <= 0.5


def first_difference(one, other):
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
