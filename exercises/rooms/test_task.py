"""The graded checks of `rooms`: `labkit check rooms`, or `pytest exercises/rooms --solution FILE`.

Each check talks to the running solution from outside, as a browser does. Any server passes that does what
task.md says, whatever it looks like inside. Every check has rooms of its own.
"""

from urllib.parse import quote

import pytest

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints

KINDS = ("user_joined", "user_left", "message")
PATIENCE_S = 0.3
"""How long a server may be busy with one text before it counts as stuck. What builds on that is only weaker."""


def joined(user, members):
    return {"type": "user_joined", "user": user, "message": str, "room_members": members}


def left(user, members):
    return {"type": "user_left", "user": user, "message": str, "room_members": members}


def said(room, user, text):
    return {"type": "message", "room_id": room, "user": user, "message": text}


def is_known(value):
    """Tell apart what a check looks at from what it has to ignore: messages of other types."""
    kind = value.get("type") if isinstance(value, dict) else None
    return not isinstance(kind, str) or kind in KINDS


def is_speech(value):
    """An object, or something that is no message at all: let the pattern say so."""
    return not isinstance(value, dict) or (is_known(value) and value.get("type") == "message")


def enter(server, room, user, *there, who="", **options):
    """Let somebody enter a room, and everybody there and the newcomer hear of it."""
    path = f"/ws/rooms/{quote(room, safe='')}?name={quote(user, safe='')}"
    newcomer = server.connect(path, who=who or user, **options)
    for member in (newcomer, *there):
        member.expect_json(joined(user, len(there) + 1), among=is_known)
    return newcomer


def say(room, user, text, speaker, *others):
    """Let a member speak, and everybody hear it as their very next message."""
    speaker.send(text)
    for member in (speaker, *others):
        member.expect_json(said(room, user, text), among=is_known)


@points(2)
@hints(
    "What does a newcomer read first, even one who is alone in the room?",
    "The connection is not accepted, nobody tells the newcomer, or a field of the announcement is missing or wrong.",
    "Look up `accept()`, path and query parameters in FastAPI, and `send_json()`. Count after you have added.",
)
def test_enter(server):
    """A newcomer gets `user_joined` with their own name and `room_members` 1."""
    enter(server, server.word(), server.word())


@points(1)
@needs("enter")
@hints(
    "How do those who are there already learn that somebody has come?",
    "Only the newcomer is told, the others are told something else, or the members are not counted right.",
    "Keep the connections of each room in one place, and send the same announcement to all of them.",
)
def test_others_hear(server):
    """Everyone in the room gets `user_joined` with the newcomer's name and how many they are now."""
    room = server.word()
    there = []
    for number in range(1, 5):
        there.append(enter(server, room, server.word(), *there, who=f"member {number}"))


@points(2)
@needs("enter")
@hints(
    "What comes back to one who speaks?",
    "The sender is left out, or the message lacks its room, its user, its text or its type.",
    "Compare the fields of your message, letter by letter, with those in task.md.",
)
def test_speak(server):
    """Who says `T` gets a `message` with their room, their name and `T`."""
    room, ada = server.word(), server.word()
    ws = enter(server, room, ada, who="Ada")
    for _ in range(3):
        say(room, ada, server.word(), ws)


@points(2)
@needs("others_hear", "speak")
@hints(
    "Does every member of the room hear the same words that were said?",
    "Not everybody is reached, the wrong name is given, or the text is tidied up, read as JSON or left out if it "
    "is empty.",
    "Whatever text came goes into the field `message` as it is. Who is speaking, the handler knows from its arguments.",
)
def test_everyone_hears(server):
    """Everyone in the room hears every text, untouched and in order, with the speaker's name."""
    room = server.word()
    names = [server.word() for _ in range(3)]
    members = []
    for name in names:
        members.append(enter(server, room, name, *members))
    texts = [
        server.phrase(),
        "",
        f"  {server.word().upper()} ",
        "{",
        f"[1, {server.word()}]",
        "7",
        "null",
        "a\nb",
    ]
    for number, text in enumerate(texts):
        speaker = number % 3
        others = [member for member in members if member is not members[speaker]]
        say(room, names[speaker], text, members[speaker], *others)
    burst = [f"{number} {server.word()}" for number in range(20)]
    members[0].send(*burst)
    for member in members:
        for text in burst:
            member.expect_json(said(room, names[0], text), among=is_known)


