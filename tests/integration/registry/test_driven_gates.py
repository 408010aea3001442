"""The product's gates say, event by event, what the formulas say that the simulations run.

`python -m bench.driven_gates` does the same at length; figures are in docs/statistics.md.
"""

import numpy as np
import pytest

from bench import driven_gates as sim

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("rates", "sample", "requests", "reached"),
    [
        pytest.param(sim.BOUNDARY, 1.0, 60, set(), id="on the bound"),
        pytest.param(sim.BOUNDARY, 0.2, 60, set(), id="on the bound, a fifth sampled"),
        pytest.param(
            sim.GOOD, 1.0, 120,
            {("error-rate", "passed"), ("agreement", "passed")},
            id="far below it",
        ),
        pytest.param(
            sim.BAD, 1.0, 60,
            {("error-rate", "failed"), ("error-rate by gold", "failed")},
            id="far above it",
        ),
    ],
)  # fmt: skip
def test_after_every_event_each_gate_says_what_the_simulated_formulas_say(
    rates: sim.Rates, sample: float, requests: int, reached: set[tuple[str, str]]
) -> None:
    found = sim.drive(sim.a_stream(np.random.default_rng(1), rates, sample, requests), sample)
    assert found.differences == ()
    assert found.looks > 2 * requests
    assert reached <= found.ever


def test_the_comparison_tells_a_gate_that_decides_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted as verdicts come in, not in prediction order, the same stream differs."""
    stream = sim.a_stream(np.random.default_rng(1), sim.BOUNDARY, 1.0, 40)

    def as_they_come(work: sim.Work, moments: sim.Times) -> sim.Times:
        return np.searchsorted(np.sort(work.asked + work.delay), moments, "right")

    monkeypatch.setattr(sim.Work, "counted", as_they_come)
    assert sim.drive(stream, 1.0).differences
