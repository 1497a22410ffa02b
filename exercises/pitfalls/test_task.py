"""The graded checks of `pitfalls`: `labkit check pitfalls`, or `pytest exercises/pitfalls --solution FILE`.

Each fault of the starter shows in one check. Each check talks to the running solution from outside, as a
browser does. Any server passes that does what task.md says, whatever it looks like inside.
"""

import json
import re
import time

import pytest

from labkit.grader.pattern import Where

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints

PATIENCE_S = 0.3
"""How long a server may be busy with one text before it counts as stuck. What builds on that is only weaker."""

ATTEMPTS = 4
"""Only a server that fails each time is at fault: one time may be a machine that is busy otherwise."""

CLOCK = Where(
    "a time such as 09:05:30",
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"\d\d:\d\d:\d\d", value)),
)


def joined(user):
    return {"sender": "system", "message": f"{user} joined the chat! 👋", "emoji": "📢"}


def left(user):
    return {"sender": "system", "message": f"{user} left the chat 👋", "emoji": "📢"}


def said(user, text):
    return {"sender": user, "message": text, "emoji": "💬"}


def is_chat(value):
    """Tell apart what a check looks at from what it has to ignore: messages of other types."""
    return not isinstance(value, dict) or value.get("type", "message") == "message"


def is_speech(value):
    """An object, or something that is no message at all: let the pattern say so."""
    return not isinstance(value, dict) or (is_chat(value) and value.get("emoji") == "💬")


def message_of(value):
    return value.get("message") if isinstance(value, dict) else None


def enter(server, user, who="", **options):
    """Let somebody enter, and wait until they hear of it themselves."""
    ws = server.connect(f"/ws/{user}", who=who or user, **options)
    ws.collect_json(until=joined(user), among=is_chat)
    return ws


def say(server, user, speaker, *others):
    """Let somebody say a word, and return what each one heard before it, in lists."""
    word = server.word()
    speaker.send(word)
    return [ws.collect_json(until=said(user, word), among=is_chat) for ws in (speaker, *others)]


@points(2)
@hints(
    "How often is a newcomer announced if three others are there already?",
    "A background task that serves everybody is started for each connection, so there are as many as there are people, "
    "and each of them does the work of all.",
    "Look at what calls `create_task`. What is needed once belongs where the app starts (look up `lifespan`), or does "
    "not need a task at all.",
)
def test_joined_once(server):
    """Everyone hears once that somebody has joined, however many are there."""
    names = [server.word() for _ in range(4)]
    people, heard = [], []
    for name in names:
        people.append(server.connect(f"/ws/{name}", who=name))
        heard.append([])
        for ws, sayings in zip(people, heard, strict=True):
            sayings += [*ws.collect_json(until=joined(name), among=is_chat), joined(name)]
    for _ in range(3):
        for sayings, before in zip(heard, say(server, names[0], *people), strict=True):
            sayings += before
    for number, sayings in enumerate(heard):
        for newcomer in names[number:]:
            text = joined(newcomer)["message"]
            times = sum(message_of(saying) == text for saying in sayings)
            if times != 1:
                server.fail_as_answered(f"{text!r} once for {names[number]}", f"it came {times} times")


@points(2)
@hints(
    "Who tells the others that somebody has closed their tab?",
    "receive_text() raises when the client has gone. Nobody catches that, so nobody is told, and the log fills with "
    "tracebacks.",
    "Look up `except WebSocketDisconnect:`. Take the one who has gone out of the registry first, then tell those left.",
)
def test_left_told(server):
    """When somebody leaves, by closing or by a cut, everyone left hears of it once."""
    ada, ben, cy = server.word(), server.word(), server.word()
    stays = enter(server, ada, "Ada")
    for name, leave in ((ben, "close"), (cy, "abort")):
        goes = enter(server, name)
        say(server, name, goes, stays)
        getattr(goes, leave)()
        stays.collect_json(until=left(name), among=is_chat)
        heard = [saying for _ in range(2) for saying in say(server, ada, stays)[0]]
        if any(message_of(saying) == left(name)["message"] for saying in heard):
            server.fail_as_answered(f"{left(name)['message']!r} once", "it came again")


@points(2)
@hints(
    "Somebody reloads the page: which comes first, the new connection or the end of the old one?",
    "The old connection cleans up by name. By then that name belongs to the newer connection, which is thrown out "
    "of the registry: it is open, and hears nothing.",
    "Before you remove an entry, look whether it still holds your own connection.",
)
def test_newer_stays(server):
    """Who comes back before the older connection has ended goes on hearing everything."""
    ada, ben = server.word(), server.word()
    other = enter(server, ben, "Ben")
    for leave in ("close", "abort"):
        older = enter(server, ada, "Ada's older connection")
        newer = server.connect(f"/ws/{ada}", who="Ada's newer connection")
        say(server, ada, newer, other)
        getattr(older, leave)()
        for _ in range(3):
            # Several times, for between two of them the server has surely dealt with the older one.
            say(server, ben, other, newer)
        say(server, ada, newer, other)
        newer.close()


