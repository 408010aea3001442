"""The product's gates on traffic, event by event, beside what `bench.traffic_gates` reckons.

    python -m bench.driven_traffic [--rollouts 30] [--requests 1500] [--seed 0] [--only TEXT]

As `bench.driven_gates`: a rollout in gradual in a database of its own in memory, stepped up from 5
to 25 and 50 %, paused and resumed. Requests are written as the service writes them, time-outs half
a minute later than others. After each of them, and when they have settled, the gates are looked at
from running counts: they say the same as the formulas, from the same evidence.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from bench import traffic_gates as sim
from bench.driven_gates import SECOND, Driven, Found, at
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import Arm
from registry.domain.exposure import Exposure
from registry.domain.stages import Stage
from registry.services.control import pause, resume
from registry.services.promote import promote

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
stages:
- stage: gradual
  steps: [{weight: 5}, {weight: 25}, {weight: 50}]
  gates:
  - {type: failures, at_most: 0.05, ratio_at_most: 2}
  - {type: latency, quantile: 0.9, ratio_at_most: 1.5}
  - {type: split}
  - {type: action-rate}
"""
STEPS = ((0.0, 0.05), (0.2, 0.25), (0.6, 0.5))
NAMES = ("failures", "latency", "split", "action-rate")


@dataclass(frozen=True)
class World:
    """How many times as often the candidate fails, as slow it is, and as often it gives a label."""

    failing: float
    slower: float
    alarming: float


BOUNDARY, SAME, WORSE = World(2, 1.5, 2), World(1, 1, 1), World(8, 4, 6)


@dataclass(frozen=True)
class Traffic:
    """Requests in the order in which they are written. steps: in which each was asked."""

    stream: sim.Stream
    failed: np.ndarray
    milliseconds: np.ndarray
    alarms: np.ndarray
    steps: np.ndarray


def traffic(rng: np.random.Generator, world: World, requests: int, units: int) -> Traffic:
    asked = np.arange(requests) * sim.EVERY_SECONDS + rng.uniform(0, 0.4, requests)
    asked = (asked * SECOND).astype(np.int64) / SECOND + 1
    activity = rng.lognormal(0, 1.5, units)
    who = rng.choice(units, requests, p=activity / activity.sum())
    steps = np.searchsorted([start for start, _ in STEPS], np.arange(requests) / requests, "right")
    shares = np.array([share for _, share in STEPS])[steps - 1]
    place, own = rng.random(units), rng.random(units)
    plain = sim.Stream(who.astype(np.int64) + 1, place[who] < shares, shares, asked, own[who])
    failed = sim.failing(plain, rng, 0.05, world.failing)
    written = asked + np.where(failed, sim.TIME_OUT, 0.0)
    order = np.argsort(written, kind="stable")
    stream = sim.Stream(
        plain.units[order], plain.candidate[order], shares[order], asked[order], plain.own[order],
        written[order],
    )  # fmt: skip
    ms, alarms = sim.timed(plain, rng, world.slower), sim.alarming(plain, world.alarming)
    return Traffic(
        stream, failed[order], ms[order], alarms[order] & ~failed[order], steps[order] - 1
    )


@dataclass(frozen=True)
class Reckoned:
    """The evidence of one gate over time; it needs this much to pass and to fail."""

    path: sim.Path
    to_pass: float
    to_fail: float

    def look(self, moment: float) -> tuple[float, float]:
        """What there is at a moment."""
        place = int(np.searchsorted(self.path[0], moment, "right")) - 1
        return (
            (float(self.path[1][place]), float(self.path[2][place])) if place >= 0 else (0.0, 0.0)
        )


def reckoned(some: Traffic) -> dict[str, Reckoned]:
    stream = some.stream
    slow, _ = sim.latency_path(stream, some.milliseconds, some.failed, 0.9, 1.5)
    acts, _ = sim.action_path(stream, some.alarms, 0.5, 2, 0.05)
    return {
        "failures": Reckoned(sim.failures_path(stream, some.failed, 0.05, 2), sim.PASS, sim.HARM),
        "latency": Reckoned(slow, sim.PASS, sim.HARM),
        "split": Reckoned(sim.split_path(stream), 100, sim.HARM),
        "action-rate": Reckoned(acts, sim.PASS + np.log(2), sim.HARM + np.log(4)),
    }


Act = Callable[[SqlUnitOfWork, datetime], object]


