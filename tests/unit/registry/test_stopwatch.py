"""Timing models beside each other, by a clock that only goes when they work."""

import numpy as np

from registry.services.stopwatch import MOST_ROUNDS, interleaved, load_seconds


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def model(self, name: str, seconds: list[float], calls: list[str]):
        pace = iter(seconds)

        def run(inputs: np.ndarray) -> list[np.ndarray]:
            calls.append(name)
            self.now += next(pace)
            return [inputs]

        return run


def test_the_first_call_is_left_out_and_models_take_turns():
    clock, calls = Clock(), []
    models = {
        "slow": clock.model("slow", [50.0, 2.0, 4.0, 3.0], calls),
        "fast": clock.model("fast", [9.0, 1.0, 1.0, 1.0], calls),
    }
    found = interleaved(models, np.zeros(1), clock, seconds=0)
    assert found == {"slow": 3000.0, "fast": 1000.0}
    assert calls == ["slow", "fast"] * 4


def test_a_fast_model_is_not_asked_for_ever():
    clock, calls = Clock(), []
    interleaved({"one": clock.model("one", [0.0] * 100, calls)}, np.zeros(1), clock)
    assert len(calls) == 1 + MOST_ROUNDS


def test_loading_is_timed_by_its_median():
    clock = Clock()
    pace = iter([9.0, 1.0, 2.0])

    def load():
        clock.now += next(pace)
        return lambda inputs: [inputs]

    assert load_seconds(load, clock)[1] == 2.0
