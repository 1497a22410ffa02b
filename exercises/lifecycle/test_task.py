"""The graded checks of `lifecycle`: `labkit check lifecycle`, or `pytest exercises/lifecycle --solution FILE`.

Each check talks to the running solution from outside and reads its logbook. Any server passes that does what
task.md says, whatever it looks like inside. Other fields and other kinds of events are free.
"""

import pytest

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints

KINDS = ("connected", "received", "disconnected")


def answer_to(text):
    return f"Server received: {text} ✨"


def connected(client_id):
    return {"event": "connected", "client_id": client_id}


def received(client_id, message):
    return {"event": "received", "client_id": client_id, "message": message}


def disconnected(client_id, code):
    return {"event": "disconnected", "client_id": client_id, "code": code}


def logbook(server, *client_ids, kinds=KINDS):
    """Return what /events tells of some clients, oldest first."""
    events = server.get_json("/events", like=[{"event": str}])
    return [event for event in events if event["event"] in kinds and event.get("client_id") in client_ids]


def expect_logbook(server, *story, kinds=KINDS):
    """Wait until /events tells just this story of its clients, in this order."""
    clients = {event["client_id"] for event in story}
    server.wait_until(lambda: logbook(server, *clients, kinds=kinds), like=story)


def exchange(server, ws):
    """Send a text and require its answer; return the text."""
    word = server.word()
    ws.send(word)
    ws.expect_text(answer_to(word))
    return word


@points(2)
@hints(
    "What must happen at /ws/ada before a text can arrive?",
    "The path holds the client's id. A handler that does not accept, or that waits elsewhere, is never reached.",
    "Look up path parameters in FastAPI, `accept()`, `receive_text()` and `send_text()`.",
)
def test_reply(server):
    """A text `T` is answered by `Server received: T ✨`."""
    exchange(server, server.connect(f"/ws/{server.word()}"))


@points(1)
@needs("reply")
@hints(
    "How many texts may one client send?",
    "The handler answers once and returns, or it answers something else than the very text that came.",
    "Look up a loop around receive and send, and compare letter by letter.",
)
def test_every_reply(server):
    """Every text is answered, untouched and in order."""
    ws = server.connect(f"/ws/{server.word()}")
    texts = [server.phrase(), "", f"  {server.word()} ", *[server.word() for _ in range(20)]]
    ws.send(*texts)
    for text in texts:
        ws.expect_text(answer_to(text))


@points(1)
@needs("reply")
@hints(
    "What does a program that reads /events expect to find there?",
    "GET /events answers with something else than a JSON list of objects, or their fields have other names.",
    "In FastAPI, a route that returns a list of dicts answers with just that; compare its fields with task.md.",
)
def test_events_is_a_list(server):
    """`GET /events` answers with a JSON list of events, each with its `client_id`."""
    events = server.get_json("/events", like=[{"event": str}])
    known = [event for event in events if event["event"] in KINDS]
    server.expect(known, like=[{"event": str, "client_id": str}])


@points(2)
@needs("events_is_a_list")
@hints(
    "When does the phase `connected` begin?",
    "The event is not noted, noted only later, or its names differ from those in the task.",
    'Append {"event": "connected", "client_id": …} right after `await websocket.accept()`.',
)
def test_connected(server):
    """A client that has connected is in the list before it has sent anything."""
    ada = server.word()
    server.connect(f"/ws/{ada}")
    expect_logbook(server, connected(ada))


@points(2)
@needs("events_is_a_list")
@hints(
    "Which of the texts that came would you find again in your list?",
    "A received text is not noted, or not as it came: the answer is noted instead of the text, or each text only once.",
    'Append {"event": "received", "client_id": …, "message": …} once for each text.',
)
def test_received(server):
    """Each text that came is in the list with its `message`, however often it came."""
    ada, word = server.word(), server.phrase()
    ws = server.connect(f"/ws/{ada}")
    ws.send(word, word)
    ws.expect_text(answer_to(word))
    ws.expect_text(answer_to(word))
    expect_logbook(server, received(ada, word), received(ada, word), kinds=("received",))


@points(2)
@needs("connected")
@hints(
    "How does your handler learn that the client has gone?",
    "receive_text() raises at the end. What stands after the loop is never reached, or the code is no number.",
    "Look up WebSocketDisconnect and its `code`, and where `finally:` is executed.",
)
def test_disconnected(server):
    """A client that closes is noted as `disconnected`, with code 1000."""
    ada = server.word()
    server.connect(f"/ws/{ada}").close(1000)
    expect_logbook(server, disconnected(ada, 1000), kinds=("disconnected",))


