"""A message is new once, whatever the order of arrival."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labkit.swarm.seen import WINDOW, Seen


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, WINDOW - 1)), max_size=200))
def test_within_the_window_it_is_as_exact_as_a_set(arrivals):
    seen, exact = Seen(3), set()
    for arrival in arrivals:
        assert seen.is_new(*arrival) == (arrival not in exact)
        exact.add(arrival)


@given(st.lists(st.integers(0, 100_000), max_size=200))
def test_nothing_is_new_twice(sequences):
    seen = Seen(1)
    new = [sequence for sequence in sequences if seen.is_new(1, sequence)]
    assert len(new) == len(set(new))


def test_a_jump_keeps_what_is_still_in_the_window():
    seen = Seen(1)
    assert [seen.is_new(1, n) for n in (0, 63, 0, 1, 1, 64, 0, 1000, 936, 937)] == [
        True,
        True,
        False,
        True,
        False,
        True,
        False,
        True,
        False,
        True,
    ]
