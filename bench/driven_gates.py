"""The product's own gates on the boundary, event by event, beside what `bench.gates` reckons.

    python -m bench.driven_gates [--rollouts 100] [--requests 300] [--seed 0] [--only TEXT]

Each rollout is started from a plan in a database of its own in memory, and a clock is set by hand.
Answers, verdicts, second opinions and gold items are written as the service writes them, the
rollout is paused and resumed, and after every event its gates are looked at as the controller does,
from running counts. What they say is held against the formulas on the same stream: the same verdict
after each event, and the same evidence. So what `bench.gates` finds in 10,000 runs holds for what
is delivered.
"""

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from bench.gates import DUE, Array, Flags, Random, path
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import evidence
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.plan_file import parse_plan
from registry.domain import evalues
from registry.domain.evidence import CheckKind, EvidenceRow, ReviewerCheck, Second
from registry.domain.gates import Judged
from registry.domain.reviewer_error import miss_rate_at_most
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.services.control import pause, resume
from registry.services.find import latest
from registry.services.judge import GateMemory, judge
from registry.services.start_rollout import start_rollout

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = 1_000_000
VISIT, LATE = 30 * SECOND, round(DUE * SECOND)
Times = npt.NDArray[np.int64]
PASS, HARM = -np.log(0.05), -np.log(0.01)
PLAN = """\
apiVersion: stagegate/v1
model: {{name: bears, version: 2, baseline: 1}}
unit: user_id
visit: 30s
stages:
- stage: manual-review
  review: {{sample: {sample:g}, due: 400s, gold: 0.05, opinions: {{audit: 2}}}}
  gates:
  - {{type: error-rate, at_most: 0.06}}
  - {{type: error-rate, at_most: 0.06, reviewers: gold}}
  - {{type: paired-loss, margin: 0.02}}
  - {{type: error-ratio, at_most: 1.5}}
  - {{type: agreement, at_least: 0.9}}
  - {{type: gold, at_least: 0.9}}
  deadline: {{after: 300d, then: hold}}
"""


class Driven:
    """One rollout of bears@2 against bears@1, and a clock."""

    def __init__(self, plan: str) -> None:
        self.database = Database("sqlite://")
        evidence.metadata.create_all(self.database.engine)
        self.memory = GateMemory()
        with self.database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            for number in (1, 2):
                unit.versions.add(
                    ModelVersion(
                        "bears", number, f"sha256:{number}", "file:///nowhere", "fastai",
                        ("teddy", "panda"), {}, "ann", NOW,
                    )
                )  # fmt: skip
            self.rollout = start_rollout(unit, parse_plan(plan), "bob", NOW, "r", "salt")

    def do(self, moment: int, change: Callable[[SqlUnitOfWork, datetime], object]) -> None:
        with self.database.begin() as connection:
            change(SqlUnitOfWork(connection), at(moment))

    def look(self, moment: int, *, afresh: bool = False) -> tuple[Judged, ...]:
        """What the gates say, from the running counts of the looks before.

        Where only time has passed those may be some seconds old; afresh: as whoever promotes looks.
        """
        with self.database.read() as connection:
            unit = SqlUnitOfWork(connection)
            self.rollout = latest(unit, "bears")
            memory = GateMemory() if afresh else self.memory
            return judge(unit, self.rollout, at(moment), memory).gates


def at(moment: int) -> datetime:
    """A time of the simulation, in microseconds as the database keeps them."""
    return NOW + timedelta(microseconds=int(moment))


# What happens: requests, verdicts on them, and gold items among them.


@dataclass(frozen=True)
class Work:
    """Things to be reviewed, in the order in which they came up; delay: until somebody did.

    Both in microseconds.
    """

    asked: Times
    delay: Times

    @property
    def late(self) -> Flags:
        return self.delay >= LATE

    def counted(self, moments: Times) -> Times:
        """How many count at each moment: those before the first that is still open."""
        final = np.maximum.accumulate(self.asked + np.minimum(self.delay, LATE))
        return np.searchsorted(final, moments, "right")


