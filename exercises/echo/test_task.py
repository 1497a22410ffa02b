"""The graded checks of `echo`: `labkit check echo`, or `pytest exercises/echo --solution FILE`.

Each check talks to the running solution from outside, as a browser does. Any server passes that does what
task.md says, whatever it looks like inside.
"""

import pytest

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints


def echo_of(text):
    return f"Echo: {text} 🔊"


@points(2)
@hints(
    "Who has to speak first once a browser knocks at /ws: the browser or your handler?",
    "A handler that ends, or waits for a text, before it has accepted the connection refuses it.",
    "Look up `await websocket.accept()` and `await websocket.receive_text()`, and the path in `@app.websocket(...)`.",
)
def test_one_reply(server):
    """A text `T` is answered by `Echo: T 🔊`."""
    word = server.word()
    ws = server.connect("/ws")
    ws.send(word)
    ws.expect_text(echo_of(word))


@points(2)
@needs("one_reply")
@hints(
    "How often does your handler receive, and how often does a client send?",
    "A handler that receives once, answers once and returns ends the connection there. One that answers in "
    "tasks of their own loses the order.",
    "Look up `async for text in websocket.iter_text()`, or a `while True:` around receive and send.",
)
def test_every_reply_in_order(server):
    """Fifty texts sent at once are answered one by one, in their order."""
    words = [f"{number} {server.word()}" for number in range(50)]
    ws = server.connect("/ws")
    ws.send(*words)
    for word in words:
        ws.expect_text(echo_of(word))


@points(1)
@needs("one_reply")
@hints(
    "Is the text that you send back letter by letter the one that came?",
    "Something tidies the text up on its way: strip(), lower(), title() or splitting at line ends.",
    "Look at everything between `receive_text()` and `send_text()` in your handler.",
)
def test_text_untouched(server):
    """Spaces, capitals and line ends of a text come back as they were."""
    ws = server.connect("/ws")
    for text in (
        f"  {server.word()} ",
        f"{server.word().upper()} AND {server.word()}",
        f"{server.word()}\n{server.word()}\n",
    ):
        ws.send(text)
        ws.expect_text(echo_of(text))


@points(1)
@needs("one_reply")
@hints(
    "What does your handler do with a text of no letters at all?",
    'An empty text is false in Python: `if text:` and `while text := …` take it for "nothing came".',
    "Compare with `is None`, or do not compare at all: receive_text() always returns a text.",
)
def test_empty_text(server):
    """An empty text gets its reply too."""
    word = server.word()
    ws = server.connect("/ws")
    ws.send("", word)
    ws.expect_text(echo_of(""))
    ws.expect_text(echo_of(word))


@points(1)
@needs("one_reply")
@hints(
    "Would your handler pass on a text in Japanese, or a fox?",
    "Text is changed where it is encoded, normalised or filtered by alphabet.",
    "Look for `.encode(`, `unicodedata`, `isascii()` or `isalnum()` in your code: a text frame needs none of them.",
)
def test_any_alphabet(server):
    """Emoji, accents and any alphabet come back unchanged."""
    ws = server.connect("/ws")
    for text in (f"Grüße 🦊 {server.word()}", "e\u0301 is not \u00e9", "👩‍👩‍👧‍👦 🏳️‍🌈", server.phrase()):
        ws.send(text)
        ws.expect_text(echo_of(text))


@points(1)
@needs("one_reply")
@hints(
    "Does your handler put a limit to the length of a text?",
    "A text is cut or refused below the 64 KiB that a message may have.",
    "Look for slices such as `text[:1000]` and for comparisons with `len(text)`.",
)
def test_long_text(server):
    """A text of 60 000 characters comes back whole."""
    text = f"a{''.join(server.random.choices('abcdefghij ', k=59_998))}z"
    ws = server.connect("/ws")
    ws.send(text)
    ws.expect_text(echo_of(text))


@points(2)
@needs("one_reply")
@hints(
    "If two people talk to your server, how does it know whom to answer?",
    "A variable outside of the handler is shared by all connections. The last one to connect wins it.",
    "Answer on the `websocket` that your handler got as its argument.",
)
def test_own_replies_only(server):
    """Two clients at once each get their own replies and nothing else."""
    ada, ben = server.connect("/ws", who="Ada"), server.connect("/ws", who="Ben")
    for _ in range(3):
        from_ada, from_ben = server.word(), server.word()
        ada.send(from_ada)
        ada.expect_text(echo_of(from_ada))
        ben.expect_silence(probe=from_ben, answer=echo_of(from_ben))


