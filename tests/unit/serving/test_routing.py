from dataclasses import replace
from datetime import UTC, date, datetime, time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from serving_fakes import NOW, a_plan, a_rollout, a_route, gradual

from registry.domain.errors import NotFound, Unavailable
from registry.domain.evidence import Arm
from registry.domain.plan import Answers, Area, Scope, StagePlan, TimeWindow
from registry.domain.rollout import Pause
from registry.domain.stages import Stage
from serving.domain.routing import Route, RoutingSnapshot, assign, in_share, place, unit_hash
from serving.domain.scope import local_day, outside

units = st.text(min_size=1, max_size=20)
weights = st.floats(0, 100, allow_nan=False)


@given(unit=units, salt=units, low=weights, high=weights)
def test_raising_the_weight_never_moves_a_caller_out_of_the_candidate(
    unit: str, salt: str, low: float, high: float
):
    low, high = sorted((low, high))
    assert not in_share(salt, unit, low) or in_share(salt, unit, high)


@given(unit=units, salt=units)
def test_nobody_is_in_a_share_of_nothing_and_everybody_in_a_hundred_percent(unit: str, salt: str):
    assert not in_share(salt, unit, 0)
    assert in_share(salt, unit, 100)


def test_the_share_of_units_is_the_weight():
    among = sum(in_share("s", str(n), 25) for n in range(20_000))
    assert abs(among / 20_000 - 0.25) < 0.015  # 5 standard errors


def test_sequential_names_are_spread_evenly():
    """Chi-square over 1,000 cells of 100,000 users; 0.1 % of fair lots look worse than this."""
    places = np.array([place(unit_hash("salt", f"user-{n}")) for n in range(100_000)])
    cells = np.bincount(places // 1_000, minlength=1_000)
    assert scipy.stats.chisquare(cells).pvalue > 0.001


@given(names=st.lists(units, min_size=1, max_size=30), low=weights, high=weights)
def test_lowering_the_weight_and_raising_it_again_restores_the_same_units(
    names: list[str], low: float, high: float
):
    def mine(weight: float) -> list[bool]:
        routed = [assign(a_route(gradual(weight)), {"user_id": name}, NOW) for name in names]
        return [found.answering == 2 for found in routed]

    low, high = sorted((low, high))
    before, between, after = mine(high), mine(low), mine(high)
    assert before == after
    assert all(was or not now for was, now in zip(before, between, strict=True))


def test_without_a_unit_nothing_is_drawn_and_with_one_the_lot_says_which_arm():
    assert assign(a_route(gradual(50)), {}, NOW).lot is None
    for n in range(20):
        found = assign(a_route(gradual(50)), {"user_id": n}, NOW)
        assert found.lot is not None
        assert found.lot.unit == unit_hash("salt", str(n))
        assert (found.lot.arm is Arm.CANDIDATE) is (found.answering == 2)


def test_another_salt_draws_other_units():
    one = {n for n in range(2_000) if in_share("a", str(n), 10)}
    other = {n for n in range(2_000) if in_share("b", str(n), 10)}
    assert len(one & other) < len(one) / 2


@given(unit=units, weight=weights)
def test_a_caller_sticks_to_one_version_and_the_reason_names_it(unit: str, weight: float):
    route = a_route(gradual(weight))
    first = assign(route, {"user_id": unit}, NOW)
    assert first == assign(route, {"user_id": unit}, NOW)
    assert first.answering in {1, 2}
    assert (first.candidate == 2) is (first.answering == 2)
    assert "version 2" in first.reason


def test_a_request_without_the_unit_goes_to_the_baseline():
    found = assign(a_route(gradual(100)), {}, NOW)
    assert (found.answering, found.hold) == (1, None)
    assert "user_id" in found.reason


def test_a_request_without_the_unit_is_held_when_there_is_no_baseline():
    found = assign(a_route(gradual(100), baseline=None), {}, NOW)
    assert found.answering is None
    assert found.hold is not None


def test_manual_review_with_a_baseline_runs_the_candidate_in_shadow():
    found = assign(a_route(StagePlan(Stage.MANUAL_REVIEW)), {}, NOW)
    assert (found.answering, found.shadows, found.hold) == (1, (2,), None)
    assert found.candidate == 2


def test_manual_review_without_a_baseline_holds_every_request():
    found = assign(a_route(StagePlan(Stage.MANUAL_REVIEW), baseline=None), {}, NOW)
    assert (found.answering, found.shadows) == (2, ())
    assert "a person answers every request" in (found.hold or "")


def test_outside_the_scope_the_baseline_answers_and_inside_the_candidate():
    part = StagePlan(Stage.LIMITED_SCOPE, scope=Scope(where={"camera": ("north-*",)}))
    route = a_route(part)
    inside = assign(route, {"camera": "north-7"}, NOW)
    assert inside.answering == 2
    assert inside.reason.endswith("scope of version 2: camera 'north-7' matches north-*")
    out = assign(route, {"camera": "south-7"}, NOW)
    assert out.answering == 1
    assert "camera 'south-7' is none of north-*" in out.reason


def test_outside_the_scope_a_person_answers_when_there_is_no_baseline():
    part = StagePlan(Stage.LIMITED_SCOPE, scope=Scope(where={"camera": ("north-*",)}))
    out = assign(a_route(part, baseline=None), {}, NOW)
    assert out.answering is None
    assert out.hold is not None


def test_after_approval_holds_and_keeps_the_baseline_as_stand_in():
    part = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
    found = assign(a_route(part), {}, NOW)
    assert (found.answering, found.fallback) == (2, 1)
    assert "after approval" in (found.hold or "")


def test_a_daily_limit_comes_with_what_applies_when_it_is_full():
    part = StagePlan(Stage.LIMITED_SCOPE, scope=Scope(at_most_per_day=3))
    found = assign(a_route(part), {}, NOW)
    assert found.quota is not None
    assert (found.quota.limit, found.quota.day) == (3, date(2026, 11, 23))
    assert found.when_full is not None
    assert found.when_full.answering == 1


@pytest.mark.parametrize("part", [StagePlan(Stage.MANUAL_REVIEW), gradual(40)])
def test_a_paused_rollout_keeps_its_exposure(part: StagePlan):
    route = a_route(part)
    assert route.rollout is not None
    paused = replace(route, rollout=replace(route.rollout, paused=Pause("ann", "lunch")))
    for n in range(50):
        mine = {"user_id": str(n)}
        was, now = assign(route, mine, NOW), assign(paused, mine, NOW)
        assert (was.answering, was.shadows) == (now.answering, now.shadows)


def test_without_a_rollout_the_live_version_answers():
    found = assign(a_route(), {}, NOW)
    assert (found.answering, found.stage, found.candidate) == (1, Stage.LIVE, None)


def test_a_model_that_nobody_has_put_to_work_says_what_to_do():
    with pytest.raises(Unavailable, match="stagegate rollout start"):
        assign(Route("waste"), {}, NOW)


def test_an_unknown_model_names_those_that_exist():
    snapshot = RoutingSnapshot(1, {"waste": a_route()})
    with pytest.raises(NotFound, match="registered models: waste"):
        snapshot.assign("wast", {}, NOW)


def test_a_pinned_baseline_that_is_not_live_is_called_retained():
    route = replace(a_route(gradual(0)), live=3)
    assert assign(route, {"user_id": "u"}, NOW).stage is Stage.RETAINED


def test_a_route_names_every_version_it_can_call():
    rollout = a_rollout(gradual(5), plan=a_plan(gradual(5)), baseline=4)
    assert Route("waste", 1, rollout).versions == {1, 2, 4}


WORKDAYS = frozenset(range(5))


def _window(
    start: str, end: str, days: frozenset[int] = WORKDAYS, timezone: str = "America/Denver"
) -> Scope:
    hours = TimeWindow(days, time.fromisoformat(start), time.fromisoformat(end), timezone)
    return Scope(when=(hours,))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-23 14:59", False),  # Monday 07:59 in Denver, UTC-7
        ("2026-11-23 15:00", True),  # 08:00
        ("2026-11-24 00:59", True),  # 17:59
        ("2026-11-24 01:00", False),  # 18:00: the end is outside
        ("2026-11-22 15:00", False),  # a Sunday
        ("2026-07-01 14:00", True),  # 08:00 in summer, UTC-6
        ("2026-07-01 13:59", False),
    ],
)
def test_a_time_window_follows_the_wall_clock_of_its_zone(moment: str, inside: bool):
    assert (outside(_window("08:00", "18:00"), {}, _utc(moment)) is None) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-24 05:30", True),  # Monday 22:30
        ("2026-11-24 12:30", True),  # Tuesday 05:30, the night that began on Monday
        ("2026-11-25 05:30", False),  # Tuesday 22:30
        ("2026-11-23 12:30", False),  # Monday 05:30, the night that began on Sunday
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_it_starts_on(moment: str, inside: bool):
    night = _window("22:00", "06:00", days=frozenset({0}))
    assert (outside(night, {}, _utc(moment)) is None) is inside


