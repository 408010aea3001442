"""Running counts of a stage's exposures: what gates on traffic read, kept up row by row.

A look at the gates costs what has come in since the last one. The counts are the same however the
rows are cut into looks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from registry.domain import first_answers, slowness
from registry.domain.exposure import ExposureTable
from registry.domain.first_answers import FirstAnswers, no_answers
from registry.domain.plan import GateSpec
from registry.domain.rollout import Rollout
from registry.domain.slowness import SlowAnswers
from registry.domain.stages import Stage
from registry.domain.unit_lots import LastDraws, UnitLots, UnitSet, chances

# Answers are written when they are done. After this long even those are there that were slow or
# timed out; sooner, good ones would be counted before bad ones.
SETTLING_SECONDS = 60.0
# Later than this nothing is written any more: what a promotion was judged on must stay as it was,
# and the rest of the time is left for the commit.
WRITTEN_WITHIN_SECONDS = 45.0

TRAFFIC_GATES = frozenset({"failures", "latency", "split", "action-rate"})

Key = tuple[object, ...]
JOINED: Key = ("joined",)
FIRST: Key = ("first",)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the exposures of a stage say.

    cursor: number of the last row that is counted. draws: fresh draws by chance and arm (candidate
    or not). compared: those of them beside the present baseline. actions: these by chance, arm and
    first action. joined: units by their first action as the candidate's. failed: units by the
    chance and arm of their first failure since their arm was drawn. open: those draws.
    candidate_failed: units that met a failure of the candidate.
    steps: the candidate's answers by step. slow, slow_before: slow answers, for each latency gate,
    beside the present baseline and beside earlier ones. first: the candidate's own
    rates, where a gate asks for them. since: the generation from which on the baseline is the
    present one. recent: for what lets a gate pass, when its latest events began.
    """

    cursor: int = 0
    rows: int = 0
    lots: UnitLots = field(default_factory=UnitLots)
    draws: Mapping[tuple[float, bool], int] = field(default_factory=dict)
    compared: Mapping[tuple[float, bool], int] = field(default_factory=dict)
    actions: Mapping[tuple[float, bool, str], int] = field(default_factory=dict)
    joined: Mapping[str | None, int] = field(default_factory=dict)
    failed: Mapping[tuple[float, bool], int] = field(default_factory=dict)
    open: LastDraws = field(default_factory=LastDraws)
    candidate_failed: UnitSet = field(default_factory=UnitSet)
    steps: Mapping[int, int] = field(default_factory=dict)
    slow: tuple[SlowAnswers, ...] = ()
    slow_before: tuple[SlowAnswers, ...] = ()
    first: FirstAnswers | None = None
    since: int = 0
    recent: Mapping[Key, npt.NDArray[np.float64]] = field(default_factory=dict)

    def unsettled(self, key: Key, now: datetime) -> int:
        """How many events are so recent that slower ones of the same time may be missing."""
        since = now.timestamp() - SETTLING_SECONDS
        return int((self.recent.get(key, np.empty(0)) > since).sum())

    def slow_answers(self, quantile: float, ratio: float) -> SlowAnswers:
        """The counts for one latency gate."""
        for one in self.slow:
            if (one.quantile, one.ratio) == (quantile, ratio):
                return one
        return SlowAnswers(quantile, ratio)


def no_traffic(
    latencies: Sequence[tuple[float, float]] = (),
    since: int = 0,
    first: FirstAnswers | None = None,
) -> Traffic:
    """Nothing counted yet; `latencies` are the quantiles and ratios that gates ask for."""
    slow = tuple(SlowAnswers(*pair) for pair in dict.fromkeys(latencies))
    return Traffic(slow=slow, slow_before=slow, since=since, first=first)


def traffic_before(rollout: Rollout) -> Traffic:
    """Nothing counted yet of the rollout's stage, but all that its gates ask for."""
    gates = rollout.stage_plan.gates
    limits = [gate.options.get("at_most_ms") for gate in gates if gate.type == "latency"]
    asked = tuple(dict.fromkeys(float(str(limit)) for limit in limits if limit is not None))
    first = None
    if asked or (rollout.stage is Stage.LIVE and reads_traffic(gates)):
        first = no_answers(rollout.plan.visit_seconds, asked)
    return no_traffic(latency_gates(gates), rollout.baseline_generation, first)


def reads_traffic(gates: Sequence[GateSpec]) -> bool:
    """Whether any of these gates looks at exposures."""
    return any(gate.type in TRAFFIC_GATES for gate in gates)


def traffic_by_segment(gates: Sequence[GateSpec]) -> bool:
    """Whether any of them looks at exposures segment by segment."""
    return any(gate.type in TRAFFIC_GATES and gate.options.get("per_segment") for gate in gates)


def latency_gates(gates: Sequence[GateSpec]) -> tuple[tuple[float, float], ...]:
    """The quantiles and ratios that a stage's gates compare answer times by."""
    specs = [gate.options for gate in gates if gate.type == "latency"]
    return tuple(
        (float(str(o["quantile"])), float(str(o["ratio_at_most"])))
        for o in specs
        if o.get("ratio_at_most") is not None
    )


