"""The marker survives whatever a server writes around it, and only this run's is known again."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from labkit.swarm.marker import Marker, encode, find, new_run_id
from labkit.swarm.script import Template

MARKERS = st.builds(
    Marker, st.integers(1, 2000), st.integers(0, 999_999_999), st.integers(0, 999_999_999_999)
)


@given(MARKERS, st.text(max_size=20), st.text(max_size=20))
def test_a_marker_is_found_between_any_texts(marker, before, after):
    frame = f"{before}{encode('3fa92c', marker)}{after}".encode(errors="surrogatepass")
    assert marker in find(b"3fa92c", frame)


@given(MARKERS, st.text(max_size=20))
def test_a_marker_is_found_in_json(marker, before):
    frame = json.dumps({"sender": "user1", "message": before + encode("3fa92c", marker) + "123"}).encode()
    assert find(b"3fa92c", frame) == [marker]


def test_a_batch_has_several_markers_and_a_quoted_one_counts_once():
    first, second = Marker(1, 0, 5), Marker(2, 7, 6)
    texts = [encode("3fa92c", marker) for marker in (first, second, first)]
    assert find(b"3fa92c", " ".join(texts).encode()) == [first, second]


def test_the_marker_of_an_earlier_run_is_none_of_ours():
    assert find(b"3fa92d", encode("3fa92c", Marker(1, 0, 5)).encode()) == []


def test_a_cut_marker_is_none():
    assert find(b"3fa92c", b"swarm.3fa92c.12.345.1023") == []


def test_two_runs_have_different_ids():
    assert len({new_run_id() for _ in range(20)}) > 1
    assert len(new_run_id()) == 6


def test_a_template_may_be_json():
    text = Template('{"type": "draw", "id": "{marker}", "points": [[{n}, 2]]}').message(7, "M")
    assert json.loads(text) == {"type": "draw", "id": "M", "points": [[7, 2]]}
