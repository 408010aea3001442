"""Micro-batching: full batches under load, no waiting when idle, nobody suffers for another."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from serving_fakes import NOW, FakeRunner, Measured, image
from waiting import PATIENCE

from registry.domain.errors import Unavailable, UnsupportedInput
from registry.domain.observations import Observations
from serving.adapters.engine import Batching, Engine
from serving.domain.failure import ModelFailed


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def engine(runner: FakeRunner, pool: ThreadPoolExecutor | None, **batching: float) -> Engine:
    rules = Batching(**batching)  # type: ignore[arg-type]
    return Engine("waste@1", 1, runner, pool, Measured(), lambda: NOW, rules)


def blocked(runner: FakeRunner, made: Engine) -> threading.Event:
    """Keep the inference thread busy with one request."""
    gate = threading.Event()
    runner.gate = gate
    made.submit(image())
    assert runner.at_work.wait(PATIENCE)
    return gate


def test_requests_that_wait_run_in_one_batch(pool: ThreadPoolExecutor):
    runner = FakeRunner()
    made = engine(runner, pool, size=8, delay_seconds=PATIENCE)
    gate = blocked(runner, made)
    futures = [made.submit(image(label)) for label in ("glass", "metal", "paper")]
    gate.set()
    assert [future.result(PATIENCE).label for future in futures] == ["glass", "metal", "paper"]
    made.close()
    assert sum(runner.batches) == 4
    assert max(runner.batches) > 1
    assert runner.observed == 4


def test_whoever_has_left_takes_no_place_in_a_batch(pool: ThreadPoolExecutor):
    for where in (pool, None):
        runner = FakeRunner()
        made = engine(runner, where)
        gate = blocked(runner, made)
        left, stayed = made.submit(image("metal")), made.submit(image("glass"))
        assert left.cancel()
        gate.set()
        assert stayed.result(PATIENCE).label == "glass"
        made.close()
        assert sum(runner.batches) == 2
        assert left.cancelled()


def test_who_has_left_still_counts_until_the_input_is_let_go_of(pool: ThreadPoolExecutor):
    runner = FakeRunner()
    made = engine(runner, pool, under_way=3)
    gate = blocked(runner, made)
    for future in [made.submit(image()) for _ in range(2)]:
        assert future.cancel()
    with pytest.raises(Unavailable):
        made.submit(image())
    gate.set()
    made.close()
    assert made.submit(image())


def test_no_batch_is_larger_than_allowed(pool: ThreadPoolExecutor):
    runner = FakeRunner()
    made = engine(runner, pool, size=3)
    gate = blocked(runner, made)
    futures = [made.submit(image()) for _ in range(10)]
    gate.set()
    for future in futures:
        future.result(PATIENCE)
    made.close()
    assert max(runner.batches) <= 3


def test_a_lone_request_waits_for_nobody(pool: ThreadPoolExecutor):
    made = engine(FakeRunner(), pool, delay_seconds=1000 * PATIENCE)
    made.submit(image()).result(PATIENCE)
    made.close()


def test_too_many_requests_are_refused_and_there_is_room_again_later(pool: ThreadPoolExecutor):
    runner = FakeRunner()
    made = engine(runner, pool, under_way=2)
    gate = blocked(runner, made)
    second = made.submit(image())
    with pytest.raises(Unavailable, match="2 requests under way"):
        made.submit(image())
    gate.set()
    second.result(PATIENCE)
    assert made.submit(image()).result(PATIENCE)
    made.close()


def test_an_input_that_cannot_be_read_fails_alone(pool: ThreadPoolExecutor):
    made = engine(FakeRunner(), pool)
    bad, good = made.submit(b"nothing"), made.submit(image("metal"))
    assert good.result(PATIENCE).label == "metal"
    with pytest.raises(UnsupportedInput):
        bad.result(PATIENCE)
    made.close()


def test_what_nobody_waits_for_is_prepared_without_the_pool_that_versions_share():
    with ThreadPoolExecutor(1) as pool:
        made, hold = engine(FakeRunner(), pool), threading.Event()
        busy = pool.submit(hold.wait, PATIENCE)
        assert made.submit(image("metal"), aside=True).result(PATIENCE).label == "metal"
        assert not busy.done()
        hold.set()
        made.close()


class Resizing(FakeRunner):
    """Takes metal in another shape than all else."""

    def prepare(self, data: bytes) -> np.ndarray:
        array, side = super().prepare(data), 2 if b"metal" in data else 1
        return np.broadcast_to(array, (3, side, side))


def test_inputs_of_one_shape_share_a_batch_and_others_run_beside_it():
    runner = Resizing()
    made = engine(runner, None, size=8)
    gate = blocked(runner, made)
    labels = ("glass", "metal", "paper", "metal", "glass")
    futures = [made.submit(image(label)) for label in labels]
    gate.set()
    assert tuple(future.result(PATIENCE).label for future in futures) == labels
    made.close()
    assert sorted(runner.batches[1:]) == [2, 3]


class Allergic(FakeRunner):
    """Raises on a batch that holds a metal."""

    def run(self, inputs: np.ndarray) -> tuple[Observations, object]:  # type: ignore[override]
        self.begin()
        if (inputs[:, 0, 0, 0] == 1).any():
            raise RuntimeError("metal")
        return super().run(inputs)


def test_an_input_that_breaks_the_model_fails_alone(pool: ThreadPoolExecutor):
    runner = Allergic()
    made = engine(runner, pool, delay_seconds=PATIENCE)
    gate = blocked(runner, made)
    bad, good = made.submit(image("metal")), made.submit(image("paper"))
    gate.set()
    assert good.result(PATIENCE).label == "paper"
    with pytest.raises(ModelFailed, match="waste@1 failed on this input"):
        bad.result(PATIENCE)
    made.close()


class Mute(FakeRunner):
    """Gives no numbers."""

    def run(self, inputs: np.ndarray) -> tuple[Observations, object]:  # type: ignore[override]
        observations, scores = super().run(inputs)
        spread = np.full_like(observations.probabilities, np.nan)
        nothing = observations.labels
        return Observations(inputs, spread, spread, observations.features, nothing), scores


def test_probabilities_that_are_no_numbers_are_an_error_and_never_an_answer(
    pool: ThreadPoolExecutor,
):
    made = engine(Mute(), pool)
    with pytest.raises(ModelFailed, match="no numbers"):
        made.submit(image()).result(PATIENCE)
    made.close()


class Clumsy(FakeRunner):
    """Cannot transform what is an image."""

    def prepare(self, data: bytes) -> np.ndarray:
        raise ZeroDivisionError


def test_a_transform_that_raises_is_the_versions_failure(pool: ThreadPoolExecutor):
    made = engine(Clumsy(), pool)
    with pytest.raises(ModelFailed, match="ZeroDivisionError"):
        made.submit(image()).result(PATIENCE)
    made.close()


class Forgetful(FakeRunner):
    """Cannot count what it saw."""

    def observe(self, *_: object) -> None:
        raise RuntimeError("no memory")


def test_answers_go_on_when_the_live_window_cannot_be_counted(pool: ThreadPoolExecutor):
    made = engine(Forgetful(), pool)
    made.submit(image()).result(PATIENCE)
    assert made.submit(image("paper")).result(PATIENCE).label == "paper"
    made.close()


class Ends(FakeRunner):
    """Wants to end the process over metal, and paper has no shape to be put into a batch."""

    def prepare(self, data: bytes) -> np.ndarray:
        if data == image("paper"):
            return None  # type: ignore[return-value]
        return super().prepare(data)

    def run(self, inputs: np.ndarray) -> tuple[Observations, object]:  # type: ignore[override]
        if (inputs[:, 0, 0, 0] == 1).any():
            raise SystemExit(1)
        return super().run(inputs)


class EndsEarly(FakeRunner):
    """Wants to end the process as soon as it reads metal."""

    def prepare(self, data: bytes) -> np.ndarray:
        if data == image("metal"):
            raise SystemExit(1)
        return super().prepare(data)


class Curt(FakeRunner):
    """Leaves out the last of several inputs."""

    def run(self, inputs: np.ndarray) -> tuple[Observations, object]:  # type: ignore[override]
        return super().run(inputs[:-1] if len(inputs) > 1 else inputs)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize(
    ("runner", "bad"), [(Ends(), "metal"), (Ends(), "paper"), (EndsEarly(), "metal")]
)
def test_whatever_goes_wrong_in_a_turn_nobody_waits_for_ever_and_the_next_is_answered(
    pool: ThreadPoolExecutor, runner: FakeRunner, bad: str, pooled: bool
):
    before = threading.enumerate()
    made = engine(runner, pool if pooled else None)
    for _ in range(3):
        with pytest.raises(ModelFailed, match="waste@1 failed on this input"):
            made.submit(image(bad)).result(PATIENCE)
        assert made.submit(image("glass")).result(PATIENCE).label == "glass"
    made.close(PATIENCE)
    assert not [one for one in threading.enumerate() if one not in before and "infer" in one.name]


def test_a_row_that_the_model_leaves_out_fails_alone():
    runner = Curt()
    made = engine(runner, None)
    gate = blocked(runner, made)
    futures = [made.submit(image(label)) for label in ("glass", "metal", "paper")]
    gate.set()
    assert [future.result(PATIENCE).label for future in futures[:2]] == ["glass", "metal"]
    with pytest.raises(ModelFailed, match="waste@1 failed on this input"):
        futures[2].result(PATIENCE)
    made.close()


def test_a_caller_that_leaves_before_its_turn_is_not_run(pool: ThreadPoolExecutor):
    runner = FakeRunner()
    made = engine(runner, pool)
    hold = threading.Event()
    waiting = [pool.submit(hold.wait, PATIENCE) for _ in range(2)]
    left = made.submit(image())
    assert left.cancel()
    hold.set()
    for one in waiting:
        one.result(PATIENCE)
    made.submit(image()).result(PATIENCE)
    made.close()
    assert sum(runner.batches) == 1


def test_close_finishes_what_is_under_way(pool: ThreadPoolExecutor):
    runner = FakeRunner()
    made = engine(runner, pool)
    gate = blocked(runner, made)
    future = made.submit(image("metal"))
    closer = threading.Thread(target=made.close)
    closer.start()
    gate.set()
    closer.join(PATIENCE)
    assert not closer.is_alive()
    assert future.result(0).label == "metal"


class Announcing(FakeRunner):
    """Tells when it runs."""

    def run(self, inputs: np.ndarray) -> tuple[Observations, object]:  # type: ignore[override]
        self.began.set()
        return super().run(inputs)


def busy(runner: FakeRunner) -> tuple[Engine, threading.Event]:
    """An engine without a pool whose thread is in the middle of a request."""
    runner.began = threading.Event()  # type: ignore[attr-defined]
    made = engine(runner, None, size=8)
    gate = blocked(runner, made)
    assert runner.began.wait(PATIENCE)  # type: ignore[attr-defined]
    return made, gate


def test_without_a_pool_bad_inputs_fail_alone_and_the_others_share_a_batch():
    runner = Announcing()
    made, gate = busy(runner)
    good, bad, also = (made.submit(data) for data in (image("metal"), b"none", image("paper")))
    gate.set()
    assert (good.result(PATIENCE).label, also.result(PATIENCE).label) == ("metal", "paper")
    with pytest.raises(UnsupportedInput):
        bad.result(PATIENCE)
    made.close()
    assert runner.batches[-1] == 2


def test_who_leaves_before_their_turn_is_not_run_for():
    runner = Announcing()
    made, gate = busy(runner)
    left, stayed = made.submit(image()), made.submit(image("metal"))
    assert left.cancel()
    gate.set()
    assert stayed.result(PATIENCE).label == "metal"
    made.close()
    assert sum(runner.batches) == 2


def test_a_model_that_keeps_the_thread_busy_runs_in_smaller_batches(pool: ThreadPoolExecutor):
    runner = FakeRunner()
    made = engine(runner, pool, size=8, busy_seconds=0.0)
    gate = blocked(runner, made)
    futures = [made.submit(image()) for _ in range(4)]
    gate.set()
    for future in futures:
        future.result(PATIENCE)
    made.close()
    assert set(runner.batches) == {1}
