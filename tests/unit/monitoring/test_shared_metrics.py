"""One scrape tells of all processes behind a port, of each once, and never less than before."""

import math
import os
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from waiting import eventually

from monitoring.adapters.metrics import Metrics
from monitoring.adapters.shared_metrics import SILENT_SECONDS, SharedMetrics, file_of

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def told(body: bytes) -> Series:
    found: Series = {}
    names = []
    for family in text_string_to_metric_families(body.decode()):
        names.append(family.name)
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "told twice"
            found[key] = sample.value
    assert len(names) == len(set(names)), "Prometheus takes each family once"
    return found


def flags(body: bytes, worker: str) -> float | None:
    labels = frozenset({("code", "out-of-domain"), ("worker", worker)})
    return told(body).get(("stagegate_flags_total", labels))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Metrics, SharedMetrics, Metrics, SharedMetrics]:
    one, other = Metrics(), Metrics()
    return one, SharedMetrics(one, tmp_path, 1), other, SharedMetrics(other, tmp_path, 2)


def test_whoever_is_asked_tells_of_both(pair: tuple):
    one, by_one, other, by_other = pair
    one.flagged("out-of-domain")
    for _ in range(2):
        other.flagged("out-of-domain")
    other.inferred(4, 0.003)
    by_other.keep()
    body = by_one.render()[0]
    assert (flags(body, "1"), flags(body, "2")) == (1, 2)
    assert told(body)[("stagegate_batch_size_bucket", frozenset({("le", "4.0"), ("worker", "2")}))]


def test_nobody_tells_less_of_a_worker_than_it_told_itself(pair: tuple):
    one, by_one, _, by_other = pair
    by_one.keep()
    one.flagged("out-of-domain")  # after its file was written, and before it is asked
    assert flags(by_one.render()[0], "1") == 1
    assert flags(by_other.render()[0], "1") == 1


def test_what_is_read_from_the_database_is_told_once(pair: tuple):
    one, by_one, other, by_other = pair
    for metrics in (one, other):
        metrics.review_backlog({("waste", "sampled"): 3}, 12.0)
    by_other.keep()
    found = told(by_one.render()[0])
    assert found[("stagegate_review_oldest_seconds", frozenset())] == 12.0
    assert all("worker" not in dict(labels) for name, labels in found if "review_o" in name)


def test_a_worker_whose_file_is_gone_is_not_told_of(pair: tuple, tmp_path: Path):
    _, by_one, other, by_other = pair
    other.flagged("out-of-domain")
    by_other.keep()
    file_of(tmp_path, 2).unlink()
    assert flags(by_one.render()[0], "2") is None


def test_numbers_that_json_does_not_know_come_through(pair: tuple):
    _, by_one, other, by_other = pair
    other.gate("error-rate", "waste", math.inf)
    other.gate("drift", "waste", math.nan)
    by_other.keep()
    values = [
        v for (name, _), v in told(by_one.render()[0]).items() if name.endswith("gate_evidence")
    ]
    assert sorted(map(math.isnan, values)) == [False, True]
    assert math.inf in values


def test_a_worker_tells_its_own_metrics_though_it_cannot_write(pair: tuple, tmp_path: Path):
    one, by_one, *_ = pair
    one.flagged("out-of-domain")
    file_of(tmp_path, 1).with_suffix(".partial").mkdir()  # nobody can write there
    assert flags(by_one.render()[0], "1") == 1


def test_a_worker_keeps_its_file_new_and_takes_it_away_when_it_ends(tmp_path: Path):
    one, other = Metrics(), Metrics()
    by_one = SharedMetrics(one, tmp_path / "new", 1, every_seconds=0.01)
    by_other = SharedMetrics(other, tmp_path / "new", 2)
    by_one.start()
    one.flagged("out-of-domain")
    assert eventually(lambda: flags(by_other.render()[0], "1") == 1)
    by_one.close()
    assert flags(by_other.render()[0], "1") is None


def test_what_a_process_counted_that_is_silent_for_long_is_not_told_any_more(
    pair: tuple, tmp_path: Path
):
    _, by_one, other, by_other = pair
    other.flagged("out-of-domain")
    by_other.keep()
    assert flags(by_one.render()[0], "2") == 1
    long_ago = time.time() - 2 * SILENT_SECONDS
    os.utime(file_of(tmp_path, 2), (long_ago, long_ago))
    assert flags(by_one.render()[0], "2") is None


def test_exemplars_of_every_process_are_told_to_who_reads_them(pair: tuple):
    one, by_one, other, by_other = pair
    for metrics, name in ((one, "p-1"), (other, "p-2")):
        metrics.predicted(
            model="waste", version=1, stage="live", decided_by="model", outcome="final",
            seconds=0.2, names={"prediction_id": name, "trace_id": ""},
        )  # fmt: skip
    by_other.keep()
    body, kind = by_one.render(OPEN_METRICS)
    assert kind.startswith("application/openmetrics-text")
    named = {
        (sample.labels["worker"], sample.exemplar.labels["prediction_id"])
        for family in open_metrics(body.decode())
        for sample in family.samples
        if sample.exemplar
    }
    assert named == {("1", "p-1"), ("2", "p-2")}
    assert b"p-1" not in by_one.render()[0]
