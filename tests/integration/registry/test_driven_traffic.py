"""The product's gates on traffic say, event by event, what the formulas say that are simulated.

`python -m bench.driven_traffic` does the same at length; figures are in docs/statistics.md.
"""

import numpy as np
import pytest

from bench import driven_traffic as driven
from bench import traffic_gates as sim

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("world", "units", "reached"),
    [
        pytest.param(driven.BOUNDARY, 250, {("split", "passed")}, id="on the bounds"),
        pytest.param(
            driven.WORSE, 200, {("latency", "failed"), ("split", "passed")}, id="far worse"
        ),
    ],
)
def test_after_every_event_each_gate_says_what_the_simulated_formulas_say(
    world: driven.World, units: int, reached: set[tuple[str, str]]
) -> None:
    found = driven.drive(driven.traffic(np.random.default_rng(2), world, 300, units))
    assert found.differences == ()
    assert found.looks > 300
    assert reached <= found.ever


def test_the_comparison_tells_formulas_that_count_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Baseline events that count at once, while slower ones of the candidate are still missing."""
    some = driven.traffic(np.random.default_rng(2), driven.BOUNDARY, 200, 60)
    monkeypatch.setattr(sim, "SETTLING_SECONDS", 0.0)
    assert driven.drive(some).differences
