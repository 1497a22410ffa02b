"""The pure parts, without a loop: values in, values out."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import labkit.hub
from labkit.hub import RELIABLE, VOLATILE, Limits, Position, Rate, Refused, close_codes, latest, limits
from labkit.hub.bucket import Bucket
from labkit.hub.close_codes import clip_reason, comes_back
from labkit.hub.deadlines import Deadlines
from labkit.hub.heartbeat import Beat, Heartbeat
from labkit.hub.history import History
from labkit.hub.logins import displaced
from labkit.hub.moderation import OPEN, Moderation
from labkit.hub.outbox import Joiner, Outbox, Put
from labkit.hub.parcel import Parcel, numbered, to_json
from labkit.hub.presence import Exit, Presence
from labkit.hub.typists import Typists

PURE = [
    "bucket",
    "close_codes",
    "counters",
    "deadlines",
    "heartbeat",
    "history",
    "limits",
    "logins",
    "moderation",
    "outbox",
    "parcel",
    "presence",
    "refusal",
    "typists",
]


@pytest.mark.parametrize("module", PURE)
def test_a_decision_is_made_without_asyncio_and_without_reading_a_clock(module):
    source = (Path(labkit.hub.__file__).parent / f"{module}.py").read_text()
    for name in ("asyncio", "time", "random"):
        assert f"import {name}" not in source
        assert f"from {name}" not in source


def test_the_hub_imports_no_web_framework():
    names = ("fastapi", "starlette", "uvicorn", "pydantic")
    code = f"import sys, labkit.hub; print([m for m in {names} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert out.stdout.strip() == "[]"


def test_each_limit_of_a_hub_is_the_constant_of_its_name():
    defaults = Limits()
    for name in Limits.__dataclass_fields__:
        assert getattr(defaults, name) == getattr(limits, name.upper())


def test_limits_are_those_of_the_design():
    assert (limits.MAX_MESSAGE_BYTES, limits.OUTBOX_MAX_BYTES, limits.OUTBOX_MAX_MESSAGES) == (
        65_536,
        1_048_576,
        256,
    )
    assert (limits.WRITE_TIMEOUT_S, limits.APP_PING_S, limits.AUTH_TIMEOUT_S, limits.DRAIN_S) == (
        5,
        25,
        10,
        5,
    )
    assert (limits.HISTORY_MAX_MESSAGES, limits.HISTORY_TTL_S) == (100, 300)
    assert Rate(20, 40) == limits.MESSAGE_RATE
    assert Rate(60, 120) == limits.DRAWING_RATE
    assert (limits.CURSOR_RATE.per_s, limits.CURSOR_RATE.silent) == (30, True)
    assert (limits.MAX_CONNECTIONS, limits.CONNECTIONS_PER_USER, limits.ROOMS_PER_CONNECTION) == (
        2_000,
        8,
        64,
    )
    assert (limits.ROOM_NAME_MAX_CHARS, limits.TEXT_MAX_CHARS, limits.UNDO_DEPTH) == (64, 16_000, 100)
    assert (limits.STROKE_MAX_POINTS, limits.BOARD_MAX_ITEMS) == (5_000, 5_000)


# Close codes


@pytest.mark.parametrize(
    ("code", "back"),
    [
        *[(1000, False), (1001, True), (1006, True), (1008, False), (1011, True), (1012, True), (1013, True)],
        *[(4000, True), (4499, True), (4500, False), (4999, False)],
    ],
)
def test_a_close_code_says_whether_to_come_back(code, back):
    assert comes_back(code) is back


def test_our_own_codes_say_what_they_mean():
    again = {close_codes.SLOW, close_codes.SILENT, close_codes.LOCKED, close_codes.TOO_FAST}
    never = {close_codes.KICKED, close_codes.REPLACED, close_codes.NOT_ALLOWED, close_codes.PROTOCOL_ERRORS}
    assert all(map(comes_back, again))
    assert not any(map(comes_back, never))


@pytest.mark.parametrize("reason", ["", "short", "x" * 124, "é" * 62, "💬" * 31, "\ud800" * 200])
def test_a_reason_fits_its_frame_and_stays_text(reason):
    clipped = clip_reason(reason)
    assert len(clipped.encode()) <= 123
    assert reason.encode("utf-8", "replace").decode().startswith(clipped)


# Parcels


def test_a_message_becomes_compact_json_and_text_stays_as_it_is():
    assert to_json({"a": "ä", "b": [1]}) == '{"a":"ä","b":[1]}'
    assert to_json("hello") == "hello"
    assert to_json(b"\x00") == b"\x00"


def test_a_lone_surrogate_never_breaks_a_write():
    text = to_json({"a": "\ud800"})
    assert text == '{"a":"\\ud800"}'
    assert to_json("\ud800!") == "?!"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_does_not_have_is_refused(number):
    with pytest.raises(ValueError, match="Out of range"):
        to_json({"a": number})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"a":1}', '{"seq":7,"a":1}'),
        ("{}", '{"seq":7}'),
        ("{ }", '{"seq":7 }'),
        ("[1]", "[1]"),
        ("hello", "hello"),
        (b"{}", b"{}"),
    ],
)
def test_a_number_is_written_into_json_objects_only(data, expected):
    assert numbered(data, 7) == expected
    if isinstance(expected, str) and expected.startswith("{"):
        assert json.loads(expected)["seq"] == 7


# Outbox


def text(outbox, joiner=None):
    taken = []
    while outbox:
        taken.append(outbox.take(joiner))
    return taken


def test_the_newest_of_a_key_takes_the_place_of_the_one_before():
    outbox = Outbox(Limits())
    for data, delivery in [("1", RELIABLE), ("a1", latest("a")), ("2", RELIABLE), ("b1", latest("b"))]:
        assert outbox.put(Parcel(data, delivery)) is Put.WAITS
    assert outbox.put(Parcel("a2 longer", latest("a"))) is Put.REPLACED
    assert outbox.bytes == len("1" + "a2 longer" + "2" + "b1")
    assert text(outbox) == ["1", "a2 longer", "2", "b1"]
    assert (outbox.bytes, outbox.messages) == (0, 0)
    assert outbox.put(Parcel("a3", latest("a"))) is Put.WAITS


def test_a_volatile_message_is_for_those_who_keep_up():
    outbox = Outbox(Limits())
    assert outbox.put(Parcel("1", VOLATILE)) is Put.WAITS
    outbox.stalled = True
    assert outbox.put(Parcel("2", VOLATILE)) is Put.DROPPED
    assert outbox.put(Parcel("3", RELIABLE)) is Put.WAITS


def test_keys_are_bounded_too():
    outbox = Outbox(Limits(latest_max_keys=2))
    assert [outbox.put(Parcel("x", latest(str(n)))) for n in range(3)] == [Put.WAITS, Put.WAITS, Put.DROPPED]
    assert outbox.put(Parcel("y", latest("1"))) is Put.REPLACED


def test_a_frame_joins_texts_that_stay_apart():
    outbox = Outbox(Limits())
    for data in ["a", "b", b"binary", "c", "two\nlines", "d", "e"]:
        outbox.put(Parcel(data))
    outbox.put_free("f")
    assert text(outbox, Joiner()) == ["a\nb", b"binary", "c", "two\nlines", "d\ne\nf"]
    assert (outbox.bytes, outbox.messages) == (0, 0)


def test_a_frame_of_many_stays_within_its_bytes():
    outbox = Outbox(Limits())
    for _ in range(3):
        outbox.put(Parcel("x" * 30_000))
    assert [len(data) for data in text(outbox, Joiner())] == [60_001, 30_000]


# Presence and typing


def test_an_older_connections_clean_up_does_not_remove_the_newer():
    presence = Presence()
    assert presence.enter("ada", "old")
    assert not presence.enter("ada", "new")
    assert presence.exit("ada", "old", 0, 2) is Exit.STILL_HERE
    assert presence.exit("ada", "old", 0, 2) is Exit.UNKNOWN
    assert presence.exit("ada", "new", 0, 2) is Exit.AWAY
    assert not presence.expire("ada", 1.9)
    assert presence.expire("ada", 2.0)
    assert "ada" not in presence


def test_a_sign_of_typing_is_told_at_most_every_two_seconds():
    typists = Typists(ttl_s=5, min_interval_s=2)
    assert [typists.start("ada", now)[0] for now in (0, 1, 2, 3.9, 4)] == [True, False, True, False, True]
    assert not typists.expire("ada", 8.9)
    assert typists.expire("ada", 9)
    assert not typists.stop("ada")


# Time


def test_a_bucket_says_how_long_to_wait_and_keeps_its_word():
    bucket = Bucket(Rate(2, 1), now=0)
    assert bucket.take(0) == 0
    wait_s = bucket.take(0)
    assert wait_s == 0.5
    assert bucket.take(wait_s) == 0


def test_a_clock_that_steps_back_gives_nothing_away():
    bucket = Bucket(Rate(1, 1), now=100)
    assert bucket.take(100) == 0
    assert bucket.take(0) > 0
    assert bucket.take(50) > 0


def test_deadlines_come_in_order_and_a_moved_one_comes_once():
    deadlines = Deadlines()
    for key, when in [("a", 3), ("b", 1), ("c", 2), ("a", 5), ("d", 4)]:
        deadlines.set(key, when)
    deadlines.clear("c")
    assert deadlines.earliest() == 1
    assert deadlines.due(4) == ["b", "d"]
    assert deadlines.due(5) == ["a"]
    assert (deadlines.earliest(), len(deadlines)) == (None, 0)


def test_a_deadline_that_is_moved_for_ever_takes_no_memory():
    deadlines = Deadlines()
    for when in range(10_000):
        deadlines.set("a", when)
    assert len(deadlines._heap) < 100


def test_a_heartbeat_pings_every_interval_whatever_else_happens():
    heartbeat = Heartbeat(0, interval_s=25, slack_s=10)
    pings = []
    for now in range(200):
        heartbeat.heard(now)
        if heartbeat.check(now)[0] is Beat.PING:
            pings.append(now)
    assert {b - a for a, b in pairwise(pings)} == {25}


# History


def test_history_is_bounded_in_messages_bytes_and_age():
    history = History("e", max_messages=3, max_bytes=100, ttl_s=10)
    for n in range(5):
        history.append(str(n), 1, now=0)
    assert len(history) == 3
    history.append("big", 99, now=5)
    assert len(history) == 2
    history.expire(11)
    assert len(history) == 1
    assert history.since(Position("e", 5), 11).missed is not None
    assert history.since(Position("e", 4), 11).missed is None


@pytest.mark.parametrize(
    ("since", "epoch", "expected"),
    [
        (None, None, None),
        ("3", "e", Position("e", 3)),
        ("3", None, Position("", 3)),
        (None, "e", Position("e", -1)),
        ("-1", "e", Position("e", -1)),
        ("x", "e", Position("e", -1)),
        ("٣", "e", Position("e", -1)),
        ("9" * 5_000, "e", Position("e", -1)),
    ],
)
def test_where_a_client_was_is_read_from_strangers(since, epoch, expected):
    assert Position.parse(since, epoch) == expected
    history = History("e", max_messages=3, max_bytes=100, ttl_s=10)
    if expected and expected != Position("e", 3):
        assert history.since(expected, 0).missed is None


# Logins and rules


def test_who_is_displaced():
    assert displaced("allow", "ada", ["1"], most=2) == ()
    assert displaced("replace", "ada", ["1", "2"], most=2) == ["1", "2"]
    with pytest.raises(Refused, match="connected already"):
        displaced("reject", "ada", ["1"], most=2)
    with pytest.raises(Refused, match="has 2 connections already"):
        displaced("allow", "ada", ["1", "2"], most=2)


def test_every_change_of_the_rules_can_be_taken_back():
    moderation = Moderation()
    seen = [moderation.rules]
    for change in (
        moderation.lock,
        lambda: moderation.mute("a"),
        lambda: moderation.kick("b"),
        lambda: moderation.slow(5),
        moderation.unlock,
        lambda: moderation.unmute("a"),
        lambda: moderation.readmit("b"),
    ):
        change()
        seen.append(moderation.rules)
    assert len(set(seen[1:])) == 7
    for rules in reversed(seen[:-1]):
        assert moderation.undo()
        assert moderation.rules == rules
    assert not moderation.undo()
    assert moderation.rules == OPEN


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_slow_mode_takes_a_number_of_seconds(seconds):
    with pytest.raises(ValueError, match="slow mode takes seconds of 0 or more"):
        Moderation().slow(seconds)


def test_frames_that_begin_alike_are_not_taken_for_each_other():
    joiner = Joiner()
    a, b, c = (Parcel(data) for data in "abc")
    assert joiner.join([a, b, c]) == "a\nb\nc"
    assert joiner.join([a, b]) == "a\nb"
    assert joiner.join([a, b, c]) == "a\nb\nc"


def test_what_is_too_old_is_not_replayed_even_if_nothing_was_said_since():
    history = History("e", max_messages=3, max_bytes=100, ttl_s=10)
    history.append("old", 3, now=0)
    assert history.since(Position("e", 0), 10).missed is not None
    assert history.since(Position("e", 0), 10.1).missed is None


def test_a_bucket_does_not_save_up_beyond_its_burst():
    bucket = Bucket(Rate(10, 3), now=0)
    assert [bucket.take(1_000) == 0 for _ in range(4)] == [True, True, True, False]
