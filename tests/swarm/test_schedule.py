"""Clients send evenly, out of step and without drift."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.swarm.schedule import MAX_SLOTS, arrival_s, due_s, phases_s, slot_width_s


@given(st.integers(1, 300), st.floats(0.05, 100), st.integers(0, 2**32))
def test_each_slice_of_a_period_has_one_client(clients, rate_hz, seed):
    phases = sorted(phases_s(clients, rate_hz, seed))
    slice_s = 1 / rate_hz / clients
    for index, phase in enumerate(phases):
        assert index * slice_s - 1e-9 <= phase <= (index + 1) * slice_s + 1e-9


def test_a_seed_repeats_the_schedule_and_another_one_does_not():
    assert phases_s(50, 1, 7) == phases_s(50, 1, 7)
    assert phases_s(50, 1, 7) != phases_s(50, 1, 8)
    assert phases_s(50, 1, 7) != sorted(phases_s(50, 1, 7))


def test_due_times_do_not_drift():
    assert due_s(0.25, 10, 1_000_000) == pytest.approx(100_000.25, abs=1e-9)


def test_clients_arrive_so_many_a_second():
    assert [arrival_s(index, 4) for index in range(3)] == [0, 0.25, 0.5]


@given(st.floats(0.1, 600))
def test_a_run_has_at_most_60_slots(duration_s):
    assert duration_s / slot_width_s(duration_s) <= MAX_SLOTS
