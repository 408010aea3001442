"""Error rates and power of the gates on traffic, by simulation.

    python -m bench.traffic_gates [--rollouts 10000] [--seed 0] [--powers 300] [--only TEXT]

A rollout is a stream of requests two a second. Units stick to their arm and ask again and again, a
few of them most of the time (log-normal activity); a unit's failures, speed and labels are mostly
its own. The weight goes 5, 25, 25 (a pause), 10 and 50 %. Answers take no time but time-outs, which
are written 30 s later. Each gate is held on the boundary of what it may pass, and looked at after
every event that changes it. Beside it stands what a fixed test of the same counts would do that
takes each request as a trial of its own and is looked at as often.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from registry.domain import evalues, slowness
from registry.domain.exposure import ExposureTable
from registry.domain.ratio_evalues import (
    log_ratio_above,
    log_ratio_below,
    log_split,
    mean_of_two,
)
from registry.domain.slowness import SlowAnswers
from registry.domain.traffic import SETTLING_SECONDS
from registry.domain.unit_lots import LastDraws, UnitLots, UnitSet, chances

ALPHA_PASS, ALPHA_HARM = 0.05, 0.01
PASS, HARM = np.log(1 / ALPHA_PASS), np.log(1 / ALPHA_HARM)
WEIGHTS = ((0.0, 0.05), (0.2, 0.25), (0.4, 0.25), (0.55, 0.10), (0.7, 0.50))
TIME_OUT = 30.0
EVERY_SECONDS = 0.5
SEGMENTS = 5


@dataclass(frozen=True)
class Stream:
    """Requests in order: whose, in which arm, at which share, when; and each unit's own number.

    written: when their answers were written down, if that is not when they were asked; then they
    stand in that order.
    """

    units: np.ndarray
    candidate: np.ndarray
    shares: np.ndarray
    seconds: np.ndarray
    own: np.ndarray
    written: np.ndarray | None = None

    @property
    def told(self) -> np.ndarray:
        return self.seconds if self.written is None else self.written

    def table(self, **columns: np.ndarray) -> ExposureTable:
        n = len(self.units)
        given = {"failed": np.zeros(n, np.bool_), "answer_ms": np.full(n, 1.0), **columns}
        return ExposureTable(
            np.arange(n), self.units, self.candidate, self.shares, np.zeros(n, np.int32),
            given["failed"], given["answer_ms"], self.seconds, np.zeros(n, np.int32),
            [None] * n,
        )  # fmt: skip

    def where(self, chosen: np.ndarray) -> "Stream":
        columns = (self.units, self.candidate, self.shares, self.seconds, self.own, self.told)
        return Stream(*(column[chosen] for column in columns))

    def parts(self) -> list[tuple[int, int]]:
        cuts = np.flatnonzero(np.diff(self.shares)) + 1
        ends = [0, *cuts.tolist(), len(self.shares)]
        return list(pairwise(ends))


def a_stream(rng: np.random.Generator, requests: int, units: int) -> Stream:
    activity = rng.lognormal(0, 1.5, units)
    who = rng.choice(units, requests, p=activity / activity.sum())
    at = np.arange(requests) / requests
    starts = np.array([start for start, _ in WEIGHTS])
    share = np.array([weight for _, weight in WEIGHTS])[np.searchsorted(starts, at, "right") - 1]
    place = rng.random(units)
    seconds = np.arange(requests) * EVERY_SECONDS
    return Stream(who.astype(np.int64), place[who] < share, share, seconds, rng.random(units)[who])


def drawn(stream: Stream) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fresh draws: where, with which chance, in which arm, whether it joined the candidate."""
    lots, found = UnitLots(), []
    for start, end in stream.parts():
        part = slice(start, end)
        draws, lots = lots.draw(
            stream.units[part], stream.candidate[part], float(stream.shares[start])
        )
        found.append((draws.positions + start, draws.chances, draws.candidate, draws.joined))
    where, chances, arms, joined = (np.concatenate(column) for column in zip(*found, strict=True))
    return where, chances, arms, joined


def paths(
    chances: np.ndarray, mine: np.ndarray, others: np.ndarray
) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """For each chance, how many of both arms there were after each event."""
    found = {}
    for chance in np.unique(chances):
        here = chances == chance
        found[float(chance)] = (np.cumsum(mine & here), np.cumsum(others & here))
    return found