@points(1)
@needs("one_reply")
@hints(
    "What does everybody else do while your handler waits for one client?",
    "Something makes the connections queue, or puts a limit to them: a lock or a semaphore around a whole "
    "conversation, or one task that serves them in turn.",
    "Look for `Lock`, `Semaphore` and counters; a handler of its own for each connection needs none of them.",
)
def test_many_at_once(server):
    """Twenty clients at once are all served, while another one stays silent."""
    server.connect("/ws", who="the silent one")
    clients = [server.connect("/ws", who=f"client {number}") for number in range(1, 21)]
    words = [server.word() for _ in clients]
    for client, word in zip(clients, words, strict=True):
        client.send(word)
    for client, word in zip(clients, words, strict=True):
        client.expect_text(echo_of(word))


@points(3)
@needs("one_reply")
@hints(
    "What does receive_text() do when there will never be another text?",
    "It raises WebSocketDisconnect. Nobody catches it, so the server writes a traceback for every client that leaves. "
    "Or something is still sent, or closed again, after the client has gone.",
    "Look up `except WebSocketDisconnect:` around the loop.",
)
def test_leaves_quietly(server):
    """A client that closes, whatever its code, leaves no traceback in the server's log."""
    for code in (1000, 1001, None, server.random.randrange(4000, 5000)):
        word = server.word()
        ws = server.connect("/ws")
        ws.send(word)
        ws.expect_text(echo_of(word))
        ws.close(code)
        expect_two_exchanges(server)
        server.expect_no_traceback(after=f"after a client has closed with {code or 'no code'}")


@points(3)
@needs("leaves_quietly")
@hints(
    "Does everybody who leaves wait for their replies first?",
    "A connection can be cut while your handler is sending. Then it is send_text() that raises WebSocketDisconnect, "
    "and iter_text() does not catch that: it only guards the receiving.",
    "See that `try:` … `except WebSocketDisconnect:` encloses the whole loop, sending included, and that nothing is "
    "sent in `except` or `finally`.",
)
def test_vanishes_quietly(server):
    """A client that vanishes, even with unread replies, leaves no traceback and disturbs nobody."""
    stays = server.connect("/ws", who="who stays")
    for unread in ([], ["x" * 60_000] * 30):
        vanishing = server.connect("/ws", who="who vanishes")
        word = server.word()
        vanishing.send(word)
        vanishing.expect_text(echo_of(word))
        if unread:
            vanishing.send_unread(*unread)
        vanishing.abort()
        word = server.word()
        stays.send(word)
        stays.expect_text(echo_of(word))
        expect_two_exchanges(server)
        server.expect_no_traceback(
            after=f"after a client has vanished{' with unread replies' if unread else ''}"
        )


@points(1)
@hints(
    "What does a visitor need on the page to send a text?",
    "GET / answers with something that is no HTML page, or the page lacks something to type into or to press.",
    "Look up `HTMLResponse`, `<input>`, `<button>` and `<ul>`.",
)
def test_page(server):
    """`GET /` shows an HTML page with an input, a button and a list of replies."""
    page = server.get_page("/")
    page.expect_element("something to type into", "input", "textarea", "contenteditable")
    page.expect_element("something to press", "button", "input:submit", "input:button", "input:image")
    page.expect_element(
        "a place for replies",
        "ul",
        "ol",
        "dl",
        "div",
        "section",
        "main",
        "output",
        "pre",
        "p",
        "table",
        "textarea",
    )


@points(2)
@needs("page")
@hints(
    "Would the page still find your server if a friend opened it from another computer?",
    "Its script names a host, a port, a scheme or a path from the root, which are right only on your machine.",
    "Look up `new URL('ws', document.baseURI)`, and how to turn http into ws and https into wss in it.",
)
def test_page_finds_its_server(server):
    """The page opens its WebSocket relative to its own address."""
    server.expect_websocket_at_own_address(server.get_page("/"), "/ws")


def expect_two_exchanges(server):
    """Talk twice on new connections: whatever the server still had to do for others, it has done by then."""
    for _ in range(2):
        word = server.word()
        ws = server.connect("/ws", who="somebody else")
        ws.send(word)
        ws.expect_text(echo_of(word))