@points(2)
@hints(
    "Which other handlers may run while your broadcast waits for one slow client?",
    "Each `await` lets others run. Somebody who comes or goes meanwhile changes the dict or list over which you loop: "
    "the loop ends with an error, or skips somebody.",
    "Loop over a copy of it.",
)
def test_nobody_missed(server):
    """Nobody misses a text because others come and go while it is being sent."""
    ada, cy, dan, eve = server.word(), server.word(), server.word(), server.word()
    speaker = enter(server, ada, "Ada")
    leaves = enter(server, server.word(), "who will leave")
    stalled = enter(server, server.word(), "who reads slowly", will_stall=True)
    hearer = enter(server, cy, "who stays")
    heard = []
    texts = say_until_stuck(server, ada, hearer, heard, speaker, leaves)
    leaves.close()
    newcomers = [server.connect(f"/ws/{name}", who="a newcomer") for name in (dan, eve)]
    word = server.word()
    speaker.send(word)
    # Who was slow reads again, or was sent away for it.
    stalled.hears(said(ada, word), [], among=is_speech, patience_s=2)
    expect_all_heard(server, ada, texts, word, speaker, hearer, heard)
    for newcomer in newcomers:
        say(server, ada, speaker, hearer, newcomer)


@points(2)
@hints(
    "Whom does a server ask first, if two of its routes match a path?",
    "Of two routes that match, the one declared first is taken. `work` is a fine user_id.",
    "Compare the order in which the two WebSocket routes are declared.",
)
def test_work_answers(server):
    """`/ws/work` answers each text by `Response`, `WORK_S` seconds later."""
    work_s = float(server.settings["WORK_S"])
    worker = server.connect("/ws/work", who="the worker")
    for _ in range(2):
        started = time.monotonic()
        worker.send(server.word())
        expect_response(server, worker)
        waited_s = time.monotonic() - started
        # Clocks differ a little, and some timers fire early.
        if waited_s < 0.8 * work_s:
            server.fail_as_answered(
                f"Response {work_s:g} s after the text (WORK_S)", f"it came after {waited_s:.2f} s"
            )


@points(2)
@needs("work_answers")
@hints(
    "What does your loop do once there will never be another text?",
    "An `except` that catches everything also catches that the client has gone, and that the handler is to end. "
    "The loop goes on for ever without a pause, and nobody else gets a turn.",
    "Catch only WebSocketDisconnect, and let it end the loop.",
)
def test_worker_leaves(server):
    """When workers leave, in whatever way, everybody else is served as before."""
    ada = server.word()
    ws = enter(server, ada, "Ada")
    for leave in ("close", "abort", "abort in the middle of the work"):
        worker = server.connect("/ws/work", who="the worker")
        if leave.endswith("work"):
            worker.send(server.word())
        getattr(worker, leave.partition(" ")[0])()
        for _ in range(3):
            say(server, ada, ws)
    enter(server, server.word(), "a newcomer")
    server.connect("/ws/work", who="the next worker")


@points(2)
@needs("work_answers")
@hints(
    "What can your server do for others while somebody's work is going on?",
    "A call that does not await stops the whole server while it lasts. Or the workers queue for something.",
    "Look up `asyncio.sleep`, and for real work `asyncio.to_thread`.",
)
def test_work_waits_alone(server):
    """While somebody waits for their work nobody else does: no chat, and no other worker."""
    ada, work_s = server.word(), float(server.settings["WORK_S"])
    ws = enter(server, ada, "Ada")
    for attempt in range(1, ATTEMPTS + 1):
        worker = server.connect("/ws/work", who="the worker")
        worker.send(server.word())
        for _ in range(3):
            # Only the first exchange can come before the server has looked at the work.
            say(server, ada, ws)
        if not has_response(worker):
            break
        if attempt == ATTEMPTS:
            server.fail_as_answered(
                "Ada's words come back while the worker waits for the Response",
                f"they came back only after it, {ATTEMPTS} times out of {ATTEMPTS}",
            )
    workers = [server.connect("/ws/work", who=f"worker {number}") for number in range(1, 5)]
    for _ in range(ATTEMPTS - 1):
        started = time.monotonic()
        for worker in workers:
            worker.send(server.word())
        for worker in workers:
            expect_response(server, worker)
        waited_s = time.monotonic() - started
        if waited_s < 3 * work_s:
            return
    server.fail_as_answered(
        f"{len(workers)} workers at once get their Response after {work_s:g} s (WORK_S)",
        f"it took {waited_s:.1f} s until all had it, as if one worked after the other",
    )