@dataclass(frozen=True)
class Stream:
    """One rollout's requests.

    wrong, theirs: what the candidate has wrong, and the baseline. apart: two reviewers disagree.
    chances: of review, by which `reviewed` was drawn. gold: the known items, of all of which the
    candidate has the wrong answer; overlooked: those on which a reviewer follows it.
    """

    who: Times
    work: Work
    wrong: Flags
    theirs: Flags
    apart: Flags
    chances: Array
    reviewed: Flags
    gold: Work
    overlooked: Flags
    pauses: Times

    def where(self, chosen: Flags) -> "Stream":
        """Only these requests; gold items are others."""
        work = Work(self.work.asked[chosen], self.work.delay[chosen])
        columns = (self.wrong, self.theirs, self.apart, self.chances, self.reviewed)
        return Stream(
            self.who[chosen], work, *(column[chosen] for column in columns),
            self.gold, self.overlooked, self.pauses,
        )  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """Of the candidate's errors, the baseline's, and of both at once."""

    mine: float
    theirs: float
    both: float
    disagreed: float


# On the bound of every gate of the plan at once, far below, and far above.
BOUNDARY = Rates(0.06, 0.04, 0.02, 0.1)
GOOD = Rates(0.005, 0.06, 0.0, 0.01)
BAD = Rates(0.3, 0.04, 0.02, 0.3)


