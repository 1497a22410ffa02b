"""The graded checks of `dashboard`: `labkit check dashboard`, or `pytest exercises/dashboard --solution FILE`.

Each check watches the running solution from outside. Any server passes that does what task.md says, whatever
it looks like inside; other fields and other kinds of messages are free, and so is when the first one comes.
"""

import json
import time
from datetime import datetime

import pytest

from labkit.grader.failures import WrongAnswer
from labkit.grader.pattern import Where

points, needs, hints = pytest.mark.points, pytest.mark.needs, pytest.mark.hints

PATH = "/ws/dashboard"
STATS = {"viewers": int, "ticks": int}

STEPS = 4
PATIENCE_S = 6.0


def is_iso_8601_with_offset(value):
    try:
        return datetime.fromisoformat(value).utcoffset() is not None
    except (TypeError, ValueError):
        return False


PERCENT = Where("a number from 0 to 100", lambda value: type(value) in (int, float) and 0 <= value <= 100)
COUNT = Where("a whole number, 0 or more", lambda value: type(value) is int and value >= 0)
MOMENT = Where(
    "a time in ISO 8601 with its offset, such as 2026-01-31T14:05:09+01:00", is_iso_8601_with_offset
)
METRICS = {
    "timestamp": str,
    "cpu": PERCENT,
    "memory": PERCENT,
    "requests_per_second": COUNT,
    "active_users": COUNT,
    "emoji_mood": {"😊", "🚀", "💪", "🎯"},
}


def is_metrics(message):
    """Tell whether this is meant as the message of a tick: further kinds of messages are free."""
    return not isinstance(message, dict) or len(METRICS.keys() & message.keys()) > 1


def watch(server, who=""):
    """Connect a viewer who is certainly watching: a first message has come."""
    viewer = server.connect(PATH, who=who)
    next_of(viewer)
    return viewer


def next_of(viewer):
    return viewer.expect_json(METRICS, among=is_metrics)


def interval_s(server):
    return float(server.settings["DASHBOARD_INTERVAL_S"])


def stats(server):
    return server.get_json("/stats", like=STATS)


def expect_viewers(server, number):
    server.wait_until(
        lambda: stats(server)["viewers"], number, expected=f"GET /stats counts {number} viewers"
    )


def expect_pace(server, viewer, when=""):
    """Require that messages come at the interval. A busy machine disturbs a measurement, so a few are tried."""
    right_s = STEPS * interval_s(server)
    started = before = time.monotonic()
    seen_s = []
    good = 0
    while before - started < PATIENCE_S:
        for _ in range(STEPS):
            next_of(viewer)
        now = time.monotonic()
        seen_s.append(now - before)
        before = now
        good = good + 1 if 0.7 * right_s < seen_s[-1] < 3 * right_s else 0
        if good == 2:
            return
    raise WrongAnswer(
        expected=f"a message every {interval_s(server):g} s{when}: {STEPS} of them take about {right_s:g} s",
        observed=f"{STEPS} of them took {', '.join(f'{seconds:.2f}' for seconds in seen_s[-5:])} s",
    )


@points(3)
@hints(
    "What does a viewer have to do before the first message comes?",
    "Nothing is sent until the viewer speaks, or a field is missing, has another name or another type: a count with a "
    "decimal point, a number in quotes, a share of 1 instead of 100.",
    "Compare your message field by field with task.md; look up `round()` and `int()`.",
)
def test_metrics(server):
    """A viewer gets messages with the six fields, each in its type and range."""
    viewer = server.connect(PATH)
    for _ in range(4):
        next_of(viewer)


@points(1)
@needs("metrics")
@hints(
    "Your last viewer leaves, and a minute later another one comes. Who starts the producer?",
    "It has ended, and what says that it runs was not taken back; or it has died of an error as somebody left.",
    "Look up `task.done()`, and ask it whenever somebody comes.",
)
def test_comes_back(server):
    """A viewer who comes after all others have left gets messages again."""
    watch(server).close()
    time.sleep(3 * interval_s(server))
    viewer = server.connect(PATH)
    for _ in range(3):
        next_of(viewer)


@points(1)
@needs("metrics")
@hints(
    "Would somebody on another continent know what moment your timestamp means?",
    "The time has no offset from UTC, or is in another form than ISO 8601.",
    "Look up `datetime.astimezone()` or `timezone.utc`, and `isoformat()`.",
)
def test_timestamp(server):
    """The `timestamp` is ISO 8601 with an offset."""
    viewer = server.connect(PATH)
    viewer.expect_json({"timestamp": MOMENT}, among=is_metrics)


@points(2)
@needs("metrics", "comes_back")
@hints(
    "How does your server learn at which interval it is to send?",
    "The interval is written into the code, or is read in another unit, or only one message is sent.",
    "Look up `os.environ.get`, and turn the text into a float.",
)
def test_interval(server):
    """A message comes every `DASHBOARD_INTERVAL_S` seconds."""
    # What is left of the checks before has time to end: how that goes is for another check.
    time.sleep(3 * interval_s(server))
    expect_pace(server, watch(server))


@points(2)
@needs("metrics")
@hints(
    "Which viewers does your server still count after their connection was cut?",
    "/stats is missing, or its fields have other names, or who has left is still counted.",
    "Look up `finally:`, and take the viewer out there; count what is left.",
)
def test_viewers(server):
    """`GET /stats` says how many viewers are connected, also after some have left."""
    expect_viewers(server, 0)
    viewers = [watch(server, who) for who in ("Ada", "Ben", "Cleo")]
    expect_viewers(server, 3)
    viewers[0].close()
    expect_viewers(server, 2)
    viewers[1].abort()
    expect_viewers(server, 1)
    next_of(viewers[2])