def count(traffic: Traffic, rows: ExposureTable) -> Traffic:
    """The counts after more rows."""
    if not len(rows):
        return traffic
    present = rows.epochs >= traffic.since
    changes = (np.diff(rows.shares) != 0) | (np.diff(present.astype(np.int8)) != 0)
    ends = [0, *(np.flatnonzero(changes) + 1).tolist(), len(rows)]
    for start, end in pairwise(ends):
        some = rows.part(start, end)
        traffic = (_count_share if present[start] else _count_before)(traffic, some)
    steps, times = np.unique(rows.steps[rows.candidate], return_counts=True)
    seen = Counter(dict(zip(steps.tolist(), times.tolist(), strict=True)))
    return replace(
        traffic,
        cursor=int(rows.numbers[-1]),
        rows=traffic.rows + len(rows),
        steps=Counter(traffic.steps) + seen,
        recent=_still_recent(traffic.recent, float(rows.created.max())),
    )


def _count_before(traffic: Traffic, rows: ExposureTable) -> Traffic:
    """Rows of one share beside an earlier baseline: they show arms, and compare with nothing.

    A unit that had met a slow answer then counts no more.
    """
    found = _count_share(replace(traffic, slow=traffic.slow_before), rows)
    slow = (
        replace(one, units=one.units.first_times(before.units.units)[1])
        for one, before in zip(traffic.slow, found.slow, strict=True)
    )
    return replace(
        found,
        compared=traffic.compared,
        actions=traffic.actions,
        failed=traffic.failed,
        open=found.open.shown(rows.units),
        slow=tuple(slow),
        slow_before=found.slow,
        recent={
            **traffic.recent,
            **{k: v for k, v in found.recent.items() if k in (JOINED, FIRST)},
        },
    )


def _count_share(traffic: Traffic, rows: ExposureTable) -> Traffic:
    """Rows of one share."""
    traffic = _count_draws(traffic, rows)
    traffic = _count_failures(traffic, rows)
    traffic = _count_first(traffic, rows)
    slow, recent = [], dict(traffic.recent)
    share = float(rows.shares[0])
    for one in traffic.slow:
        after, met = slowness.see(one, rows)
        baseline = met[~rows.candidate[met]]
        key = ("slow", one.quantile, one.ratio, share)
        recent = _add(recent, key, rows.created[baseline])
        slow.append(after)
    return replace(traffic, slow=tuple(slow), recent=recent)


def _count_draws(traffic: Traffic, rows: ExposureTable) -> Traffic:
    share = float(rows.shares[0])
    draws, lots = traffic.lots.draw(rows.units, rows.candidate, share)
    traffic = replace(traffic, open=traffic.open.followed_by(draws, rows.units, _mark(share)))
    if not len(draws.positions):
        return traffic
    odds, arms = draws.chances.tolist(), draws.candidate.tolist()
    told = [rows.actions[position] for position in draws.positions.tolist()]
    drawn = [(chance, arm) for chance, arm in zip(odds, arms, strict=True) if chance < 1]
    acted = [
        (chance, arm, action)
        for chance, arm, action in zip(odds, arms, told, strict=True)
        if chance < 1 and action is not None
    ]
    joined = [action for action, new in zip(told, draws.joined.tolist(), strict=True) if new]
    created = rows.created[draws.positions[draws.joined]]
    return replace(
        traffic,
        lots=lots,
        draws=Counter(traffic.draws) + Counter(drawn),
        compared=Counter(traffic.compared) + Counter(drawn),
        actions=Counter(traffic.actions) + Counter(acted),
        joined=Counter(traffic.joined) + Counter(joined),
        recent=_add(traffic.recent, JOINED, created),
    )


def _count_first(traffic: Traffic, rows: ExposureTable) -> Traffic:
    """First answers of visits, where a gate asks for them."""
    if traffic.first is None:
        return traffic
    first, at = first_answers.see(traffic.first, rows)
    recent = _add(traffic.recent, FIRST, rows.created[at])
    return replace(traffic, first=first, recent=recent)


def _count_failures(traffic: Traffic, rows: ExposureTable) -> Traffic:
    """A unit's first failure since its arm was drawn, and the first that it met as the candidate's.

    An earlier one would not do: whoever has failed beside the baseline fails no more for the first
    time, and of those that are left the candidate's would seem to fail too often.
    """
    at = np.flatnonzero(rows.failed)
    if not len(at):
        return traffic
    share = float(rows.shares[0])
    first, low, high, open_ = traffic.open.meet(rows.units[at], _mark(share))
    odds, arms = chances(share, low, high), rows.candidate[at[first]]
    mine = at[rows.candidate[at]]
    _, candidate_failed = traffic.candidate_failed.first_times(rows.units[mine])
    recent = dict(traffic.recent)
    for chance in np.unique(odds[~arms]).tolist():
        baseline = at[first[~arms & (odds == chance)]]
        recent = _add(recent, ("failed", chance), rows.created[baseline])
    return replace(
        traffic,
        failed=Counter(traffic.failed) + Counter(zip(odds.tolist(), arms.tolist(), strict=True)),
        open=open_,
        candidate_failed=candidate_failed,
        recent=recent,
    )


def _mark(share: float) -> int:
    """A share as a whole number, in millionths, to tell draws apart by."""
    return round(share * 1_000_000)


def _add(
    recent: Mapping[Key, npt.NDArray[np.float64]], key: Key, created: npt.NDArray[np.float64]
) -> dict[Key, npt.NDArray[np.float64]]:
    new = created[np.isfinite(created)]
    if not len(new):
        return dict(recent)
    return {**recent, key: np.concatenate((recent.get(key, np.empty(0)), new))}


def _still_recent(
    recent: Mapping[Key, npt.NDArray[np.float64]], newest: float
) -> dict[Key, npt.NDArray[np.float64]]:
    """Twice the time, since the clocks of replicas differ."""
    since = newest - 2 * SETTLING_SECONDS
    kept = {key: times[times > since] for key, times in recent.items()}
    return {key: times for key, times in kept.items() if len(times)}