def first(found: np.ndarray, threshold: float, where: np.ndarray) -> float:
    """When evidence first sufficed; infinity if it never did."""
    enough = np.flatnonzero(found >= threshold)
    return float(where[enough[0]]) if len(enough) else np.inf


# --- what each gate sees of a stream: (when it passes, when it fails, when a naive test would)
Verdicts = tuple[float, float, float]
# When the evidence changes, and what there is then for a pass and of harm.
Path = tuple[np.ndarray, np.ndarray, np.ndarray]


def counted_until(times: np.ndarray, looks: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(times), looks, side="right")


def failures_path(stream: Stream, failed: np.ndarray, at_most: float, ratio: float) -> Path:
    where, _, _, joined = drawn(stream)
    rows = np.flatnonzero(failed)
    events, odds = failing_draws(stream, failed)
    mine_rows = rows[stream.candidate[rows]]
    mine_first, _ = UnitSet().first_times(stream.units[mine_rows])
    written = stream.seconds + np.where(failed, TIME_OUT, 0.0)
    settled_at = stream.seconds + SETTLING_SECONDS
    looks = np.unique(
        np.concatenate((written[rows], settled_at[where[joined]], settled_at[events]))
    )

    until = partial(counted_until, looks=looks)
    met = until(written[mine_rows[mine_first]])
    units = np.maximum(until(settled_at[where[joined]]), met)
    now, quiet = {}, {}
    for chance in np.unique(odds[odds < 1]):
        here = events[odds == chance]
        mine, others = here[stream.candidate[here]], here[~stream.candidate[here]]
        now[float(chance)] = (until(written[mine]), until(written[others]))
        quiet[float(chance)] = (until(written[mine]), until(settled_at[others]))
    for_pass = mean_of_two(evalues.log_pass(met, units, at_most), log_ratio_below(quiet, ratio))
    return looks, for_pass, np.broadcast_to(log_ratio_above(now, ratio), looks.shape)


def failures(
    stream: Stream,
    failed: np.ndarray,
    at_most: float,
    ratio: float,
    *,
    naive_pass: bool,
    tests: int = 1,
) -> Verdicts:
    looks, for_pass, for_harm = failures_path(stream, failed, at_most, ratio)
    written = stream.seconds + np.where(failed, TIME_OUT, 0.0)
    # Naive: each request a trial, written as it is done.
    order = np.argsort(written, kind="stable")
    n = np.cumsum(stream.candidate[order])
    s = np.cumsum((stream.candidate & failed)[order])
    rate = s / np.maximum(n, 1)
    if naive_pass:
        wrong = _z(at_most - rate, at_most, n)
        when = first(np.where(n >= 30, wrong, -np.inf), 1.645, written[order])
    else:
        nb = np.cumsum(~stream.candidate[order])
        sb = np.cumsum((~stream.candidate & failed)[order])
        both = (s + sb) / (n + nb)
        spread = np.sqrt(
            np.maximum(both * (1 - both), 1e-9) * (1 / np.maximum(n, 1) + 1 / np.maximum(nb, 1))
        )
        z = (rate - sb / np.maximum(nb, 1)) / spread
        when = first(np.where(s + sb >= 5, z, -np.inf), 2.326, written[order])
    return first(for_pass, PASS, looks), first(for_harm, HARM + np.log(tests), looks), when