@points(2)
@needs("viewers")
@hints(
    "If three people watch one tick, how many messages were produced?",
    "The counter goes up for each delivery or for each viewer, or it starts again, or it counts something else.",
    "Add 1 in the place where the message is made, not where it is sent.",
)
def test_ticks(server):
    """`ticks` counts the messages produced, however many watch."""
    viewers = [watch(server, who) for who in ("Ada", "Ben", "Cleo")]
    first = Count(server, viewers[0])
    for _ in range(6):
        first.take_one()
    last = Count(server, viewers[0], first.received)
    # What came before the question is counted for certain, what came after it is perhaps.
    least, most = last.before - first.after - 1, last.after - first.before + 1
    produced = last.ticks - first.ticks
    server.expect(
        produced,
        Where(f"{least} to {most}", lambda number: least <= number <= most),
        expected=f"ticks grows by as many as each viewer got, here by {least} to {most}",
    )


class Count:
    """What /stats said, and how many messages a viewer had before and after it was asked."""

    def __init__(self, server, viewer, received=0):
        self.viewer = viewer
        self.received = self.before = received
        self.ticks = stats(server)["ticks"]
        come = []
        viewer.hears(until=Where("no end", lambda message: False), heard=come, among=is_metrics)
        self.received += len(come)
        self.after = self.received

    def take_one(self):
        next_of(self.viewer)
        self.received += 1


@points(2)
@needs("metrics")
@hints(
    "If two people compare their screens, do they see the same figures?",
    "Each handler makes its own figures, so everybody sees others; or something personal is put into the message.",
    "Let one task make one message at each tick and give it to all.",
)
def test_same_for_all(server):
    """Every viewer who is connected at a tick gets the identical message."""
    ada, ben = watch(server, "Ada"), watch(server, "Ben")
    # Her first message may be older than she is: a server may greet a newcomer with what it sent last.
    cleo = watch(server, "Cleo")
    told = [next_of(cleo) for _ in range(4)]
    for viewer in (ada, ben):
        seen = []
        # A run, for two ticks of one second may look the same.
        while seen[-len(told) :] != told:
            if len(seen) == 40:
                raise WrongAnswer(
                    expected=f"what Cleo got: {json.dumps(told, ensure_ascii=False)[:1000]}",
                    observed=json.dumps(seen[-len(told) :], ensure_ascii=False)[:1000],
                )
            seen.append(next_of(viewer))


@points(2)
@needs("viewers")
@hints(
    "What does your server do at night, when nobody looks at it?",
    "The producer goes on although there is nobody to send to.",
    "Let it end when the last viewer has gone, or wait until somebody comes, before it makes a message.",
)
def test_nobody_watches(server):
    """Nothing is produced while nobody watches."""
    watch(server).close()
    watch(server).abort()
    expect_viewers(server, 0)
    before = stats(server)["ticks"]
    time.sleep(STEPS * interval_s(server))
    produced = stats(server)["ticks"] - before
    # One may have been under way as the last viewer left.
    server.expect(produced, {0, 1}, expected="ticks stands still while there is no viewer")


@points(2)
@needs("interval", "viewers")
@hints(
    "If the last viewer leaves and another comes before the next tick, how many producers are there?",
    "The old one is still asleep, a new one is started, and then both go on. Or it dies of a list that changes "
    "while it goes through it.",
    "Keep the task in one place, start one only if there is none that runs, and send to a copy of the collection.",
)
def test_coming_and_going(server):
    """A hundred viewers who come and go at once leave one producer, not two and not none."""
    for number in range(100):
        viewer = server.connect(PATH)
        if number % 2:
            viewer.close()
        else:
            viewer.abort()
    viewer = watch(server, "who stays")
    expect_viewers(server, 1)
    expect_pace(server, viewer, when=" after a hundred viewers have come and gone")


@points(1)
@needs("metrics", "comes_back")
@hints(
    "What may a viewer's text change on the dashboard?",
    "Something is done with what comes: it is parsed, answered, passed on, or ends the connection.",
    "Receive, and do nothing with it.",
)
def test_input_ignored(server):
    """Whatever a viewer sends is ignored: nobody gets anything of it, and the messages go on."""
    ada, ben = watch(server, "Ada"), watch(server, "Ben")
    forged = {"timestamp": server.word(), "cpu": 1000, "memory": -1, "emoji_mood": "😈"}
    ada.send(server.phrase(), "", "stop", json.dumps({"type": server.word()}), json.dumps(forged), "[1, 2")
    for _ in range(3):
        next_of(ada)
        next_of(ben)
    ada.send(server.word())
    next_of(ada)


@points(2)
@needs("input_ignored")
@hints(
    "Who reads what a viewer sends, if your handler only ever sends?",
    "Nobody. After the first unread message the server reads nothing more of this connection: no pong, no goodbye. "
    "Then it takes a healthy viewer for dead.",
    "Keep a receive pending on every connection: the sending is the producer's work, the handler can read in a loop.",
)
def test_keeps_reading(server):
    """A viewer who sends much still gets an answer to every ping."""
    viewer = watch(server)
    viewer.ping()
    for texts in ([server.word()], [server.phrase() for _ in range(200)]):
        viewer.send(*texts)
        next_of(viewer)
        next_of(viewer)
        viewer.ping()
