"""Percentiles from buckets are those of the sorted list, to 1 %."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.swarm.histogram import Histogram, Percentiles

DURATIONS_US = st.lists(st.integers(1, 600_000_000), min_size=1, max_size=300)


def histogram(values: list[int]) -> Histogram:
    filled = Histogram()
    for value in values:
        filled.record(value)
    return filled


@given(DURATIONS_US, st.sampled_from([1, 50, 90, 99, 100]))
def test_a_percentile_is_right_to_one_percent(values, percent):
    exact = sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
    assert histogram(values).percentile_us(percent) == pytest.approx(exact, rel=0.011)


@given(DURATIONS_US)
def test_percentiles_rise_and_end_at_the_exact_maximum(values):
    summary = histogram(values).summary()
    assert summary.p50_ms <= summary.p90_ms <= summary.p99_ms <= summary.max_ms == max(values) / 1000
    assert summary.count == len(values)


@given(DURATIONS_US, DURATIONS_US)
def test_two_added_are_as_one(first, second):
    added = histogram(first)
    added.add(histogram(second))
    assert added.summary() == histogram(first + second).summary()


def test_nothing_recorded_is_all_zeros():
    assert Histogram().summary() == Percentiles(0, 0.0, 0.0, 0.0, 0.0)


def test_a_duration_below_a_microsecond_counts_as_one():
    assert histogram([0, -3]).summary() == Percentiles(2, 0.001, 0.001, 0.001, 0.001)