def failing_draws(stream: Stream, failed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each unit's first failure since its arm was drawn: where, and the chance of that draw."""
    lots, last, events, odds = UnitLots(), LastDraws(), [], []
    for start, end in stream.parts():
        part, share = slice(start, end), float(stream.shares[start])
        step, units = round(share * 1_000_000), stream.units[part]
        draws, lots = lots.draw(units, stream.candidate[part], share)
        rows = np.flatnonzero(failed[part])
        first, low, high, last = last.followed_by(draws, units, step).meet(units[rows], step)
        events.append(rows[first] + start)
        odds.append(chances(share, low, high))
    return np.concatenate(events), np.concatenate(odds)


def _z(gain: np.ndarray, p: float, n: np.ndarray) -> np.ndarray:
    return np.asarray(gain * np.sqrt(np.maximum(n, 1) / (p * (1 - p))))


def latency_path(
    stream: Stream, milliseconds: np.ndarray, failed: np.ndarray, quantile: float, ratio: float
) -> tuple[Path, SlowAnswers]:
    """The baseline's slow answers count for a pass when the candidate's slowest must be there."""
    slow, found = SlowAnswers(quantile, ratio), []
    table = stream.table(answer_ms=milliseconds, failed=failed)
    for start, end in stream.parts():
        slow, met = slowness.see(slow, table.part(start, end))
        found.append(met + start)
    events = np.concatenate(found)
    told, settled_at = stream.told[events], stream.seconds[events] + SETTLING_SECONDS
    looks = np.unique(np.concatenate((told, settled_at)))
    until = partial(counted_until, looks=looks)
    arms, odds, now, quiet = stream.candidate[events], stream.shares[events], {}, {}
    for share in np.unique(odds[odds < 1]):
        mine, others = (odds == share) & arms, (odds == share) & ~arms
        now[float(share)] = until(told[mine]), until(told[others])
        quiet[float(share)] = until(told[mine]), until(settled_at[others])
    for_pass, for_harm = log_ratio_below(quiet, 1), log_ratio_above(now, 1)
    return (looks, *(np.broadcast_to(one, looks.shape) for one in (for_pass, for_harm))), slow


def latency(
    stream: Stream, milliseconds: np.ndarray, quantile: float, ratio: float, tests: int = 1
) -> Verdicts:
    none = np.zeros(len(milliseconds), np.bool_)
    (at, for_pass, for_harm), slow = latency_path(stream, milliseconds, none, quantile, ratio)
    # Naive: each candidate request against the threshold at the end, as if it had been known.
    above = (milliseconds > ratio * (slow.threshold_ms or np.inf)) & stream.candidate
    n = np.cumsum(stream.candidate)
    z = _z((1 - quantile) - np.cumsum(above) / np.maximum(n, 1), 1 - quantile, n)
    naive = first(np.where(n >= 30, z, -np.inf), 1.645, stream.seconds)
    return first(for_pass, PASS, at), first(for_harm, HARM + np.log(tests), at), naive


def split_path(stream: Stream) -> Path:
    """For a pass, how many units there were: what is asked for besides no evidence of harm."""
    where, chances, arms, _ = drawn(stream)
    order = np.argsort(where, kind="stable")
    where, chances, arms = where[order], chances[order], arms[order]
    found = log_split(paths(chances, arms, ~arms))
    return stream.told[where], (chances < 1).cumsum(), np.broadcast_to(found, where.shape)


def split(stream: Stream, tests: int = 1) -> Verdicts:
    at, _, for_harm = split_path(stream)
    # Naive: each request is drawn anew, chi-square at 1 %.
    n = np.arange(1, len(stream.shares) + 1)
    expected = np.cumsum(stream.shares)
    spread = np.sqrt(np.cumsum(stream.shares * (1 - stream.shares)))
    z = np.abs(np.cumsum(stream.candidate) - expected) / spread
    naive = first(np.where(n >= 100, z, -np.inf), 2.576, stream.seconds)
    return np.inf, first(for_harm, HARM + np.log(tests), at), naive


def action_path(
    stream: Stream, alarms: np.ndarray, low: float, high: float, rare_below: float
) -> tuple[Path, np.ndarray]:
    """With the evidence that both arms give the label too rarely to judge it."""
    where, chances, arms, _ = drawn(stream)
    order = np.argsort(where, kind="stable")
    where, chances, arms = where[order], chances[order], arms[order]
    alarm = alarms[where]
    events = paths(chances, alarm & arms, alarm & ~arms)
    inside = np.minimum(log_ratio_below(events, high), log_ratio_above(events, low))
    rare = np.minimum(
        evalues.log_pass(np.cumsum(alarm & arms), np.cumsum(arms), rare_below),
        evalues.log_pass(np.cumsum(alarm & ~arms), np.cumsum(~arms), rare_below),
    )
    outside = np.maximum(log_ratio_above(events, high), log_ratio_below(events, low))
    return (stream.told[where], inside, outside), rare


def action(
    stream: Stream,
    alarms: np.ndarray,
    low: float,
    high: float,
    rare_below: float,
    tests: int = 1,
) -> Verdicts:
    (at, inside, outside), rare = action_path(stream, alarms, low, high, rare_below)
    # Naive: the ratio over requests with its 90 % interval, as if requests were independent.
    mine, others = np.cumsum(alarms & stream.candidate), np.cumsum(alarms & ~stream.candidate)
    n, m = np.cumsum(stream.candidate), np.cumsum(~stream.candidate)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log((mine / n) / (others / m))
        spread = np.sqrt(1 / mine - 1 / n + 1 / others - 1 / m)
        z = np.minimum(np.log(high) - ratio, ratio - np.log(low)) / spread
    enough = (mine >= 5) & (others >= 5)
    naive = first(np.where(enough, np.nan_to_num(z, nan=-9.0), -np.inf), 1.645, stream.seconds)
    passes = first(np.maximum(inside, rare), PASS + np.log(2), at)
    return passes, first(outside, HARM + np.log(4 * tests), at), naive


# --- worlds: what becomes of a stream's requests
def failing(stream: Stream, rng: np.random.Generator, base: float, times: float) -> np.ndarray:
    """Units that fail half of the time: a share `base` with the baseline, `times` as many with us.

    So the shares of units that met a failure have this ratio at every time.
    """
    prone = stream.own < base * np.where(stream.candidate, times, 1)
    return np.asarray(prone & (rng.random(len(prone)) < 0.5))


def timed(stream: Stream, rng: np.random.Generator, times: float) -> np.ndarray:
    """Slow units, noise, and an afternoon on which everything is slower."""
    n = len(stream.units)
    unit = np.exp(0.5 * _normal(stream.own))
    noise = np.exp(0.4 * rng.standard_normal(n))
    hour = 1 + 0.4 * np.sin(np.linspace(0, 9, n))
    return np.asarray(20 * unit * noise * hour * np.where(stream.candidate, times, 1))


def _normal(uniform: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(uniform, 1e-9, 1 - 1e-9)))