@points(2)
@needs("others_hear", "speak")
@hints(
    "What does your handler do when there will never be another text?",
    "The loop ends by an exception that nobody catches, so what should follow is skipped; or the one who has gone is "
    "still counted.",
    "Look up WebSocketDisconnect and `finally:`. First take the member out of the room, then tell those left.",
)
def test_leave(server):
    """When somebody closes, those left get `user_left` with that name and how many they are now."""
    room, ada, ben, cy = server.word(), server.word(), server.word(), server.word()
    first = enter(server, room, ada, who="Ada")
    second = enter(server, room, ben, first, who="Ben")
    third = enter(server, room, cy, first, second, who="Cy")
    second.close(server.random.choice((1000, 1001, 4321)))
    for member in (first, third):
        member.expect_json(left(ben, 2), among=is_known)
    third.close()
    first.expect_json(left(cy, 1), among=is_known)
    say(room, ada, server.word(), first)


@points(1)
@needs("leave")
@hints(
    "What is the goodbye of a phone that has lost its network?",
    "Only polite goodbyes are noticed: a cut connection has no close frame and no code 1000.",
    "One place that every way out passes is enough: `finally:`. Do not look at the code.",
)
def test_cut(server):
    """When somebody's connection is cut, those left hear of it just so."""
    room, ada, ben = server.word(), server.word(), server.word()
    stays = enter(server, room, ada, who="Ada")
    vanishes = enter(server, room, ben, stays, who="Ben")
    say(room, ben, server.word(), vanishes, stays)
    vanishes.abort()
    stays.expect_json(left(ben, 1), among=is_known)
    say(room, ada, server.word(), stays)


@points(2)
@needs("everyone_hears", "leave")
@hints(
    "Who is in the list over which you send?",
    "One list holds the members of all rooms, so what happens in one is heard in others.",
    "A dict from a room's name to its members keeps them apart: send only to those of this room.",
)
def test_rooms_apart(server):
    """Nobody in another room hears what is said, or who comes and goes."""
    tea, bar = server.word(), server.word()
    ada, ben, cy = server.word(), server.word(), server.word()
    in_tea = enter(server, tea, ada, who="Ada in one room")
    in_bar = enter(server, bar, ben, who="Ben in another room")
    guest = enter(server, tea, cy, in_tea, who="Cy in Ada's room")
    word = server.word()
    say(tea, cy, word, guest, in_tea)
    expect_nothing(server, bar, ben, in_bar)
    guest.close()
    in_tea.expect_json(left(cy, 1), among=is_known)
    expect_nothing(server, bar, ben, in_bar)
    say(bar, ben, server.word(), in_bar)
    expect_nothing(server, tea, ada, in_tea)


@points(2)
@needs("others_hear")
@hints(
    "What does GET /rooms tell somebody who is looking for company?",
    "The answer is no JSON object, its values are no counts, or it counts something else than who is there.",
    "In FastAPI, a route that returns a dict answers with a JSON object. Its keys are the names of the rooms.",
)
def test_list(server):
    """`GET /rooms` tells how many are in each room."""
    tea, bar = server.word(), server.word()
    there = []
    for _ in range(3):
        there.append(enter(server, tea, server.word(), *there))
    enter(server, bar, server.word())
    server.wait_until(lambda: server.get_json("/rooms", like=dict), like={tea: 3, bar: 1})


@points(1)
@needs("list", "leave")
@hints(
    "What is left in your dict after the last member has gone?",
    "A room without members is kept, or one who has gone is still counted.",
    "Where a member is taken out of a room, look whether anybody is left, and remove the room itself if not.",
)
def test_empty_room(server):
    """A room is gone from `GET /rooms` after its last member, and begins anew with the next one."""
    room, ada, ben = server.word(), server.word(), server.word()
    first = enter(server, room, ada, who="Ada")
    second = enter(server, room, ben, first, who="Ben")
    second.close()
    first.expect_json(left(ben, 1), among=is_known)
    server.wait_until(lambda: server.get_json("/rooms", like=dict), like={room: 1})
    first.abort()
    expect_gone(server, room)
    again = enter(server, room, ben, who="Ben again")
    say(room, ben, server.word(), again)


@points(1)
@needs("everyone_hears", "list")
@hints(
    "Would a room called `Grüße & 🎈` work as well as one called `tea`?",
    "A name is used as it stands in the address, is changed, or is taken for another one.",
    "FastAPI decodes path and query for you; raw ASGI does so for the path, and `urllib.parse.parse_qs` for the query. "
    "Leave capitals and spaces as they are.",
)
def test_odd_names(server):
    """Rooms and people may be called anything, in any alphabet."""
    word = server.word()
    for room, user in (
        (f"Grüße & {word} 🎈", f"Zoë + {word} = ?"),
        (f"100 % {word}", f"{word}=a&name=b"),
        (f"{word}.Tea", f"日本語 {word}"),
        (f"{word}.tea", f'O\'{word} "x"'),
    ):
        ws = enter(server, room, user, who="somebody")
        say(room, user, server.word(), ws)
        server.wait_until(lambda: server.get_json("/rooms", like=dict), like={room: 1})