def happenings(some: Traffic, driven: Driven) -> Iterator[tuple[float, Act | None]]:
    """What is written and done, and moments at which only time has passed."""
    stream, found = some.stream, list[tuple[float, Act | None]]()
    found += [
        (moment, row(some, place, driven)) for place, moment in enumerate(stream.told.tolist())
    ]
    settled = stream.seconds[some.failed | (some.milliseconds > 40)] + sim.SETTLING_SECONDS + 0.0005
    found += [(moment, None) for moment in settled.tolist()]
    for step in (1, 2):
        begins = float(stream.seconds[some.steps == step].min()) - 0.05
        found.append(
            (
                begins,
                lambda unit, now: promote(
                    unit, "bears", "bob", now, override=True, reason="the next step"
                ),
            )
        )
    stop, on = (float(np.quantile(stream.seconds, part)) for part in (0.4, 0.5))
    found.append((stop, lambda unit, now: pause(unit, "bears", "bob", now)))
    found.append((on, lambda unit, now: resume(unit, "bears", "bob", now)))
    return iter(sorted(found, key=lambda one: one[0]))


def row(some: Traffic, i: int, driven: Driven) -> Act:
    stream, failed = some.stream, bool(some.failed[i])
    arm = Arm.CANDIDATE if stream.candidate[i] else Arm.BASELINE
    share, step = float(stream.shares[i]), int(some.steps[i])
    asked = at(round(float(stream.seconds[i]) * SECOND))
    ms, action = (
        None if failed else float(some.milliseconds[i]),
        "alarm" if some.alarms[i] else None,
    )

    def write(unit: SqlUnitOfWork, _: datetime) -> None:
        unit.exposures.add(
            Exposure(
                "r", Stage.GRADUAL, step, driven.rollout.generation, share, arm,
                int(stream.units[i]), action, failed, ms, asked,
            )
        )  # fmt: skip

    return write


def drive(some: Traffic) -> Found:
    """Look at the product's gates after every event, and hold them against the formulas."""
    driven, said, looks = Driven(PLAN), reckoned(some), 0
    ever, differences = set[tuple[str, str]](), list[str]()
    for moment, act in happenings(some, driven):
        now = round(moment * SECOND)
        if act is not None:
            driven.do(now, act)
        looks += 1
        gates = driven.look(now, afresh=act is None)
        for name, gate in zip(NAMES, gates, strict=True):
            for_pass, for_harm = said[name].look(moment)
            passes = for_pass >= said[name].to_pass and answered(some, driven, name, moment)
            verdict = "passed" if passes else "inconclusive"
            verdict = "failed" if for_harm >= said[name].to_fail else verdict
            ever.add((name, verdict))
            numbers = gate.result.numbers
            evidence = [(numbers.get("log_e_harm", for_harm), for_harm)]
            if name in ("failures", "latency"):
                evidence.append((numbers.get("log_e_pass", for_pass), for_pass))
            if gate.result.verdict != verdict or not all(
                np.isclose(found, expected, rtol=1e-9, atol=1e-9) for found, expected in evidence
            ):
                differences.append(
                    f"{moment:.4f} s, {name}: {verdict} by {for_pass:.6g} and {for_harm:.6g}, but "
                    f"{gate.result.verdict}: {gate.result.sentence} {dict(numbers)}"
                )
    driven.database.close()
    return Found(looks, frozenset(ever), tuple(differences))


def answered(some: Traffic, driven: Driven, name: str, moment: float) -> bool:
    """Whether the candidate has answered in the present step, without which only `split` passes."""
    here = (some.steps == driven.rollout.step) & some.stream.candidate
    return name == "split" or bool((some.stream.told[here] <= moment).any())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rollouts", type=int, default=30)
    arguments.add_argument("--requests", type=int, default=1_500)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only", default="", metavar="TEXT", help="worlds whose name has it")
    chosen = arguments.parse_args()
    for number, (name, world) in enumerate(WORLDS):
        if chosen.only not in name:
            continue
        began, rng = time.perf_counter(), np.random.default_rng([chosen.seed, number])
        found = [
            drive(traffic(rng, world, chosen.requests, chosen.requests // 5))
            for _ in range(chosen.rollouts)
        ]
        ever = Counter(verdict for one in found for verdict in one.ever)
        differences = [said for one in found for said in one.differences]
        print(
            f"{name}: {chosen.rollouts} rollouts, {sum(one.looks for one in found)} looks at "
            f"{len(NAMES)} gates, {len(differences)} differ ({time.perf_counter() - began:.0f} s)"
        )
        for gate in NAMES:
            print(f"  {gate}: passed in {ever[gate, 'passed']}, failed in {ever[gate, 'failed']}")
        print("\n".join(differences[:5]), end="\n" if differences else "", flush=True)


WORLDS = (("on the bounds", BOUNDARY), ("as the baseline", SAME), ("far worse", WORSE))

if __name__ == "__main__":
    main()