def alarming(stream: Stream, times: float, base: float = 0.15) -> np.ndarray:
    """Each unit always asks for the same label."""
    return np.asarray(stream.own < base * np.where(stream.candidate, times, 1))


def losing(stream: Stream, share: float) -> Stream:
    """Some of the candidate's units are never written down."""
    return stream.where(~(stream.candidate & (stream.own < share)))


World = Callable[[Stream, np.random.Generator], Verdicts]


def failing_world(base: float, times: float, at_most: float, *, naive_pass: bool) -> World:
    """A share `base` of units fails with the baseline, `times` as many with us; twice allowed."""
    return lambda s, g: failures(s, failing(s, g, base, times), at_most, 2, naive_pass=naive_pass)


def timed_world(times: float, quantile: float) -> World:
    """The candidate is so many times as slow; 1.5 times is allowed."""
    return lambda s, g: latency(s, timed(s, g, times), quantile, 1.5)


def alarming_world(times: float, base: float = 0.15) -> World:
    """A label is given so many times as often; half to twice is allowed."""
    return lambda s, g: action(s, alarming(s, times, base), 0.5, 2, 0.05)


def in_segments(stream: Stream, judge: Callable[[Stream, np.ndarray, int], Verdicts]) -> Verdicts:
    """Harm in all traffic or in any segment, as many tests as the gates pay for each.

    judge: what a gate says of these rows of the stream.
    """
    said = [judge(stream, np.ones(len(stream.units), np.bool_), 2)]
    for j in range(2, SEGMENTS + 2):
        mine = stream.units % SEGMENTS == j - 2
        said.append(judge(stream.where(mine), mine, j * (j + 1)))
    return np.inf, min(harm for _, harm, _ in said), min(naive for _, _, naive in said)


def failing_segments(s: Stream, g: np.random.Generator) -> Verdicts:
    failed = failing(s, g, 0.05, 2)
    return in_segments(
        s, lambda some, rows, tests: failures(
            some, failed[rows], 0.05, 2, naive_pass=False, tests=tests
        )
    )  # fmt: skip


def slow_segments(s: Stream, g: np.random.Generator) -> Verdicts:
    ms = timed(s, g, 1.5)
    return in_segments(s, lambda some, rows, tests: latency(some, ms[rows], 0.9, 1.5, tests))


def alarming_segments(s: Stream, _: np.random.Generator) -> Verdicts:
    alarms = alarming(s, 2)
    return in_segments(
        s, lambda some, rows, tests: action(some, alarms[rows], 0.5, 2, 0.05, tests)
    )  # fmt: skip


