"""Running counts of exposures: what counts as chance, what counts once, and what is too young."""

from collections import Counter
from dataclasses import fields
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from exposure_rows import NOW, an_exposure, exposures_of
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.exposure import Exposure
from registry.domain.traffic import JOINED, Traffic, count, no_traffic

LATER = NOW + timedelta(hours=1)


def counted(*rows: Exposure, latencies: tuple[tuple[float, float], ...] = ()) -> Traffic:
    return count(no_traffic(latencies), exposures_of(rows))


def test_a_unit_that_asks_a_thousand_times_is_drawn_once():
    traffic = counted(*[an_exposure(7)] * 1_000, an_exposure(8, candidate=False))
    assert traffic.draws == {(0.25, True): 1, (0.25, False): 1}
    assert traffic.joined == {"glass": 1}


def test_after_a_rise_only_those_count_whose_arm_was_still_open():
    traffic = counted(
        an_exposure(1, share=0.05),
        an_exposure(2, share=0.05, candidate=False),
        an_exposure(3, share=0.05, candidate=False),
        an_exposure(1, share=0.25),  # stays for sure: it says nothing about the lot
        an_exposure(2, share=0.25),  # moved: it had a chance of 0.20 / 0.95
        an_exposure(3, share=0.25, candidate=False),
        an_exposure(4, share=0.25),  # new
    )
    moved = round(0.20 / 0.95, 12)
    assert traffic.draws == {
        (0.05, True): 1,
        (0.05, False): 2,
        (moved, True): 1,
        (moved, False): 1,
        (0.25, True): 1,
    }
    assert traffic.joined == {"glass": 3}


def test_lowering_and_raising_the_weight_again_draws_nobody_anew():
    up = [an_exposure(1, share=0.5), an_exposure(2, share=0.5, candidate=False)]
    down = [an_exposure(1, share=0.2, candidate=False), an_exposure(2, share=0.2, candidate=False)]
    once = counted(*up, *down)
    assert once.draws == {(0.5, True): 1, (0.5, False): 1, (0.4, False): 1}
    assert counted(*up, *down, *up, *down, *up).draws == once.draws


def test_at_a_weight_of_a_hundred_nothing_is_drawn_but_units_still_join():
    traffic = counted(an_exposure(1, share=1.0), an_exposure(2, share=1.0))
    assert traffic.draws == {}
    assert sum(traffic.joined.values()) == 2


def test_a_units_first_failure_since_its_draw_counts_and_its_first_with_the_candidate():
    traffic = counted(
        *[an_exposure(1, share=0.05, candidate=False, failed=True)] * 5,
        *[an_exposure(1, share=0.25, failed=True)] * 5,
        an_exposure(2, share=0.25, failed=True),
        *[an_exposure(2, share=0.5, failed=True)] * 5,  # whose it is was known
    )
    moved = round(0.20 / 0.95, 12)
    assert traffic.failed == {(0.05, False): 1, (moved, True): 1, (0.25, True): 1}
    assert len(traffic.candidate_failed) == 2


def test_an_answer_is_slow_above_the_baselines_quantile_and_the_candidates_above_a_multiple():
    quick = [an_exposure(n, candidate=False, answer_ms=10 + n / 100) for n in range(100)]
    traffic = counted(
        *quick,
        an_exposure(1_000, answer_ms=14.0),
        an_exposure(1_001, answer_ms=30.0),
        an_exposure(1_002, answer_ms=14.0, candidate=False),
        an_exposure(1_003, failed=True, answer_ms=1.0),  # no answer is the slowest of all
        an_exposure(1_004, answer_ms=None),  # dropped: says nothing
        latencies=((0.9, 2.0),),
    )
    (slow,) = traffic.slow
    assert slow.threshold_ms == pytest.approx(10.9, rel=0.02)
    assert slow.events == {(0.25, True): 2, (0.25, False): 1}


