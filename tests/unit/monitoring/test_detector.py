"""The detector keeps its run length however often it is looked at, and finds shifts soon."""

from collections.abc import Callable

import numpy as np
import pytest
from synthetic import BLOCKS, LABELS, a_world

from monitoring.domain import profile as profiles
from monitoring.domain.binning import Bins, bins_at_quantiles
from monitoring.domain.detector import CLASS_EDGES, USUAL_BETS, Bets, Detector, Signal, signals_of
from monitoring.domain.profile import PREDICTED
from monitoring.domain.reference import PROFILE_FILE
from monitoring.services.fit_reference import MonitoringReferenceFitter

Shift = Callable[[np.ndarray, np.random.Generator], np.ndarray]
A = USUAL_BETS.run_length
CLASSES = 10
SIGNALS = 6


def inputs(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Six signals and a class, (rows, 7)."""
    return np.column_stack([rng.normal(size=(rows, SIGNALS)), rng.choice(CLASSES, size=rows)])


def darker(seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness by a standard deviation, contrast and the distance by half a one."""
    return seen + np.array([0.5, -1.0, -0.5, 0.0, 0.0, 0.0, 0.0])


def a_tenth_foreign(seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    foreign = rng.random(len(seen)) < 0.1
    return seen + foreign[:, None] * np.array([4.0, -3.0, 3.0, 0.0, 0.0, 0.0, 0.0])


def more_of_one_class(seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One class of ten rises from 10 to 25 %."""
    changed = seen.copy()
    changed[rng.random(len(seen)) < 1 / 6, -1] = 3
    return changed


class Watch:
    """A detector with a reference of its own, and the run length that it saw."""

    def __init__(self, rng: np.random.Generator, rows: int = 500, bets: Bets = USUAL_BETS) -> None:
        self.rng = rng
        reference = inputs(rows, rng)
        self.bins: list[Bins] = [
            bins_at_quantiles(column, with_tails=i == 0)
            for i, column in enumerate(reference.T[:-1])
        ]
        counts = [b.count(c).counts for b, c in zip(self.bins, reference.T, strict=False)]
        signals = [Signal(str(i), c, bets.edges) for i, c in enumerate(counts)]
        classes = np.bincount(reference[:, -1].astype(int), minlength=CLASSES)
        signals.append(Signal("class", tuple(classes.tolist()), CLASS_EDGES))
        self.detector = Detector(signals, bets)

    def see(self, seen: np.ndarray, batch: int = 1) -> int | None:
        """How many inputs it took until the first alarm; None without one."""
        first = None
        for i in range(0, len(seen), batch):
            self.see_all(seen[i : i + batch])
            if self.detector.report().evidence >= A and first is None:
                first = i + batch
        return first

    def waits(self, seen: np.ndarray, batch: int = 1) -> float:
        """How many inputs it takes until the first alarm, at which it stops; inf without one."""
        for i in range(0, len(seen), batch):
            self.see_all(seen[i : i + batch])
            if self.detector.report().evidence >= A:
                return i + batch
        return np.inf

    def see_all(self, seen: np.ndarray) -> None:
        columns = [b.places(c) for b, c in zip(self.bins, seen.T, strict=False)]
        places = np.column_stack([*columns, seen[:, -1].astype(int)])
        self.detector.see(places, self.rng.random(places.shape))


def delays(shift: Shift, streams: int = 15) -> list[float]:
    found = []
    for seed in range(streams):
        watch = Watch(np.random.default_rng(seed))
        watch.see(inputs(500, watch.rng), batch=10)
        found.append(watch.waits(shift(inputs(1000, watch.rng), watch.rng)))
    return found


def test_clean_streams_looked_at_after_each_batch_alarm_no_more_often_than_stated():
    """An average run length of 10,000 allows 30 % of streams of 3,000 to alarm; with 30 streams,
    17 lie beyond 3 standard errors of that."""
    alarmed = 0
    for seed in range(30):
        watch = Watch(np.random.default_rng(100 + seed))
        alarmed += watch.waits(inputs(3000, watch.rng), batch=10) < np.inf
    assert alarmed < 17


def test_evidence_grows_by_one_an_input_at_most_on_average():
    """The property behind the run length, over many short streams; heavy tails keep it below."""
    never = Bets(run_length=1e30)
    grown = []
    for seed in range(150):
        watch = Watch(np.random.default_rng(200 + seed), 60, never)
        watch.see(inputs(40, watch.rng))
        grown.append(watch.detector.evidence)
    assert np.mean(grown) < 40 + 3 * np.std(grown) / np.sqrt(len(grown))


def test_darker_inputs_are_found_within_60_in_the_median():
    assert np.median(delays(darker)) <= 60


def test_a_tenth_of_foreign_inputs_is_found_within_100_in_the_median():
    assert np.median(delays(a_tenth_foreign)) <= 100


def test_a_label_shift_is_found_within_250_in_the_median():
    assert np.median(delays(more_of_one_class)) <= 250


def test_an_alarm_is_reported_once_and_the_detector_starts_anew():
    watch = Watch(np.random.default_rng(1))
    watch.see_all(darker(inputs(100, watch.rng), watch.rng))
    assert watch.detector.report().evidence >= A
    assert watch.detector.report().evidence == watch.detector.evidence < A / 10


def test_a_shift_that_goes_on_alarms_again_and_again_and_never_after_it_is_over():
    watch = Watch(np.random.default_rng(2))
    alarms = [watch.see(darker(inputs(150, watch.rng), watch.rng)) for _ in range(8)]
    assert None not in alarms
    watch.detector.report()
    assert watch.see(inputs(500, watch.rng)) is None


def test_inputs_since_the_evidence_grew_are_about_those_since_the_shift():
    """In the median over streams, and counted on after the alarm until somebody asks."""
    away = []
    for seed in range(15):
        watch = Watch(np.random.default_rng(seed))
        watch.see(inputs(200, watch.rng))
        watch.see_all(darker(inputs(80, watch.rng), watch.rng))
        report = watch.detector.report()
        assert report.evidence >= A
        away.append(abs(report.grown_for - 80))
    assert np.median(away) <= 5


def test_while_there_is_little_evidence_nothing_is_said_to_grow():
    watch = Watch(np.random.default_rng(1))
    watch.see_all(inputs(20, watch.rng))
    report = watch.detector.report()
    assert report.evidence < A / 100
    assert report.grown_for == 0


def test_one_stream_gives_the_same_evidence_in_batches_of_any_size():
    one, other = Watch(np.random.default_rng(2)), Watch(np.random.default_rng(2))
    seen = inputs(60, np.random.default_rng(3))
    one.see(seen, batch=1)
    other.see(seen, batch=60)
    assert one.detector.evidence == other.detector.evidence > 0


def test_without_signals_there_is_no_evidence():
    detector = Detector([])
    detector.see(np.zeros((3, 0), dtype=np.int64), np.zeros((3, 0)))
    assert detector.evidence == 0


@pytest.mark.parametrize("held_out", [True, False])
def test_outputs_and_scores_are_watched_only_with_held_out_rows(held_out: bool):
    world, rng = a_world(), np.random.default_rng(4)
    calibration = [world.draw(60, rng)] if held_out else None
    files = MonitoringReferenceFitter().fit(LABELS, BLOCKS, [world.draw(100, rng)], calibration)
    names = {s.name for s in signals_of(profiles.from_json(files[PROFILE_FILE]))}
    images = {"brightness", "contrast", "sharpness", "saturation"}
    outputs = {"out of domain", "largest probability", PREDICTED}
    assert names == (images | outputs if held_out else images)