@points(2)
@needs("leave", "speak")
@hints(
    "Can two people in a room be called Ada?",
    "A dict with names as its keys holds one connection a name: the second one replaces the first, and whoever of them "
    "goes takes the other along.",
    "Keep the connections themselves, and the names only as what they are called.",
)
def test_same_name(server):
    """Two members with one name both hear everything, and one of them may go."""
    room, ada, ben = server.word(), server.word(), server.word()
    other = enter(server, room, ben, who="Ben")
    twins = []
    for which in ("first", "second"):
        twins.append(server.connect(f"/ws/rooms/{room}?name={ada}", who=f"the {which} called {ada}"))
        twins[-1].expect_json({"type": "user_joined", "user": ada}, among=is_known)
    for first, second in (twins, twins[::-1]):
        word, answer = server.word(), server.word()
        first.send(word)
        for member in (first, second, other):
            member.expect_json(said(room, ada, word), among=is_speech)
        other.send(answer)
        for member in (first, second, other):
            member.expect_json(said(room, ben, answer), among=is_speech)
    server.random.shuffle(twins)
    goes, stays = twins
    goes.close()
    for _ in range(2):
        # Twice, for between the two the server has surely dealt with the one who went.
        word = server.word()
        other.send(word)
        for member in (stays, other):
            member.expect_json(said(room, ben, word), among=is_speech)
    server.wait_until(
        lambda: room in server.get_json("/rooms", like=dict), like=True, expected=f"{room} in GET /rooms"
    )


@points(2)
@needs("cut", "empty_room")
@hints(
    "What becomes of a text if one of its hearers vanishes, or leaves, while it is being sent to them?",
    "Sending to one who has gone raises, and ends the loop over the others; or the list over which you loop changes "
    "under your feet, because `await` lets other handlers run.",
    "Loop over a copy of the members, and catch for each of them what sending can raise. See that a member who is gone "
    "already can be removed again.",
)
def test_vanishes_meanwhile(server):
    """One who vanishes or leaves while texts are on their way costs nobody a text."""
    room, ada = server.word(), server.word()
    speaker = enter(server, room, ada, who="Ada")
    leaves = enter(server, room, server.word(), speaker, who="who will leave")
    stuck = enter(server, room, server.word(), speaker, leaves, who="who will vanish", will_stall=True)
    hearer = enter(server, room, server.word(), speaker, leaves, stuck, who="who stays")
    heard = []
    texts = say_until_stuck(server, room, ada, speaker, hearer, heard)
    leaves.close()
    stuck.abort()
    word = server.word()
    speaker.send(word)
    speaker.collect_json(until=said(room, ada, word), among=is_speech)
    heard += hearer.collect_json(until=said(room, ada, word), among=is_speech)
    words = [message.get("message") for message in heard if isinstance(message, dict)]
    missing = [text for text in texts if text not in words]
    if missing:
        server.fail_as_answered(
            f"all {len(texts)} texts for the one who stays",
            f"{len(missing)} of them never came, though Ada's next one did",
        )
    speaker.abort()
    hearer.abort()
    expect_gone(server, room)
    say(room, ada, server.word(), enter(server, room, ada, who="Ada again"))


def say_until_stuck(server, room, user, speaker, hearer, heard):
    """Speak at length until the hearer gets no more, because the server is stuck with one who does not read."""
    texts = []
    for number in range(10):
        texts.append(f"{number} {server.word()} " + "é" * 15_000)
        speaker.send(texts[-1])
        speech = said(room, user, texts[-1])
        if not hearer.hears(speech, heard, among=is_speech, patience_s=PATIENCE_S):
            break
        # The speaker reads as well: nobody but the stalled one may be a reason to wait.
        speaker.hears(speech, [], patience_s=PATIENCE_S)
    return texts


def expect_nothing(server, room, user, member):
    """Require that nothing waits for a member: their own next text must be the next that they hear."""
    word = server.word()
    member.send(word)
    for value in member.collect_json(until=said(room, user, word), among=is_known):
        server.fail_as_answered(
            f"nothing for {user} in {room} but their own text {word!r}",
            f"{value} came before it",
        )


def expect_gone(server, room):
    server.wait_until(
        lambda: room in server.get_json("/rooms", like=dict),
        like=False,
        expected=f"no {room!r} in GET /rooms after its last member has gone",
    )
