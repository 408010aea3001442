"""How often gates are wrong, and what they cost, by simulation.

    python -m bench.gates [--runs 10000] [--seed 0] [--parts bursts segments]

Every gate is looked at after every event. Candidates stand exactly on the bound that the gate must
reject. Wrong answers take 15 times longer to review, and some are past due before; requests come
from units of which a fifth has 16 times the error rate of the others; the rollout pauses now and
then. A false promotion is a run in which the gate passes at any time; what is allowed is alpha and
3 standard errors.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from registry.domain import evalues
from registry.domain.reviewer_error import miss_rate_at_most
from registry.domain.unit_lots import UnitLots
from registry.domain.visits import Visits

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Random = np.random.Generator

THETA, ALPHA, HARM = 0.05, 0.05, 0.01
PASS_NEEDED, HARM_NEEDED = -np.log(ALPHA), -np.log(HARM)
PORTION, UNITS, DUE = 200, 200, 400.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=0)
    names = [part.__name__ for part in PARTS]
    arguments.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART")
    chosen = arguments.parse_args()
    for number, part in enumerate(PARTS):
        if part.__name__ not in chosen.parts:
            continue
        began = time.perf_counter()
        print(f"\n{part.__doc__}")
        part(chosen.runs, np.random.default_rng([chosen.seed, number]))
        print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)


# How a rollout goes.


@dataclass(frozen=True)
class Looks:
    """late: verdicts past their due time. seen: prefixes that are ever all that counts."""

    late: Flags
    seen: Flags


def units(shape: tuple[int, int], rng: Random) -> tuple[npt.NDArray[np.int64], Array]:
    """Who asks each time, and how their error rate compares with the mean over all."""
    who = rng.integers(0, UNITS, shape)
    return who, np.where(who < UNITS // 5, 4.0, 0.25)


def errors(shape: tuple[int, int], rate: float, rng: Random) -> Flags:
    return rng.random(shape) < rate * units(shape, rng)[1]


def looks(wrong: Flags, rng: Random, reviewed: Flags | bool = True) -> Looks:
    """When verdicts come, and up to which answers they count whenever anybody looks."""
    pauses = np.where(rng.random(wrong.shape) < 0.002, 300.0, 0.0)
    asked = (1 + pauses).cumsum(axis=1)
    delay = np.where(reviewed, rng.exponential(np.where(wrong, 150.0, 10.0)), 0.0)
    final = asked + np.minimum(delay, DUE)
    before = np.maximum.accumulate(final, axis=1)
    seen = np.ones(wrong.shape, bool)
    seen[:, :-1] = final[:, 1:] > before[:, :-1]
    return Looks(delay >= DUE, seen)


def portions(runs: int, size: int = PORTION) -> Iterator[int]:
    for at in range(0, runs, size):
        yield min(size, runs - at)


# What the gate says to counts, as tables: evidence falls with the errors.


def most_to_pass(length: int, bound: float, needed: float = PASS_NEEDED) -> Array:
    n, s = np.arange(1, length + 1)[:, None], np.arange(0, length // 4)[None, :]
    return ((evalues.log_pass(s, n, bound) >= needed) & (s <= n)).sum(axis=1) - 1.0


def fewest_to_harm(length: int, bound: float, needed: float = HARM_NEEDED) -> Array:
    n, s = np.arange(1, length + 1)[:, None], np.arange(0, length // 2)[None, :]
    harms = (evalues.log_harm(s, n, bound) >= needed) & (s <= n)
    return np.where(harms.any(axis=1), harms.argmax(axis=1), np.inf)


def fixed_sample(bound: float, rate: float, power: float = 0.9) -> int:
    """The smallest sample with which an exact binomial test at ALPHA has this power."""
    sizes = np.arange(20, 2_000)
    most = stats.binom.ppf(ALPHA, sizes, bound)
    most -= stats.binom.cdf(most, sizes, bound) > ALPHA
    return int(sizes[stats.binom.cdf(most, sizes, rate) >= power][0])


def path(gains: Array, stakes: Array) -> Array:
    """The log e-value of a bet after each answer."""
    logs = np.full(gains.shape, -np.inf)
    for stake in stakes:
        np.logaddexp(logs, np.log1p(stake * gains).cumsum(axis=1), out=logs)
    return logs - np.log(len(stakes))


def first(hit: Flags) -> Array:
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)


def report(name: str, wrong: list[Flags], alpha: float) -> None:
    found = np.concatenate(wrong)
    limit = alpha + 3 * np.sqrt(alpha * (1 - alpha) / len(found))
    said = "within" if found.mean() <= limit else "ABOVE"
    print(f"  {name}: {found.mean():.2%} of {len(found)}, {said} {limit:.2%}")


def cost(name: str, needed: list[Array], most: float, fixed: int) -> None:
    found = np.concatenate(needed)
    mean = np.minimum(found, most).mean()
    print(
        f"  {name}: mean {mean:.0f}, median {np.median(found):.0f}; fixed sample of 90 % power "
        f"{fixed}: {mean / fixed:.2f} x; not passed within {most:.0f}: {np.isinf(found).mean():.2%}"
    )


# The gates.


def full(runs: int, rng: Random) -> None:
    """error-rate, every answer reviewed, at most 0.05"""
    length = 3_000
    most, fewest = most_to_pass(length, THETA), fewest_to_harm(length, THETA)
    promoted, naive, harmed, to_pass, to_harm = [], [], [], [], []
    n = np.arange(1, 2_001)
    simple = stats.binom.ppf(ALPHA, n, THETA)
    simple = np.where(stats.binom.cdf(simple, n, THETA) <= ALPHA, simple, simple - 1)
    for count in portions(runs):
        wrong = errors((count, length), THETA, rng)
        seen = looks(wrong, rng)
        promoted.append((((wrong | seen.late).cumsum(1) <= most) & seen.seen).any(1))
        harmed.append((((wrong & ~seen.late).cumsum(1) >= fewest) & seen.seen).any(1))
        naive.append((wrong[:, :2_000].cumsum(1) <= simple).any(1))
        to_pass.append(first(errors((count, length), 0.02, rng).cumsum(1) <= most))
        to_harm.append(first(errors((count, length), 2 * THETA, rng).cumsum(1) >= fewest))
    report("false promotions", promoted, ALPHA)
    print(f"  a naive exact test, looked at as often: {np.concatenate(naive).mean():.2%} promoted")
    report("false rollbacks", harmed, HARM)
    cost("reviews to pass, true rate 0.02", to_pass, length, fixed_sample(THETA, 0.02))
    print(f"  reviews to roll back a doubled rate: median {np.median(np.concatenate(to_harm)):.0f}")


def sampled(runs: int, rng: Random) -> None:
    """error-rate, a tenth of the answers sampled, at most 0.05"""
    _sampled(runs, rng, 0.0)


def sampled_and_flagged(runs: int, rng: Random) -> None:
    """the same, and a twentieth flagged and reviewed, which is wrong three times as often"""
    _sampled(runs, rng, 0.05)


def _sampled(runs: int, rng: Random, flagged_share: float) -> None:
    length, enough, sample = 4_000, 12_000, 0.1
    promoted, harmed, to_pass, to_harm = [], [], [], []

    def drawn(count: int, rate: float, length: int = length) -> tuple[Array, Flags, Array]:
        """Weighted losses, which are reviewed, and with what chance each was to be."""
        shape = (count, length)
        flagged = rng.random(shape) < flagged_share
        chances = np.where(flagged, 1.0, sample)
        lift = np.where(flagged, 3.0, 1.0) / (1 + 2 * flagged_share)
        wrong = rng.random(shape) < rate * lift * units(shape, rng)[1]
        reviewed = rng.random(shape) < chances
        return np.where(reviewed & wrong, 1 / chances, 0.0), reviewed, chances

    most = evalues.PASS_STAKES / (1 / sample - THETA)
    for count in portions(runs, 50):
        loss, reviewed, chances = drawn(count, THETA)
        seen = looks(loss > 0, rng, reviewed)
        late = seen.late
        worst = np.where(late, 1 / chances, loss)
        promoted.append(((path(THETA - worst, most) >= PASS_NEEDED) & seen.seen).any(1))
        kept = np.where(late, 0.0, loss)
        logs = path(kept - THETA, evalues.HARM_STAKES / THETA)
        harmed.append(((logs >= HARM_NEEDED) & seen.seen).any(1))
        loss, reviewed, _ = drawn(count, 0.02, enough)
        at = first(path(THETA - loss, most) >= PASS_NEEDED)
        used = reviewed.cumsum(1)[np.arange(count), np.minimum(at, enough).astype(int) - 1]
        to_pass.append(np.where(np.isinf(at), np.inf, used))
        loss, reviewed, _ = drawn(count, 2 * THETA)
        at = first(path(loss - THETA, evalues.HARM_STAKES / THETA) >= HARM_NEEDED)
        used = reviewed.cumsum(1)[np.arange(count), np.minimum(at, length).astype(int) - 1]
        to_harm.append(np.where(np.isinf(at), np.inf, used))
    report("false promotions", promoted, ALPHA)
    report("false rollbacks", harmed, HARM)
    most_reviews = enough * (sample + flagged_share * (1 - sample))
    cost("reviews to pass, true rate 0.02", to_pass, most_reviews, fixed_sample(THETA, 0.02))
    print(f"  reviews to roll back a doubled rate: median {np.median(np.concatenate(to_harm)):.0f}")


def by_gold(runs: int, rng: Random) -> None:
    """error-rate with reviewers: gold; reviewers overlook a fifth of the errors, at most 0.05

    One answer in twenty is a gold item; what is overlooked takes 15 times longer there.
    """
    length, missed, every = 2_000, 0.2, 20
    known = length // every
    bounds = np.array(
        [[miss_rate_at_most(m, k, ALPHA / 5) for m in range(known + 1)] for k in range(known + 1)]
    )
    promoted, unaware = [], []
    most, n = most_to_pass(length, THETA), np.arange(1, length + 1)
    for count in portions(runs):
        wrong = errors((count, length), THETA, rng)
        found = (wrong & (rng.random(wrong.shape) > missed)).cumsum(1)
        overlooks = rng.random((count, known)) < missed
        takes = rng.exponential(np.where(overlooks, 150.0, 10.0))
        misses = (overlooks | (takes >= DUE)).cumsum(1)
        misses = np.concatenate([np.zeros((count, 1), int), misses], axis=1)
        asked = np.arange(1, known + 1) * every
        final = np.maximum.accumulate(asked + np.minimum(takes, DUE), axis=1)
        gold = np.array([np.searchsorted(one, n, "right") for one in final])
        bound = THETA * (1 - bounds[gold, np.take_along_axis(misses, gold, axis=1)])
        near = (bound > 0) & (found + 0.5 < n * bound)  # elsewhere there is no evidence
        logs = np.full(found.shape, -np.inf)
        at = np.nonzero(near)
        logs[at] = evalues.log_pass(found[at], n[at[1]], bound[at])
        promoted.append((logs >= -np.log(0.8 * ALPHA)).any(1))
        unaware.append((found <= most).any(1))
    report("false promotions", promoted, ALPHA)
    print(f"  reviewers taken as faultless: {np.concatenate(unaware).mean():.2%} promoted")


def paired(runs: int, rng: Random) -> None:
    """paired-loss, margin 0.02; 4 % of the pairs go against the candidate, 2 % for it"""
    length, margin = 3_000, 0.02
    promoted, harmed, equal = [], [], []
    for_pass, for_harm = (evalues.PAIR_STAKES / (1 + sign * margin) for sign in (-1, 1))

    for count in portions(runs, 100):
        found = paired_excess((count, length), 0.04, 0.02, rng)
        seen = looks(found > 0, rng)
        worst = np.where(seen.late, 1.0, found)
        promoted.append(((path(margin - worst, for_pass) >= PASS_NEEDED) & seen.seen).any(1))
        best = np.where(seen.late, -1.0, found)
        harmed.append(((path(best - margin, for_harm) >= HARM_NEEDED) & seen.seen).any(1))
        good = paired_excess((count, length), 0.01, 0.03, rng)
        equal.append(first(path(margin - good, for_pass) >= PASS_NEEDED))
    report("false promotions", promoted, ALPHA)
    report("false rollbacks", harmed, HARM)
    print(f"  pairs to pass, better by 0.02: median {np.median(np.concatenate(equal)):.0f}")


def ratio_in_shadow(runs: int, rng: Random) -> None:
    """error-ratio in shadow, at most 1.5; 6 % errors against 4 %, half of these on both"""
    length, ratio = 3_000, 1.5
    promoted, harmed, better = [], [], []

    for count in portions(runs, 100):
        found = ratio_excess((count, length), (0.06, 0.04, 0.02), ratio, rng)
        seen = looks(found > 0, rng)
        worst = np.where(seen.late, 1.0, found)
        logs = path(-worst, evalues.PAIR_STAKES)
        promoted.append(((logs >= PASS_NEEDED) & seen.seen).any(1))
        best = np.where(seen.late, -ratio, found)
        logs = path(best, evalues.PAIR_STAKES / ratio)
        harmed.append(((logs >= HARM_NEEDED) & seen.seen).any(1))
        good = ratio_excess((count, length), (0.02, 0.04, 0.02), ratio, rng)
        better.append(first(path(-good, evalues.PAIR_STAKES) >= PASS_NEEDED))
    report("false promotions", promoted, ALPHA)
    report("false rollbacks", harmed, HARM)
    found = np.concatenate(better)
    print(f"  pairs to pass, half the baseline's errors: median {np.median(found):.0f}")


def paired_excess(shape: tuple[int, int], worse: float, better: float, rng: Random) -> Array:
    """Which pairs only the candidate has wrong (1), and which only the baseline (-1)."""
    lift = units(shape, rng)[1]
    lot = rng.random(shape)
    return np.where(lot < worse * lift, 1.0, np.where(lot > 1 - better * lift, -1.0, 0.0))


def ratio_excess(
    shape: tuple[int, int], rates: tuple[float, float, float], ratio: float, rng: Random
) -> Array:
    """The candidate's errors less ratio times the baseline's.

    rates: the candidate's, the baseline's, and of both at once.
    """
    mine, theirs, both = rates
    lift = units(shape, rng)[1]
    lot = rng.random(shape)
    on_both = lot < both * lift
    only_mine = ~on_both & (lot < mine * lift)
    only_theirs = lot > 1 - (theirs - both) * lift
    return (only_mine | on_both) - ratio * (only_theirs | on_both)


def paired_sampled(runs: int, rng: Random) -> None:
    """paired-loss, margin 0.02, a tenth sampled; flagged ones are all reviewed

    A flag comes to one pair in twenty, and to three in ten where the candidate is wrong.
    """

    def drawn(shape: tuple[int, int], *, good: bool) -> Array:
        return paired_excess(shape, *((0.01, 0.03) if good else (0.04, 0.02)), rng)

    _pairs_sampled(runs, rng, drawn, margin=0.02, ratio=1.0)


def ratio_in_shadow_sampled(runs: int, rng: Random) -> None:
    """error-ratio in shadow, at most 1.5, a tenth sampled; flagged ones are all reviewed"""
    ratio = 1.5

    def drawn(shape: tuple[int, int], *, good: bool) -> Array:
        return ratio_excess(shape, (0.02 if good else 0.06, 0.04, 0.02), ratio, rng)

    _pairs_sampled(runs, rng, drawn, margin=0.0, ratio=ratio)


def _pairs_sampled(
    runs: int, rng: Random, drawn: Callable[..., Array], margin: float, ratio: float
) -> None:
    """Pairs of which a tenth is reviewed by chance, weighed by the chances that were recorded.

    drawn: the excess of each pair, between -ratio and 1.
    """
    length, enough, sample = 4_000, 20_000, 0.1
    promoted, harmed, to_pass = [], [], []

    def weighed(excess: Array) -> tuple[Array, Array, Flags]:
        """The excess by its chance of review, that chance, and which are reviewed."""
        flagged = rng.random(excess.shape) < np.where(excess > 0, 0.3, 0.05)
        chances = np.where(flagged, 1.0, sample)
        reviewed = rng.random(excess.shape) < chances
        return np.where(reviewed, excess / chances, 0.0), chances, reviewed

    for_pass = evalues.PAIR_STAKES / (1 / sample - margin)
    for_harm = evalues.PAIR_STAKES / (ratio / sample + margin)
    for count in portions(runs, 50):
        excess = drawn((count, length), good=False)
        found, chances, reviewed = weighed(excess)
        seen = looks(excess > 0, rng, reviewed)
        worst = np.where(seen.late, 1 / chances, found)
        promoted.append(((path(margin - worst, for_pass) >= PASS_NEEDED) & seen.seen).any(1))
        best = np.where(seen.late, -ratio / chances, found)
        harmed.append(((path(best - margin, for_harm) >= HARM_NEEDED) & seen.seen).any(1))
        found, _, reviewed = weighed(drawn((count, enough), good=True))
        at = first(path(margin - found, for_pass) >= PASS_NEEDED)
        used = reviewed.cumsum(1)[np.arange(count), np.minimum(at, enough).astype(int) - 1]
        to_pass.append(np.where(np.isinf(at), np.inf, used))
    report("false promotions", promoted, ALPHA)
    report("false rollbacks", harmed, HARM)
    needed = np.concatenate(to_pass)
    print(
        f"  pairs reviewed to pass where it is as much better: median {np.median(needed):.0f}; "
        f"not passed within {enough} requests: {np.isinf(needed).mean():.2%}"
    )


def ratio_of_arms(runs: int, rng: Random) -> None:
    """error-ratio in gradual, at most 1: units stick, and err in bursts; steps of 10, 25, 50 %"""
    weights, each, population = (0.1, 0.25, 0.5), 400, 20_000
    promoted, harmed, by_answers = [], [], []
    for _ in range(runs):
        place, lots = rng.random(population), UnitLots()
        naive, fooled = 0.0, False
        chances, arms = [], []
        for share in weights:
            # A unit that errs does so several times in a row; its first error counts.
            who = rng.choice(population, each, replace=False)
            times, mine = rng.geometric(0.2, each), place[who] < share
            draws, lots = lots.draw(who, mine, share)
            chances.append(draws.chances)
            arms.append(draws.candidate)
            steps_naive = naive + evalues.log_pass((times * mine).cumsum(), times.cumsum(), share)
            fooled |= bool((steps_naive >= PASS_NEEDED).any())
            naive = float(steps_naive[-1])
        passed, harmful = side_by_side(np.concatenate(chances), np.concatenate(arms))
        promoted.append(np.array([passed]))
        harmed.append(np.array([harmful]))
        by_answers.append(fooled)
    report("false promotions", promoted, ALPHA)
    report("false rollbacks", harmed, HARM)
    print(f"  counting answers instead of units: {np.mean(by_answers):.2%} promoted")


def ratio_of_recurring_units(runs: int, rng: Random) -> None:
    """error-ratio in gradual, at most 1: the same units err in most of seven steps, 1 to 50 %"""
    weights = (1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0)
    for population, own in zip((30, 100, 300), rng.spawn(3), strict=True):
        said = np.array([recurring(own, population, weights) for _ in range(runs)])
        report(f"{population} units, false promotions", [said[:, 0]], ALPHA)
        report(f"{population} units, false rollbacks", [said[:, 1]], HARM)
        few = range(max(runs // 10, 1))
        said = np.array([recurring(own, population, weights, anew=True) for _ in few])
        print(
            f"  each step taken as a fresh draw, {len(few)} runs: {said[:, 0].mean():.2%} promoted"
        )


def recurring(
    rng: Random, population: int, weights: tuple[float, ...], *, anew: bool = False
) -> tuple[bool, bool]:
    """Whether a candidate that is as good as the baseline passes, and whether it fails.

    Half of the units err in every step in which they ask, the others in one of three. anew: as if
    each step drew all units anew.
    """
    place, lots = rng.random(population), UnitLots()
    often = np.where(rng.random(population) < 0.5, 1.0, 1 / 3)
    chances, arms = [], []
    for weight in weights:
        share = weight / 100
        asks = rng.permutation(population)
        asks = asks[rng.random(population) < 0.9]
        draws, lots = (UnitLots() if anew else lots).draw(asks, place[asks] < share, share)
        errs = rng.random(len(draws.positions)) < often[asks[draws.positions]]
        chances.append(draws.chances[errs])
        arms.append(draws.candidate[errs])
    return side_by_side(np.concatenate(chances), np.concatenate(arms))


def side_by_side(chances: Array, arms: Flags) -> tuple[bool, bool]:
    """Whether the gate ever passes and ever fails at a ratio of 1, looked at after every error."""
    for_pass, for_harm = best_of_both(chances, arms)
    return for_pass >= PASS_NEEDED, for_harm >= HARM_NEEDED


def best_of_both(chances: Array, arms: Flags) -> tuple[float, float]:
    """The most evidence that there ever is to pass and of harm, at a ratio of 1."""
    gains = np.zeros((2, len(chances)))
    for chance in np.unique(chances[chances < 1]):
        here = chances == chance
        mine, n = arms[here].cumsum(), np.arange(1, here.sum() + 1)
        for row, weigh in zip(gains, (evalues.log_pass, evalues.log_harm), strict=True):
            row[here] = np.diff(weigh(mine, n, float(chance)), prepend=0.0)
    for_pass, for_harm = gains.cumsum(axis=1).max(axis=1, initial=0.0)
    return float(for_pass), float(for_harm)


def ratio_in_segments(runs: int, rng: Random) -> None:
    """error-ratio per segment in gradual, at most 1: ten, units err in most of seven steps"""
    for population, own in zip((100, 1_000), rng.spawn(2), strict=True):
        said = np.array([recurring_in_segments(own, population, 10) for _ in range(runs)])
        report(f"{population} units, all segments pass", [said[:, 0]], ALPHA)
        report(f"{population} units, one named before passes", [said[:, 1]], ALPHA)
        report(f"{population} units, false rollbacks", [said[:, 2]], HARM)
        print(f"  the same if no segment paid for the others: {said[:, 3].mean():.2%} rolled back")


def recurring_in_segments(rng: Random, population: int, count: int) -> tuple[bool, ...]:
    """Whether all segments and the whole pass, one that was named does, harm is found, and naively.

    The candidate is as good as the baseline everywhere. Each unit has a segment in which it asks
    nine times in ten; half of the units err in every step in which they ask, the others in one of
    three. A unit that asks from two segments counts in each.
    """
    weights = (1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0)
    place, home = rng.random(population), rng.integers(0, count, population)
    often = np.where(rng.random(population) < 0.5, 1.0, 1 / 3)
    lots = [UnitLots() for _ in range(count + 1)]
    found: list[list[tuple[Array, Flags]]] = [[] for _ in lots]
    for weight in weights:
        share = weight / 100
        asks = rng.permutation(np.repeat(np.arange(population), 2))
        asks = asks[rng.random(len(asks)) < 0.6]
        away = rng.random(len(asks)) < 0.1
        where = np.where(away, rng.integers(0, count, len(asks)), home[asks])
        errs = rng.random(population) < often  # in this step, whenever it asks
        parts = [asks, *(asks[where == segment] for segment in range(count))]
        for number, rows in enumerate(parts):
            draws, lots[number] = lots[number].draw(rows, place[rows] < share, share)
            wrong = errs[rows[draws.positions]]
            found[number].append((draws.chances[wrong], draws.candidate[wrong]))
    logs = [best_of_both(*map(np.concatenate, zip(*some, strict=True))) for some in found]
    passes = [for_pass >= PASS_NEEDED for for_pass, _ in logs]
    tests = [2, *(j * (j + 1) for j in range(2, count + 2))]
    harms = [log >= np.log(n / HARM) for (_, log), n in zip(logs, tests, strict=True)]
    return all(passes), passes[1], any(harms), any(log >= HARM_NEEDED for _, log in logs)


def reviewers(runs: int, rng: Random) -> None:
    """agreement and gold, at least 0.9"""
    length = 1_000
    most = most_to_pass(length, 0.1)
    passed, as_they_come = [], []
    for count in portions(runs):
        wrong = errors((count, length), 0.1, rng)
        seen = looks(wrong, rng)
        passed.append((((wrong | seen.late).cumsum(1) <= most) & seen.seen).any(1))
        done = np.arange(length) + rng.exponential(np.where(wrong, 150.0, 10.0))
        in_time = np.take_along_axis(wrong, np.argsort(done, axis=1), axis=1)
        as_they_come.append((in_time.cumsum(1) <= most).any(1))
    report("passed on the bound", passed, ALPHA)
    print(f"  counted as they come: {np.concatenate(as_they_come).mean():.2%} passed")


def segments(runs: int, rng: Random) -> None:
    """error-rate per segment, ten of them, all on the bound: harm in any of them"""
    length, count_of = 3_000, 10
    needed = [fewest_to_harm(length, THETA, np.log(2 / HARM))]
    needed += [
        fewest_to_harm(length, THETA, np.log(j * (j + 1) / HARM)) for j in range(2, count_of + 2)
    ]
    harmed = []
    for count in portions(runs):
        wrong = errors((count, length), THETA, rng)
        where = rng.integers(0, count_of, wrong.shape)
        hit = (wrong.cumsum(1) >= needed[0]).any(1)
        for segment in range(count_of):
            mine = where == segment
            reviewed = np.maximum(mine.cumsum(1), 1)
            hit |= ((wrong & mine).cumsum(1) >= needed[segment + 1][reviewed - 1]).any(1)
        harmed.append(hit)
    report("false rollbacks", harmed, HARM)


def paired_segments(runs: int, rng: Random) -> None:
    """paired-loss per segment, ten of them, all on the bound, margin 0.02: harm in any of them"""
    length, margin = 3_000, 0.02
    harmed = []
    for count in portions(runs, 50):
        lift, lot = units((count, length), rng)[1], rng.random((count, length))
        excess = np.where(lot < 0.04 * lift, 1.0, np.where(lot > 1 - 0.02 * lift, -1.0, 0.0))
        stakes = evalues.PAIR_STAKES / (1 + margin)
        harmed.append(harm_in_segments(excess - margin, stakes, rng))
    report("false rollbacks", harmed, HARM)


def ratio_in_shadow_segments(runs: int, rng: Random) -> None:
    """error-ratio per segment in shadow, ten of them at the bound of 1.5: harm in any of them"""
    length, ratio = 3_000, 1.5
    harmed = []
    for count in portions(runs, 50):
        lift, lot = units((count, length), rng)[1], rng.random((count, length))
        both = lot < 0.02 * lift
        mine, theirs = lot < 0.06 * lift, both | (lot > 1 - 0.02 * lift)
        harmed.append(harm_in_segments(mine - ratio * theirs, evalues.PAIR_STAKES / ratio, rng))
    report("false rollbacks", harmed, HARM)


def harm_in_segments(gains: Array, stakes: Array, rng: Random, count_of: int = 10) -> Flags:
    """Whether bets find harm in all answers or in any segment, as many tests as each pays for."""
    where = rng.integers(0, count_of, gains.shape)
    hit = (path(gains, stakes) >= np.log(2 / HARM)).any(1)
    for j in range(2, count_of + 2):
        mine = np.where(where == j - 2, gains, 0.0)
        hit |= (path(mine, stakes) >= np.log(j * (j + 1) / HARM)).any(1)
    return np.asarray(hit)


def bursts(runs: int, rng: Random) -> None:
    """units ask in bursts, ten answers in the mean, and one in twenty is always wrong"""
    for crowd in (400, 20_000):
        said = np.array([burst(rng, crowd) for _ in range(runs)])
        names = (
            ("error-rate, false promotions", ALPHA),
            ("error-rate, false rollbacks", HARM),
            ("error-rate, a tenth sampled, false promotions", ALPHA),
            ("error-rate, a tenth sampled, false rollbacks", HARM),
            ("paired-loss, false promotions", ALPHA),
            ("paired-loss, false rollbacks", HARM),
            ("agreement, passed on the bound", ALPHA),
        )
        for (name, alpha), found in zip(names, said.T, strict=False):
            report(f"{crowd} units, {name}", [found], alpha)
        print(f"  `visit: 0s`, each answer by itself: {said[:, -2].mean():.2%} promoted, ", end="")
        print(f"{said[:, -1].mean():.2%} rolled back")


def burst(rng: Random, crowd: int, visits: int = 800) -> tuple[bool, ...]:
    """Which gates pass and fail on a version that is wrong for exactly one unit in twenty.

    `paired-loss` has a margin of 0.05 and a baseline that is never wrong. `agreement` asks for 0.95
    of reviewers who are asked both about half of the answers, and disagree on those of the same
    units. At last the error-rate gate if each answer counted by itself.
    """
    who, asked = visiting(visits, crowd, rng)
    bad = np.zeros(crowd, bool)
    bad[rng.choice(crowd, round(crowd * THETA), replace=False)] = True
    first_ones, _ = Visits(86_400.0).meet(who + 1, asked)
    wrong = bad[who][first_ones][None, :]
    seen = looks(wrong, rng)
    n, worst, best = np.arange(1, wrong.shape[1] + 1), wrong | seen.late, wrong & ~seen.late
    drawn, sample = rng.random(wrong.shape) < 0.1, 0.1
    twice = rng.random(wrong.shape) < 0.5
    most = evalues.PASS_STAKES / (1 / sample - THETA)
    logs = (
        evalues.log_pass(worst.cumsum(1), n, THETA),
        evalues.log_harm(best.cumsum(1), n, THETA),
        path(THETA - (drawn & worst) / sample, most),
        path((drawn & best) / sample - THETA, evalues.HARM_STAKES / THETA),
        path(THETA - worst, evalues.PAIR_STAKES / (1 - THETA)),
        path(np.where(seen.late, -1.0, wrong) - THETA, evalues.PAIR_STAKES / (1 + THETA)),
        evalues.log_pass((twice & worst).cumsum(1), np.maximum(twice.cumsum(1), 1), THETA),
    )
    needed = (*(PASS_NEEDED, HARM_NEEDED) * 3, PASS_NEEDED)
    said = [bool((log[seen.seen] >= most).any()) for log, most in zip(logs, needed, strict=True)]
    every = np.arange(10, len(who) + 1, 10)
    errors_of = bad[who].cumsum()[every - 1]
    naive = (evalues.log_pass(errors_of, every, THETA), evalues.log_harm(errors_of, every, THETA))
    by_answers = [bool((log >= most).any()) for log, most in zip(naive, needed[:2], strict=True)]
    return (*said, *by_answers)


def visiting(visits: int, crowd: int, rng: Random) -> tuple[npt.NDArray[np.int64], Array]:
    """Who asks when: visits of ten answers in the mean, half a minute apart, many at a time."""
    starts = rng.exponential(200.0, visits).cumsum()
    times = rng.geometric(0.1, visits)
    who = np.repeat(rng.integers(0, crowd, visits), times)
    within = rng.exponential(30.0, len(who)).cumsum()
    begins = np.concatenate([[0], times.cumsum()[:-1]])
    asked = np.repeat(starts, times) + within - np.repeat(within[begins], times)
    order = np.argsort(asked, kind="stable")
    return who[order], asked[order]


PARTS = (
    full, sampled, sampled_and_flagged, by_gold, paired, ratio_in_shadow, ratio_of_arms, reviewers,
    segments, ratio_of_recurring_units, bursts, paired_segments, ratio_in_segments,
    ratio_in_shadow_segments, paired_sampled, ratio_in_shadow_sampled,
)  # fmt: skip

if __name__ == "__main__":
    main()
