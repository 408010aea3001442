"""Gates on traffic keep their error rates on the boundary, looked at after every event.

`python -m bench.traffic_gates` does the same at length; figures are in docs/statistics.md.
"""

from collections import Counter

import numpy as np
import pytest

from bench import traffic_gates as sim
from registry.domain.traffic import count, no_traffic

ROLLOUTS = 120


@pytest.mark.parametrize("name", sim.BOUNDARY)
def test_a_gate_on_the_boundary_errs_no_more_often_than_stated(name: str):
    kind, world = sim.BOUNDARY[name]
    level = sim.ALPHA_PASS if kind == "pass" else sim.ALPHA_HARM
    found, naive = sim.false_rate(world, kind, ROLLOUTS, [1], requests=1_200, units=150)
    assert found <= level + 3 * np.sqrt(level * (1 - level) / ROLLOUTS)
    if not name.endswith(", harm"):  # what the same looks do to a fixed test
        assert naive > level + 3 * np.sqrt(level * (1 - level) / ROLLOUTS)


def test_the_simulation_counts_what_the_gates_count():
    rng = np.random.default_rng(3)
    stream = sim.a_stream(rng, 3_000, 300)
    table = stream.table(
        failed=sim.failing(stream, rng, 0.05, 2), answer_ms=sim.timed(stream, rng, 1.5)
    )
    traffic = count(no_traffic([(0.9, 1.5)]), table)
    where, chances, arms, joined = sim.drawn(stream)
    drawn = sim.paths(chances, arms, ~arms)
    for chance, (mine, others) in drawn.items():
        assert traffic.draws.get((chance, True), 0) == mine[-1]
        assert traffic.draws.get((chance, False), 0) == others[-1]
    assert sum(traffic.joined.values()) == joined.sum()
    assert len(where) == sum(traffic.draws.values())
    assert traffic.slow[0].events


def test_units_that_go_on_failing_do_not_make_a_candidate_seem_worse_than_it_is():
    """Counting a unit's first failure ever, 25 % of these were rolled back, at twice the rate."""
    rng, runs = np.random.default_rng(3), 60
    harmed = 0
    for _ in range(runs):
        stream = sim.a_stream(rng, 12_000, 2_400)
        failed = sim.failing(stream, rng, 0.3, 2)
        harmed += np.isfinite(sim.failures(stream, failed, 0.001, 2, naive_pass=True)[1])
    assert harmed / runs <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / runs)


def test_the_simulation_counts_the_failures_that_the_gate_counts():
    rng = np.random.default_rng(4)
    stream = sim.a_stream(rng, 3_000, 300)
    failed = sim.failing(stream, rng, 0.2, 2)
    traffic = count(no_traffic(), stream.table(failed=failed))
    events, odds = sim.failing_draws(stream, failed)
    expected = Counter(zip(odds.tolist(), stream.candidate[events].tolist(), strict=True))
    assert traffic.failed == expected
    assert len(expected) > 6
