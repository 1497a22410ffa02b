"""The echo app over a real socket: its contract, and what its clients may do to it."""

from __future__ import annotations

import pytest

from labkit import connect, serve
from labkit.apps import APP_NAMES, create
from labkit.errors import UnknownName


@pytest.fixture
def lab():
    with serve("echo") as lab:
        yield lab


@pytest.mark.parametrize("text", ["hello", "", " spaces ", "zwei\nZeilen", "🔊", "x" * 60_000])
def test_each_text_is_echoed(lab, text):
    ws = connect(lab)
    ws.send(text)
    assert ws.receive() == f"Echo: {text} 🔊"


def test_many_answers_keep_their_order(lab):
    ws = connect(lab)
    for number in range(500):
        ws.send(str(number))
    assert [ws.receive() for _ in range(500)] == [f"Echo: {number} 🔊" for number in range(500)]


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_a_client_that_leaves_disturbs_nobody_and_leaves_no_error(lab, leave):
    ada, ben = connect(lab), connect(lab)
    ada.send("bye")
    getattr(ada, leave)()
    ben.send("still here")
    assert ben.receive() == "Echo: still here 🔊"
    ben.close()
    lab.stop()  # every handler has ended
    assert lab.logs.errors == []


def test_a_binary_frame_is_answered_with_1003(lab):
    ws = connect(lab)
    ws.send(b"\x00")
    close = ws.wait_closed()
    assert (close.code, close.reason, close.closed_by) == (1003, "text frames only", "server")
    assert lab.logs.errors == []


def test_a_message_over_the_limit_is_answered_with_1009(lab):
    ws = connect(lab)
    ws.send("x" * (64 * 1024 + 1))
    assert ws.wait_closed().code == 1009


@pytest.mark.parametrize("name", APP_NAMES)
def test_every_app_of_the_list_starts_afresh(name):
    assert create(name) is not create(name)
    with serve(name) as lab:
        assert lab.running


def test_an_unknown_app_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"There is no app called 'lifecicle'(?s:.*)'lifecycle' - is that"):
        create("lifecicle")