def test_before_enough_baseline_answers_nothing_is_slow():
    traffic = counted(*[an_exposure(n, answer_ms=1e6) for n in range(50)], latencies=((0.9, 1.5),))
    assert traffic.slow[0].threshold_ms is None
    assert traffic.slow[0].events == {}


def test_what_lets_a_gate_pass_counts_when_even_the_slowest_answers_are_there():
    young = NOW + timedelta(seconds=90)
    traffic = counted(an_exposure(1), an_exposure(2, created_at=young))
    assert traffic.unsettled(JOINED, young + timedelta(seconds=30)) == 1
    assert traffic.unsettled(JOINED, young + timedelta(seconds=61)) == 0


rows = st.builds(
    an_exposure,
    st.integers(1, 12),
    candidate=st.booleans(),
    share=st.sampled_from([0.05, 0.25, 1.0]),
    action=st.sampled_from([None, "glass", "metal"]),
    failed=st.booleans(),
    answer_ms=st.none() | st.floats(0.1, 1e4),
    step=st.integers(0, 2),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_counts_are_the_same_however_the_rows_are_cut_into_looks(
    stream: list[Exposure], cuts: list[int]
):
    whole = no_traffic([(0.5, 1.5)])
    at_once = count(whole, exposures_of(stream))
    piecewise, table = whole, exposures_of(stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        piecewise = count(piecewise, table.part(start, end))
    for field in fields(Traffic):
        one, other = getattr(at_once, field.name), getattr(piecewise, field.name)
        assert _plain(one) == _plain(other), field.name


def _plain(value: object) -> object:
    """Arrays and what holds them as values that compare."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict | Counter):
        return {key: _plain(one) for key, one in value.items()}
    if hasattr(value, "__slots__"):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    return value


def test_with_another_baseline_comparisons_begin_anew_and_what_is_known_of_units_stays():
    before = [
        an_exposure(1, failed=True, epoch=1),
        an_exposure(2, candidate=False, failed=True, epoch=1),
        an_exposure(3, candidate=False, epoch=1),
    ]
    after = [
        an_exposure(2, candidate=False, failed=True, epoch=2),
        an_exposure(3, candidate=False, failed=True, epoch=2),
        an_exposure(4, epoch=2),
    ]
    late = an_exposure(5, candidate=False, failed=True, epoch=1)
    traffic = count(no_traffic(since=2), exposures_of([*before, *after, late]))
    assert traffic.draws == {(0.25, True): 2, (0.25, False): 3}
    assert traffic.compared == {(0.25, True): 1}
    assert traffic.actions == {(0.25, True, "glass"): 1}
    assert traffic.failed == {}  # their arms were known by then
    assert len(traffic.candidate_failed) == 1
    assert sum(traffic.joined.values()) == 2
    risen = [an_exposure(3, share=0.5, failed=True, epoch=3), an_exposure(4, failed=True, epoch=3)]
    more = count(traffic, exposures_of(risen, first=9))
    assert more.failed == {(round(0.25 / 0.75, 12), True): 1, (0.25, True): 1}


def test_the_speed_of_another_baseline_is_measured_anew():
    slow = [an_exposure(n, candidate=False, answer_ms=100, epoch=1) for n in range(150)]
    odd = an_exposure(500, answer_ms=900, epoch=1)
    fast = [an_exposure(n, candidate=False, answer_ms=10, epoch=2) for n in range(200, 350)]
    mine = [an_exposure(n, answer_ms=50, epoch=2) for n in (500, 501)]
    found = count(no_traffic([(0.9, 1.5)], since=2), exposures_of([*slow, odd, *fast, *mine]))
    (one,) = found.slow
    assert one.threshold_ms == pytest.approx(10, rel=0.02)
    assert one.events == {(0.25, True): 1}  # not the unit that had been slow before
    (other,) = count(no_traffic([(0.9, 1.5)], since=2), exposures_of([*slow, odd])).slow
    assert (other.threshold_ms, other.events) == (None, {})
