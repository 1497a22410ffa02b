"""The graded checks of `chat`: `labkit check chat`, or `pytest exercises/chat --solution FILE`.

Each check brings its own people, with names of their own, and looks only at messages about them. Any server
passes that does what task.md says, whatever it looks like inside; other fields and other kinds of messages
are free, and so is the order of messages that have nothing to do with each other.
"""

import json
import re

import pytest

from labkit.grader.pattern import Where

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints

SYSTEM = "system"
GREETING = "Hello, here I am: "
LONG = 16_000
TIME = Where(
    'a time such as "14:05:09"',
    lambda value: (
        isinstance(value, str)
        and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d", value, re.ASCII) is not None
    ),
)


def said(user, text):
    return {"sender": user, "message": text, "timestamp": TIME, "emoji": "💬"}


def joined(user):
    return {"sender": SYSTEM, "message": f"{user} joined the chat! 👋", "timestamp": TIME, "emoji": "📢"}


def left(user):
    return {"sender": SYSTEM, "message": f"{user} left the chat 👋", "timestamp": TIME, "emoji": "📢"}


def private(user, to, text):
    return {"type": "private", "sender": user, "to": to, "message": text, "emoji": "🔒"}


def kind_of(message):
    """Name what task.md calls a message; None if it is of some kind that task.md does not know."""
    if not isinstance(message, dict):
        return "no object"
    kind = message.get("type", "message")
    if kind in ("private", "typing", "error"):
        return kind
    if "sender" not in message or "message" not in message:
        return None
    if kind != "message" and not {"timestamp", "emoji"} <= message.keys():
        return None
    text = str(message["message"])
    if message["sender"] != SYSTEM:
        return "greeting" if text.startswith(GREETING) else "said"
    return "joined" if "joined" in text else "left" if "left" in text else None


def only(*kinds, about):
    """Pick messages of some kinds about some people; errors are about whoever gets them."""

    def picks(message):
        kind = kind_of(message)
        if kind in ("joined", "left"):
            return kind in kinds and any(user in message["message"] for user in about)
        return kind == "no object" or (kind in kinds and (kind == "error" or message.get("sender") in about))

    return picks


class Person:
    """Somebody in the chat, who is certainly in: their own greeting has come back to them."""

    def __init__(self, server, who, *, name="", will_stall=False):
        self.name = name or server.word()
        self.ws = server.connect(f"/ws/{self.name}", who=who, will_stall=will_stall)
        greeting = GREETING + server.word()
        self.ws.send(greeting)
        self.hear(said(self.name, greeting), only("greeting", about=[self.name]))

    def say(self, text, *, heard_by, among=("said",)):
        """Say something, and require that it is the next thing that all of them hear of each other."""
        self.ws.send(text)
        picked = only(*among, about=[self.name, *[listener.name for listener in heard_by]])
        for listener in heard_by:
            listener.hear(said(self.name, text), picked)

    def hear(self, message, among):
        return self.ws.expect_json(message, among=among)


def let_in(server, *whos):
    return [Person(server, who) for who in whos]


@points(2)
@hints(
    "When Ada says something, on how many connections does your server have to send it?",
    "The text goes back to its sender alone, or to everybody else but the sender, or a field is missing or has "
    "another name, or the time has another form.",
    "Keep all accepted connections in one place, and look up `json.dumps` and `time.strftime`.",
)
def test_message(server):
    """A text reaches everyone, the sender too, with its `sender`, `message`, `timestamp` and `emoji`."""
    people = ada, ben, cleo = let_in(server, "Ada", "Ben", "Cleo")
    for speaker, text in ((ada, server.phrase()), (cleo, server.word()), (ben, f"  {server.phrase()} ")):
        speaker.say(text, heard_by=people)
    ada.say(server.word(), heard_by=people)


@points(2)
@needs("message")
@hints(
    "Who should learn that you have come: only the others?",
    "The announcement is made before the newcomer is among those who hear it, or to the newcomer alone, or its words "
    "or emoji are others.",
    "Put the connection among the others first, then send the announcement by the same way as a chat message.",
)
def test_arrival(server):
    """Everyone, the newcomer too, is told once that somebody joined."""
    (ada,) = let_in(server, "Ada")
    name = server.word()
    ws = server.connect(f"/ws/{name}", who="Ben")
    ws.expect_json(joined(name), among=only("joined", about=[name]))
    ada.hear(joined(name), only("joined", about=[name]))
    text = server.word()
    ws.send(text)
    for listener in (ws, ada.ws):
        listener.expect_json(said(name, text), among=only("joined", "said", about=[name]))