@points(2)
@needs("disconnected")
@hints(
    "Which number did the client send as it left, and which one did you write down?",
    "The code is written as a constant, or only some codes are let through.",
    "The exception carries the code that the client sent: `gone.code`. Note it as it is.",
)
def test_close_code(server):
    """The `code` is the one that the client sent: 1001, or one of its own such as 4321."""
    for code in (1001, server.random.randrange(4000, 5000)):
        ada = server.word()
        server.connect(f"/ws/{ada}").close(code)
        expect_logbook(server, disconnected(ada, code), kinds=("disconnected",))


@points(2)
@needs("disconnected")
@hints(
    "What does your server write down for a phone that has lost its network?",
    "A cut connection has no close frame. Whoever notes only polite goodbyes misses it, as does a handler that fails "
    "as it tries to say goodbye itself.",
    "Note the end in one place that every way out passes, and take the code from the exception.",
)
def test_cut_connection(server):
    """A connection that is cut is noted as `disconnected`, with code 1005 or 1006."""
    ada = server.word()
    ws = server.connect(f"/ws/{ada}")
    exchange(server, ws)
    ws.abort()
    expect_logbook(server, disconnected(ada, {1005, 1006}), kinds=("disconnected",))


@points(1)
@needs("received")
@hints(
    "How does your handler know who is speaking?",
    "A variable outside of the handler is shared by all connections, so one client is taken for another.",
    "Use the `websocket` and the `client_id` that the handler got as its arguments.",
)
def test_clients_kept_apart(server):
    """Two clients at once get their own answers, and are noted under their own names."""
    ada, ben = server.word(), server.word()
    first, second = server.connect(f"/ws/{ada}", who="Ada"), server.connect(f"/ws/{ben}", who="Ben")
    from_ada = exchange(server, first)
    from_ben = server.word()
    second.expect_silence(probe=from_ben, answer=answer_to(from_ben))
    for client_id, word in ((ada, from_ada), (ben, from_ben)):
        expect_logbook(server, received(client_id, word), kinds=("received",))


@points(2)
@needs("received", "disconnected")
@hints(
    "If you read your list from its top, do you read the story as it happened?",
    "New events are put at the top, or the list is sorted or grouped by something.",
    "`append` puts an event at the end; return the list as it is.",
)
def test_oldest_first(server):
    """The list tells the stories of two clients in the order in which they happened."""
    ada, ben = server.word(), server.word()
    story = []
    first = server.connect(f"/ws/{ada}", who="Ada")
    story += [connected(ada), received(ada, exchange(server, first))]
    expect_logbook(server, *story)
    second = server.connect(f"/ws/{ben}", who="Ben")
    story += [connected(ben), received(ben, exchange(server, second))]
    expect_logbook(server, *story)
    first.close()
    story.append(disconnected(ada, 1000))
    expect_logbook(server, *story)
    second.close()
    expect_logbook(server, *story, disconnected(ben, 1000))


@points(2)
@needs("disconnected")
@hints(
    "Can one person have your page open in two tabs?",
    "A dict with client_id as its key holds one connection for each id: the second replaces the first, or is refused.",
    "Keep what belongs to one connection in variables of its handler.",
)
def test_same_id_twice(server):
    """Two connections with one `client_id` live side by side, each with its own events."""
    ada = server.word()
    phone, laptop = (
        server.connect(f"/ws/{ada}", who="Ada's phone"),
        server.connect(f"/ws/{ada}", who="Ada's laptop"),
    )
    exchange(server, phone)
    exchange(server, laptop)
    expect_logbook(server, connected(ada), connected(ada), kinds=("connected",))
    phone.close(1000)
    expect_logbook(server, disconnected(ada, 1000), kinds=("disconnected",))
    exchange(server, laptop)
    laptop.close(1000)
    expect_logbook(server, disconnected(ada, 1000), disconnected(ada, 1000), kinds=("disconnected",))


@points(1)
@needs("cut_connection")
@hints(
    "What does your handler do at the moment when a phone loses its network in the middle of your answers?",
    "It may be sending, not receiving: send_text() raises WebSocketDisconnect too, and where that is not caught "
    "nothing is written down.",
    "See that what notes the end encloses all of the loop, `send_text()` too.",
)
def test_vanishes_busy(server):
    """A client that is cut off in the middle of its answers is noted as `disconnected` too."""
    ada = server.word()
    ws = server.connect(f"/ws/{ada}")
    exchange(server, ws)
    ws.send_unread(*["x" * 60_000] * 30)
    ws.abort()
    expect_logbook(server, disconnected(ada, {1005, 1006}), kinds=("disconnected",))