def a_stream(rng: Random, rates: Rates, sample: float, requests: int) -> Stream:
    """Units that ask several times in a row; errors take 15 times longer to review."""
    n, crowd = requests, 100
    bursts = np.repeat(rng.integers(1, crowd + 1, n), rng.geometric(0.7, n))[:n]
    gaps = rng.exponential(4.0, n) + np.where(rng.random(n) < 0.005, 300.0, 0.0)
    asked = micro(1.0 + gaps.cumsum())
    lift = np.where(bursts <= crowd // 5, 4.0, 0.25)
    lot = rng.random(n)
    on_both = lot < rates.both * lift
    wrong = lot < rates.mine * lift
    theirs = on_both | (lot > 1 - (rates.theirs - rates.both) * lift)
    flagged = rng.random(n) < (0.0 if sample == 1 else 0.1)
    chances = np.where(flagged, 1.0, sample)
    reviewed = rng.random(n) < chances
    delay = micro(np.where(reviewed, rng.exponential(np.where(wrong, 150.0, 10.0)), 0.0))
    known = n // 5
    overlooked = rng.random(known) < rates.disagreed
    takes = micro(rng.exponential(np.where(overlooked, 150.0, 10.0)))
    planted = np.sort(rng.integers(SECOND, asked[-1], known))
    apart = rng.random(n) < rates.disagreed
    pauses = asked[np.flatnonzero(gaps > 300)] - 200 * SECOND
    return Stream(
        bursts, Work(asked, delay), wrong, theirs, apart, chances, reviewed,
        Work(planted, takes), overlooked, pauses,
    )  # fmt: skip


def micro(seconds: Array) -> Times:
    return (seconds * SECOND).astype(np.int64)


# What the formulas say of it.


def first_of_visits(stream: Stream) -> Flags:
    """Whoever asks again within a visit says nothing new."""
    began: dict[int, int] = {}
    first = np.zeros(len(stream.who), bool)
    for place, (who, moment) in enumerate(
        zip(stream.who.tolist(), stream.work.asked.tolist(), strict=True)
    ):
        first[place] = moment - began.get(who, -VISIT) >= VISIT
        if first[place]:
            began[who] = moment
    return first


def reckoned(stream: Stream, sample: float, moments: Times) -> Mapping[str, tuple[Array, ...]]:
    """Of each gate: log evidence to pass and of harm at each moment, and the need to pass."""
    some = stream.where(first_of_visits(stream))
    reviewed, late = some.reviewed, some.work.late
    worst, best = reviewed & (some.wrong | late), reviewed & some.wrong & ~late
    n = reviewed.cumsum()
    theta, known = 0.06, Work.counted(some.work, moments)
    found: dict[str, tuple[Array, ...]] = {}

    def put(name: str, for_pass: Array, for_harm: Array, places: Times) -> None:
        logs = (np.concatenate([[0.0], column])[places] for column in (for_pass, for_harm))
        found[name] = tuple(logs)

    never = np.full(len(n), -np.inf)
    if sample == 1:
        rate = evalues.log_pass(worst.cumsum(), n, theta), evalues.log_harm(best.cumsum(), n, theta)
    else:
        rate = (
            path((theta - worst / some.chances)[None], evalues.PASS_STAKES / (1 / sample - theta))[
                0
            ],
            path((best / some.chances - theta)[None], evalues.HARM_STAKES / theta)[0],
        )
    put("error-rate", *rate, known)
    for name, ratio, margin in (("paired-loss", 1.0, 0.02), ("error-ratio", 1.5, 0.0)):
        excess = (some.wrong - ratio * some.theirs) * reviewed
        worse = np.where(reviewed & late, 1.0, excess) / some.chances
        better = np.where(reviewed & late, -ratio, excess) / some.chances
        most = evalues.PAIR_STAKES / (1 / sample - margin)
        least = evalues.PAIR_STAKES / (ratio / sample + margin)
        logs = path((margin - worse)[None], most)[0], path((better - margin)[None], least)[0]
        put(name, *logs, known)
    apart = reviewed & (some.apart | late)
    put("agreement", evalues.log_pass(apart.cumsum(), n, 0.1), never, known)
    missed = (stream.overlooked | stream.gold.late).cumsum()
    planted = np.arange(1, len(missed) + 1)
    answered = Work.counted(stream.gold, moments)
    put("gold", evalues.log_pass(missed, planted, 0.1), np.full(len(missed), -np.inf), answered)
    found["error-rate by gold"] = (
        _by_gold(some, np.concatenate([[0], missed])[answered], answered, known, sample),
        found["error-rate"][1],
    )
    return found


def _by_gold(some: Stream, missed: Times, planted: Times, known: Times, sample: float) -> Array:
    """The error-rate gate's evidence where gold items bound what reviewers overlook."""
    worst = some.reviewed & (some.wrong | some.work.late)
    errors, n = (np.concatenate([[0], c.cumsum()])[known] for c in (worst, some.reviewed))
    logs = []
    for place, (m, k) in enumerate(zip(missed.tolist(), planted.tolist(), strict=True)):
        bound = 0.06 * (1 - miss_rate_at_most(m, k, 0.01))
        if bound <= 0:
            logs.append(0.0)
        elif sample == 1:
            logs.append(float(evalues.log_pass(errors[place], n[place], bound)))
        else:
            gains = bound - (worst / some.chances)[: known[place]]
            bet = path(gains[None], evalues.PASS_STAKES / (1 / sample))[0]
            logs.append(float(bet[-1]) if len(bet) else 0.0)
    return np.array(logs)


NEEDED = {"error-rate by gold": -np.log(0.04)}


def verdict(name: str, for_pass: float, for_harm: float) -> str:
    if for_harm >= HARM:
        return "failed"
    return "passed" if for_pass >= NEEDED.get(name, PASS) else "inconclusive"


# What the product says of it.


def events(stream: Stream) -> list[tuple[int, Callable[[Driven, int], None]]]:
    """Everything that happens, and when; what is past due by then is looked at, too."""
    happens: list[tuple[int, Callable[[Driven, int], None]]] = []
    for place in range(len(stream.who)):
        asked, delay = stream.work.asked[place], stream.work.delay[place]
        happens.append((asked, lambda d, t, place=place: d.do(t, ask(d, stream, place))))
        if stream.reviewed[place]:
            happens.append((asked + delay, lambda d, t, i=place: d.do(t, answer(stream, i))))
            happens.append((asked + LATE, nothing))
    for place in range(len(stream.overlooked)):
        asked, delay = stream.gold.asked[place], stream.gold.delay[place]
        happens.append((asked, lambda d, t, place=place: d.do(t, plant(place))))
        happens.append((asked + delay, lambda d, t, i=place: d.do(t, follow(stream, i))))
        happens.append((asked + LATE, nothing))
    for moment in stream.pauses.tolist():
        happens.append((moment, lambda d, t: d.do(t, lambda u, now: pause(u, "bears", "bob", now))))
        happens.append(
            (
                moment + 100 * SECOND,
                lambda d, t: d.do(t, lambda u, now: resume(u, "bears", "bob", now)),
            )
        )
    return sorted(happens, key=lambda one: one[0])


def nothing(driven: Driven, moment: int) -> None:
    """Only the time has come."""


def ask(driven: Driven, stream: Stream, i: int) -> Callable[[SqlUnitOfWork, datetime], None]:
    reviewed = bool(stream.reviewed[i])
    label, other = ("panda" if wrong else "teddy" for wrong in (stream.wrong[i], stream.theirs[i]))

    def write(unit: SqlUnitOfWork, now: datetime) -> None:
        row = EvidenceRow(
            "r", Stage.MANUAL_REVIEW, 0, f"p{i}", 2, label, float(stream.chances[i]), reviewed, now,
            due_at=now + timedelta(seconds=DUE) if reviewed else None,
            baseline_label=other, unit=int(stream.who[i]), drawn=True,
            epoch=driven.rollout.generation, second=Second.WANTED if reviewed else None,
        )  # fmt: skip
        unit.evidence.add([row])

    return write


def answer(stream: Stream, i: int) -> Callable[[SqlUnitOfWork, datetime], None]:
    def write(unit: SqlUnitOfWork, now: datetime) -> None:
        unit.evidence.second(f"p{i}", Second.DISAGREED if stream.apart[i] else Second.AGREED, now)
        unit.evidence.settle(f"p{i}", "teddy", "rae", now)

    return write


def plant(i: int) -> Callable[[SqlUnitOfWork, datetime], None]:
    return lambda unit, now: unit.checks.add(gold_item(i, now, waiting=True))


def follow(stream: Stream, i: int) -> Callable[[SqlUnitOfWork, datetime], None]:
    agreed = not stream.overlooked[i]
    return lambda unit, now: unit.checks.answer(gold_item(i, now, agreed=agreed))


def gold_item(
    i: int, now: datetime, *, agreed: bool = False, waiting: bool = False
) -> ReviewerCheck:
    due = now + timedelta(seconds=DUE)
    return ReviewerCheck(
        CheckKind.GOLD, "bears", f"g{i}", "rae", agreed, now, "r", False, waiting, due
    )


@dataclass(frozen=True)
class Found:
    """What one rollout has come to: which gates ever passed or failed, and what differed."""

    looks: int
    ever: frozenset[tuple[str, str]]
    differences: tuple[str, ...]


def drive(stream: Stream, sample: float) -> Found:
    """Look at the product's gates after every event, and hold them against the formulas."""
    driven, happens = Driven(PLAN.format(sample=sample)), events(stream)
    moments = np.array([moment for moment, _ in happens])
    said, ever, differences = reckoned(stream, sample, moments), set(), []
    for number, (moment, act) in enumerate(happens):
        act(driven, moment)
        for name, gate in zip(NAMES, driven.look(moment), strict=True):
            for_pass, for_harm = (float(column[number]) for column in said[name])
            numbers = gate.result.numbers
            expected = verdict(name, for_pass, for_harm)
            ever.add((name, expected))
            same = gate.result.verdict == expected and all(
                np.isclose(numbers.get(key, value), value, rtol=1e-9, atol=1e-9)
                for key, value in (("log_e_pass", for_pass), ("log_e_harm", for_harm))
            )
            if not same:
                differences.append(
                    f"{moment / SECOND:.3f} s, {name}: {expected} by {for_pass:.6g} and "
                    f"{for_harm:.6g}, but {gate.result.sentence} {dict(numbers)}"
                )
    driven.database.close()
    return Found(len(happens), frozenset(ever), tuple(differences))


NAMES = ("error-rate", "error-rate by gold", "paired-loss", "error-ratio", "agreement", "gold")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rollouts", type=int, default=100)
    arguments.add_argument("--requests", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only", default="", metavar="TEXT", help="worlds whose name has it")
    chosen = arguments.parse_args()
    for number, (name, rates, sample) in enumerate(WORLDS):
        if chosen.only not in name:
            continue
        began, rng = time.perf_counter(), np.random.default_rng([chosen.seed, number])
        found = [
            drive(a_stream(rng, rates, sample, chosen.requests), sample)
            for _ in range(chosen.rollouts)
        ]
        ever = Counter(itertools.chain.from_iterable(one.ever for one in found))
        differences = [said for one in found for said in one.differences]
        print(
            f"{name}: {chosen.rollouts} rollouts, {sum(one.looks for one in found)} looks at "
            f"{len(NAMES)} gates, {len(differences)} differ "
            f"({time.perf_counter() - began:.0f} s)"
        )
        for gate in NAMES:
            print(f"  {gate}: passed in {ever[gate, 'passed']}, failed in {ever[gate, 'failed']}")
        print("\n".join(differences[:5]), end="\n" if differences else "", flush=True)


WORLDS = (
    ("on the bound, all reviewed", BOUNDARY, 1.0),
    ("on the bound, a fifth sampled and flagged ones reviewed", BOUNDARY, 0.2),
    ("far below the bound, all reviewed", GOOD, 1.0),
    ("far above the bound, a fifth sampled and flagged ones reviewed", BAD, 0.2),
)

if __name__ == "__main__":
    main()