@points(1)
@needs("message")
@hints(
    "Is everything that can be read as JSON meant as a command?",
    "The text is parsed, and then something that is no object, or has no known `type`, is refused, changed or taken "
    "for a command; or parsing it raises an error that nobody catches.",
    "Look at what `json.loads` returns for `42` and for `[1]`, and when it raises ValueError.",
)
def test_any_text(server):
    """JSON without a `type` is a chat message like any other, and reaches all just as it was typed."""
    people = ada, ben = let_in(server, "Ada", "Ben")
    word = server.word()
    texts = (
        json.dumps({word: 1}),
        json.dumps({"sender": ben.name, "message": word, "emoji": "🦊"}),
        f'["{word}",  2]',
        f'"{word}"',
        str(server.random.randrange(10**6)),
        "null",
        f'{{"type": "private", "to": {word}',
    )
    for text in texts:
        ada.say(text, heard_by=people, among=("said", "private", "error"))


@points(2)
@needs("message")
@hints(
    "In how many ways can somebody leave, and which of them does your handler notice?",
    "The announcement stands where only a polite goodbye passes, or the one who left is still among those to whom it "
    "is sent, so that sending it fails; or it is made twice.",
    "Look up `finally:`, and do the same there whatever ended the loop: first take the connection out, then tell those "
    "who are left.",
)
def test_departure(server):
    """Those who are left are told once that somebody left, whether they closed or were cut."""
    ada, ben = let_in(server, "Ada", "Ben")
    for leave in (
        lambda ws: ws.close(1000),
        lambda ws: ws.close(server.random.randrange(4000, 5000)),
        lambda ws: ws.abort(),
        lambda ws: ws.close(None),
    ):
        cleo = Person(server, "Cleo")
        leave(cleo.ws)
        for listener in (ada, ben):
            listener.hear(left(cleo.name), only("left", about=[cleo.name]))
        text = server.word()
        ada.ws.send(text)
        for listener in (ada, ben):
            listener.hear(said(ada.name, text), only("left", "said", about=[ada.name, cleo.name]))


@points(2)
@needs("message")
@hints(
    "What does your server know of who is here, and in which order does it know it?",
    "The list is in the order of arrival, or in none; or it holds connections instead of names, or who has left.",
    "Look up `sorted()`, and return the names of those who are connected now.",
)
def test_users(server):
    """`GET /users` lists the ids that are present, sorted, and no longer those who have left."""
    people = let_in(server, *["somebody"] * 6)
    names = [person.name for person in people]

    def present():
        return [user for user in server.get_json("/users", like=[str]) if user in names]

    server.wait_until(present, like=tuple(sorted(names)))
    people[0].ws.close()
    people[3].ws.abort()
    server.wait_until(present, like=tuple(sorted({*names} - {names[0], names[3]})))


@points(2)
@needs("message")
@hints(
    "If two people speak at the same moment, who decides which of them was first?",
    "Somebody gets a text at another time than the rest, such as the sender before all others, or each message is sent "
    "by tasks of its own that overtake each other.",
    "Let one place put a message to all connections at once, without an `await` between them.",
)
def test_one_order(server):
    """When several speak at once, everyone sees all their texts in the same order."""
    people = let_in(server, "Ada", "Ben", "Cleo", "Dan")
    names = [person.name for person in people]
    for _ in range(8):
        for person in people:
            person.ws.send(server.word())
    among = only("said", about=names)
    heard = [
        [person.hear({"sender": str, "message": str}, among)["message"] for _ in range(8 * len(people))]
        for person in people
    ]
    for texts in heard[1:]:
        server.expect(
            texts, tuple(heard[0]), expected="everyone sees the texts in the order in which Ada sees them"
        )


@points(2)
@needs("message")
@hints(
    "Who has to know of a private message, and who must not?",
    "It goes to everyone, or only one of the two gets it, or its sender is taken from the message instead of the path, "
    "or the JSON is passed on as a chat message too.",
    "Look up the connection of one id in a dict, and send to that one and to the sender.",
)
def test_private(server):
    """A private message reaches its addressee and its sender, and nobody else."""
    people = ada, ben, cleo = let_in(server, "Ada", "Ben", "Cleo")
    text = server.phrase()
    ada.ws.send_json({"type": "private", "to": ben.name, "message": text, "sender": cleo.name})
    for listener in (ada, ben):
        listener.hear(private(ada.name, ben.name, text), only("private", about=[ada.name, cleo.name]))
    ada.say(server.word(), heard_by=people, among=("said", "private", "error"))


@points(1)
@needs("private", "users")
@hints(
    "What should happen if you whisper to somebody who is not there?",
    "The look-up fails and ends the connection, or nobody is told, or everybody is; or someone who has left is still "
    "taken for present.",
    'Look up `dict.get()`, and answer the sender with {"type": "error", "detail": …} if it finds nobody.',
)
def test_private_to_nobody(server):
    """A private message to somebody who is absent gets its sender, and nobody else, an error."""
    ada, ben, cleo = let_in(server, "Ada", "Ben", "Cleo")
    cleo.ws.close()
    server.wait_until(lambda: cleo.name in server.get_json("/users", like=[str]), like=False)
    for absent in (server.word(), cleo.name):
        ada.ws.send_json({"type": "private", "to": absent, "message": server.word()})
        ada.hear({"type": "error", "detail": str}, only("error", "private", "said", about=[ada.name]))
        ada.say(server.word(), heard_by=[ada, ben], among=("said", "private", "error"))


