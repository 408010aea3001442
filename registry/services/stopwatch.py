"""How long models take for the same inputs, one after the other in every round.

On a machine that does other things as well, a slow moment then meets all of them alike, so that
their ratios mean something where their milliseconds do not.
"""

from collections.abc import Callable, Mapping
from statistics import median

from registry.domain.observations import InputArray
from registry.exporting import Runs

MOST_ROUNDS, FEWEST_ROUNDS, SECONDS = 20, 3, 3.0
Clock = Callable[[], float]


def interleaved(
    models: Mapping[str, Runs],
    inputs: InputArray,
    clock: Clock,
    seconds: float = SECONDS,
    most: int = MOST_ROUNDS,
) -> dict[str, float]:
    """The median milliseconds of each model for one call with these inputs."""
    for run in models.values():
        run(inputs)  # the first call makes room
    taken: dict[str, list[float]] = {name: [] for name in models}
    start = clock()
    for done in range(most):
        if done >= FEWEST_ROUNDS and clock() - start > seconds:
            break
        for name, run in models.items():
            began = clock()
            run(inputs)
            taken[name].append(1000 * (clock() - began))
    return {name: median(times) for name, times in taken.items()}


def load_seconds(load: Callable[[], Runs], clock: Clock, times: int = 3) -> tuple[Runs, float]:
    """A loaded model, and the median time that loading took."""
    taken = []
    for _ in range(times):
        began = clock()
        loaded = load()
        taken.append(clock() - began)
    return loaded, median(taken)
