"""Exemplars name single requests in the metrics, and there are never many of them."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from monitoring.adapters.exemplars import EVERY_SECONDS, SLOW_SECONDS, Exemplars
from monitoring.adapters.metrics import Metrics

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
DURATION = "stagegate_prediction_duration_seconds"


def answered(metrics: Metrics, name: str, seconds: float, trace: str = "") -> None:
    metrics.predicted(
        model="waste", version=1, stage="live", decided_by="model", outcome="final",
        seconds=seconds, names={"prediction_id": name, "trace_id": trace},
    )  # fmt: skip


def exemplars(metrics: Metrics) -> dict[str, dict[str, str]]:
    body, _ = metrics.render(OPEN_METRICS)
    return {
        sample.labels["le"]: dict(sample.exemplar.labels)
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.exemplar
    }


def test_a_slow_request_is_named_by_its_prediction_and_its_trace():
    metrics = Metrics()
    answered(metrics, "p-1", 0.3, trace="4bf92f3577b34da6a3ce929d0e0e4736")
    answered(metrics, "p-2", 0.7)
    assert exemplars(metrics) == {
        "0.5": {"prediction_id": "p-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"},
        "1.0": {"prediction_id": "p-2"},
    }


def test_there_is_one_for_each_bucket_however_many_requests_there_were():
    metrics = Metrics()
    for number in range(2000):
        answered(metrics, f"p-{number}", number / 100)
    found = exemplars(metrics)
    assert len(found) <= 14
    assert found["+Inf"] == {"prediction_id": "p-1999"}


def test_of_fast_requests_one_is_named_now_and_then():
    at = [0.0]
    chosen = Exemplars(lambda: at[0])

    def is_named(seconds: float) -> bool:
        return chosen.name(seconds, {"prediction_id": "p"}) is not None

    assert is_named(0.001)
    assert not is_named(0.001)
    assert is_named(SLOW_SECONDS)
    at[0] += EVERY_SECONDS
    assert is_named(0.001)


def test_whoever_asks_for_plain_text_gets_it_whole():
    metrics = Metrics()
    answered(metrics, "p-1", 0.3)
    body, kind = metrics.render()
    assert kind.startswith("text/plain")
    assert b"p-1" not in body
    assert b"# EOF" not in body
    opened, kind = metrics.render(OPEN_METRICS)
    assert kind.startswith("application/openmetrics-text")
    assert opened.count(b"# EOF") == 1
    assert opened.endswith(b"# EOF\n")
    assert b"stagegate_review_open" in opened, "what is read from the database is there, too"