@points(2)
@needs(
    "joined_once",
    "left_told",
    "newer_stays",
    "nobody_missed",
    "work_answers",
    "worker_leaves",
    "work_waits_alone",
)
@hints(
    "Does every message still have all of its fields?",
    "While you mended the faults, a field got lost, or its value changed.",
    "Compare your messages with those in task.md, letter by letter, and with the starter.",
)
def test_all_fields(server):
    """Each message has its `sender`, `message`, `timestamp` and `emoji`."""
    ada, ben = server.word(), server.word()
    first = server.connect(f"/ws/{ada}", who="Ada")
    first.expect_json({**joined(ada), "timestamp": CLOCK}, among=is_chat)
    second = server.connect(f"/ws/{ben}", who="Ben")
    for ws in (first, second):
        ws.expect_json({**joined(ben), "timestamp": CLOCK}, among=is_chat)
    word = server.word()
    second.send(word)
    for ws in (first, second):
        ws.expect_json({**said(ben, word), "timestamp": CLOCK}, among=is_chat)
    second.close()
    first.expect_json({**left(ben), "timestamp": CLOCK}, among=is_chat)


@points(2)
@needs(
    "joined_once",
    "left_told",
    "newer_stays",
    "nobody_missed",
    "work_answers",
    "worker_leaves",
    "work_waits_alone",
)
@hints(
    "Is what everybody hears letter by letter what was said?",
    "While you mended the faults, texts began to be changed, dropped or read as something else.",
    "Whatever text came goes into the field `message` as it is, also an empty one.",
)
def test_untouched(server):
    """Everyone, the sender too, hears every text once, untouched and in order."""
    names = [server.word() for _ in range(3)]
    people = [enter(server, name) for name in names]
    texts = [
        server.phrase(),
        "",
        f"  {server.word().upper()} ",
        "{",
        f"[{server.random.randrange(9)}]",
        "null",
        "a\nb",
    ]
    texts += [f"{number} {server.word()}" for number in range(20)]
    people[0].send(*texts)
    for ws in people:
        for text in texts:
            ws.expect_json(said(names[0], text), among=is_speech)


@points(2)
@needs(
    "joined_once",
    "left_told",
    "newer_stays",
    "nobody_missed",
    "work_answers",
    "worker_leaves",
    "work_waits_alone",
)
@hints(
    "Whose error is it if a message cannot be sent to somebody who has just gone?",
    "The error of one ends the loop over all the others, or the handler of the one who speaks.",
    "Catch what sending can raise for each client apart, inside of the loop.",
)
def test_vanishes_meanwhile(server):
    """One who vanishes while texts are on their way costs nobody a text, and nobody the connection."""
    ada = server.word()
    speaker = enter(server, ada, "Ada")
    vanishes = enter(server, server.word(), "who will vanish", will_stall=True)
    hearer = enter(server, server.word(), "who stays")
    heard = []
    texts = say_until_stuck(server, ada, hearer, heard, speaker)
    vanishes.abort()
    word = server.word()
    speaker.send(word)
    expect_all_heard(server, ada, texts, word, speaker, hearer, heard)
    say(server, ada, speaker, hearer)


def say_until_stuck(server, user, hearer, heard, speaker, *readers):
    """Speak at length until the hearer gets no more, because the server is stuck with one who does not read."""
    texts = []
    for number in range(10):
        texts.append(f"{number} {server.word()} " + "é" * 15_000)
        speaker.send(texts[-1])
        is_through = hearer.hears(said(user, texts[-1]), heard, among=is_speech, patience_s=PATIENCE_S)
        # The others read as well: nobody but the stalled one may be a reason to wait.
        for ws in (speaker, *readers):
            ws.hears(said(user, texts[-1]), [], patience_s=PATIENCE_S if is_through else 0)
        if not is_through:
            break
    return texts


def expect_all_heard(server, user, texts, word, speaker, hearer, heard):
    """Require that the hearer got all texts by the time that a word comes which was said after them."""
    speaker.collect_json(until=said(user, word), among=is_speech)
    heard += hearer.collect_json(until=said(user, word), among=is_speech)
    words = [message_of(saying) for saying in heard]
    missing = [text for text in texts if text not in words]
    if missing:
        server.fail_as_answered(
            f"all {len(texts)} texts for the one who stays",
            f"{len(missing)} of them never came, though Ada's next one did",
        )


def expect_response(server, worker):
    while (message := worker.receive(expected='"Response"')) != "Response":
        if not is_of_another_type(message):
            server.fail_as_answered('"Response"', repr(message))


def has_response(worker):
    """Tell whether the Response has come, without waiting for it."""
    return worker.has_come("Response")


def is_of_another_type(message):
    try:
        value = json.loads(message)
    except ValueError:
        return False
    return not is_chat(value)