# On the boundary: (what is false, the level, whether it is a pass), then the world.
BOUNDARY: dict[str, tuple[str, World]] = {
    "failures at 2 x the baseline's and at the bound": (
        "pass",
        failing_world(0.05, 2, 0.05, naive_pass=True),
    ),
    "failures at 2 x the baseline's": (
        "harm",
        failing_world(0.05, 2, 0.05, naive_pass=False),
    ),
    "failures as the baseline's": (
        "harm",
        failing_world(0.05, 1, 0.05, naive_pass=False),
    ),
    "latency at 1.5 x the baseline's": (
        "pass",
        timed_world(1.5, 0.9),
    ),
    "latency at 1.5 x the baseline's, harm": (
        "harm",
        timed_world(1.5, 0.9),
    ),
    "split as the weight says": ("harm", lambda s, g: split(s)),
    "alarms at 2 x the baseline's": (
        "pass",
        alarming_world(2),
    ),
    "alarms at 0.5 x the baseline's": (
        "pass",
        alarming_world(0.5, 0.3),
    ),
    "alarms at 2 x the baseline's, harm": (
        "harm",
        alarming_world(2),
    ),
    "failures, each of five segments at 2 x": ("harm", failing_segments),
    "latency, each of five segments at 1.5 x": ("harm", slow_segments),
    "split, each of five segments as the weight says": (
        "harm",
        lambda s, g: in_segments(s, lambda some, _, tests: split(some, tests)),
    ),
    "alarms, each of five segments at 2 x": ("harm", alarming_segments),
}
POWER: dict[str, tuple[str, World]] = {
    "failures: 3 % of units against 0.3 %": (
        "harm",
        failing_world(0.003, 10, 0.01, naive_pass=False),
    ),
    "failures: 0.2 % of units in both arms, bound 1 %": (
        "pass",
        failing_world(0.002, 1, 0.01, naive_pass=False),
    ),
    "latency p99: twice as slow, 1.5 allowed": (
        "harm",
        timed_world(2.0, 0.99),
    ),
    "latency p99: as fast, 1.5 allowed": (
        "pass",
        timed_world(1.0, 0.99),
    ),
    "split: 15 % of the candidate's units lost": ("harm", lambda s, g: split(losing(s, 0.15))),
    "alarms three times as often": ("harm", alarming_world(3)),
    "alarms as often": ("pass", alarming_world(1)),
}


def false_rates(
    rollouts: int, seed: int, only: str, requests: int = 4_000, units: int = 400
) -> None:
    print(f"{rollouts:,} rollouts of {requests:,} requests from {units} units each, seed {seed}")
    print(f"{'on the boundary':52}{'false':>6}{'level':>8}{'limit':>8}{'found':>8}{'naive':>8}")
    for number, (name, (kind, world)) in enumerate(BOUNDARY.items()):
        if only not in name:
            continue
        level = ALPHA_PASS if kind == "pass" else ALPHA_HARM
        limit = level + 3 * np.sqrt(level * (1 - level) / rollouts)
        found, naive = false_rate(world, kind, rollouts, [seed, number], requests, units)
        beside = "" if name.endswith(", harm") else f"{naive:8.2%}"
        print(f"{name:52}{kind:>6}{level:8.2%}{limit:8.2%}{found:8.2%}{beside}", flush=True)


def false_rate(
    world: World, kind: str, rollouts: int, seed: list[int], requests: int, units: int
) -> tuple[float, float]:
    """How often the gate, and the naive test, say what is not so."""
    rng = np.random.default_rng(seed)
    which = 0 if kind == "pass" else 1
    said = [world(a_stream(rng, requests, units), rng) for _ in range(rollouts)]
    found = np.isfinite(np.array(said))
    return float(found[:, which].mean()), float(found[:, 2].mean())


def powers(
    rollouts: int, seed: int, only: str, requests: int = 60_000, units: int = 12_000
) -> None:
    print(f"\n{rollouts} rollouts of {requests:,} requests from {units:,} units, seed {seed}")
    print(f"{'effect':52}{'says':>6}{'power':>8}{'median requests':>17}")
    for number, (name, (kind, world)) in enumerate(POWER.items()):
        if only not in name:
            continue
        rng = np.random.default_rng([seed, 100 + number])
        which = 0 if kind == "pass" else 1
        when = np.array(
            [world(a_stream(rng, requests, units), rng)[which] for _ in range(rollouts)]
        )
        share, median = np.isfinite(when).mean(), np.median(when) / EVERY_SECONDS
        print(f"{name:52}{kind:>6}{share:8.1%}{median:17,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rollouts", type=int, default=10_000)
    parser.add_argument("--powers", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name has this text")
    options = parser.parse_args()
    false_rates(options.rollouts, options.seed, options.only)
    powers(options.powers, options.seed, options.only)


if __name__ == "__main__":
    main()