def test_the_repeated_hour_of_autumn_counts_both_times_and_the_missing_one_never():
    early = _window("01:30", "02:30", days=frozenset(range(7)))
    inside = [
        m
        for h in range(6, 11)
        for m in (0, 30)
        if outside(early, {}, datetime(2026, 11, 1, h, m, tzinfo=UTC)) is None
    ]
    assert len(inside) == 3  # 01:30 twice, and 02:00
    spring = _window("02:00", "03:00", days=frozenset(range(7)))
    moments = [datetime(2026, 3, 8, h, m, tzinfo=UTC) for h in range(6, 14) for m in (0, 30)]
    assert all(outside(spring, {}, m) for m in moments)


@pytest.mark.parametrize(
    ("attributes", "objection"),
    [
        ({"latitude": 44.5, "longitude": "-110.5"}, None),
        ({"latitude": 44.1, "longitude": -109.8}, None),
        ({"latitude": 43.0, "longitude": -110.5}, "latitude 43 is not between"),
        ({"latitude": 44.5}, "no longitude in degrees"),
        ({"latitude": 10**400, "longitude": -110.5}, "no latitude in degrees"),
        ({"latitude": True, "longitude": -110.5}, "no latitude in degrees"),
        ({"latitude": "north", "longitude": -110.5}, "no latitude in degrees"),
        ({"latitude": float("nan"), "longitude": -110.5}, "no latitude in degrees"),
    ],
)
def test_an_area_is_a_box_with_its_ends(attributes: dict[str, object], objection: str | None):
    scope = Scope(area=Area((44.1, 45.1), (-111.2, -109.8)))
    found = outside(scope, attributes, NOW)
    assert (found is None) if objection is None else (objection in (found or ""))


def test_a_scope_ends_after_its_last_day_in_its_own_zone():
    scope = replace(_window("00:00", "23:59", frozenset(range(7))), until=date(2026, 11, 22))
    assert outside(scope, {}, _utc("2026-11-23 06:30")) is None  # still the 22nd in Denver
    assert "ended after" in (outside(scope, {}, _utc("2026-11-23 07:30")) or "")
    assert local_day(Scope(), _utc("2026-11-23 06:30")) == date(2026, 11, 23)