@points(1)
@needs("message")
@hints(
    "Who needs to be told that you are typing?",
    "It comes back to the one who types, or is taken for a chat message, or is kept for people who come later.",
    "Send it to all connections but one, and store it nowhere.",
)
def test_typing(server):
    """`typing` reaches everyone else, never the one who types, and nobody who comes later."""
    ada, ben, cleo = let_in(server, "Ada", "Ben", "Cleo")
    typing = {"type": "typing", "sender": ada.name}
    ada.ws.send_json({"type": "typing"})
    for listener in (ben, cleo):
        listener.hear(typing, only("typing", "said", about=[ada.name]))
    name, text = server.word(), server.word()
    dan = server.connect(f"/ws/{name}", who="Dan, who comes later,")
    dan.send(text)
    dan.expect_json(said(name, text), among=only("typing", "said", about=[ada.name, name]))
    ada.say(server.word(), heard_by=[ada, ben, cleo], among=("said", "typing"))


@points(2)
@needs("users", "private", "departure")
@hints(
    "If you open the chat in a second tab and close the first, are you still in?",
    "Under one id there is room for one connection. When the first one ends, its clean-up takes out whatever is there "
    "by then: the second. Or it announces a departure although somebody of that id is still here.",
    "Before you take something out, look whether it is still your own connection that is registered: `is`.",
)
def test_second_login(server):
    """A second connection with an id replaces the first; when that one goes, nobody has left."""
    ada, ben = let_in(server, "Ada", "Ben")
    again = Person(server, "Ada's second tab", name=ada.name)

    def expect_listed_once():
        expected = "GET /users lists the id of Ada once"
        server.wait_until(lambda: server.get_json("/users", like=[str]).count(ada.name), 1, expected=expected)

    expect_listed_once()
    again.say(server.word(), heard_by=[again, ben])
    ada.ws.close()
    among = only("said", "left", about=[ada.name, ben.name])
    for speaker in (ben, again, ben):
        expect_listed_once()
        text = server.word()
        speaker.ws.send(text)
        for listener in (again, ben):
            listener.hear(said(speaker.name, text), among)
    text = server.word()
    ben.ws.send_json({"type": "private", "to": ada.name, "message": text})
    again.hear(private(ben.name, ada.name, text), only("private", "left", about=[ada.name, ben.name]))


@points(1)
@needs("departure")
@hints(
    "What happens to your loop over all connections if sending to one of them fails?",
    "Sending to somebody who has just vanished raises an error. It ends the broadcast for all those behind, or the "
    "connection of the one who spoke; or the collection changes while a loop over it waits.",
    "Catch what sending raises for each connection by itself, and loop over a copy: `list(…)`.",
)
def test_vanished(server):
    """Someone who vanishes while others speak costs nobody else a message."""
    ada, ben = let_in(server, "Ada", "Ben")
    lost = Person(server, "Cleo", will_stall=True)
    for listener in (ada, ben):
        listener.ws.hears(until=Where("no end", lambda message: False), heard=[])
    texts = [server.word().ljust(LONG, ".") for _ in range(14)]
    for upto in (7, 14):
        ada.ws.send(*texts[upto - 7 : upto])
        for listener in (ada, ben):
            listener.ws.take_in(upto)
    lost.ws.abort()
    for listener in (ada, ben):
        listener.ws.expect_all_json(
            *[said(ada.name, text) for text in texts],
            left(lost.name),
            among=only("said", "left", about=[ada.name, lost.name]),
        )
    for speaker in (ada, ben):
        speaker.say(server.word(), heard_by=[ada, ben])


@points(2)
@needs("vanished")
@hints(
    "How long does `await websocket.send_text(…)` take if the other side has stopped reading?",
    "Sending waits until there is room. A handler that waits so for one client delivers to nobody else meanwhile, and "
    "`gather` waits for the slowest just as well.",
    "Look up `asyncio.Queue`, and a task for each connection that alone sends on it. Its `put_nowait` never waits.",
)
def test_stalled(server):
    """Someone who has stopped reading delays nobody else."""
    stalled = Person(server, "Cleo, who has stopped reading,", will_stall=True)
    ada, ben = let_in(server, "Ada", "Ben")
    among = only("said", about=[ada.name])
    for _ in range(30):
        text = server.word().ljust(LONG, ".")
        ada.ws.send(text)
        for listener in (ada, ben):
            listener.hear(said(ada.name, text), among)
    dan = Person(server, "Dan, who comes later,")
    for speaker in (ben, dan):
        speaker.say(server.word(), heard_by=[ada, ben, dan])
    stalled.ws.abort()
