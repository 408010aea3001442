"""The names and labels that dashboards and alert rules rely on."""

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitoring.adapters.metrics import Metrics
from registry.domain.evidence import DriftMeasurement

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def samples(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def a_measurement(**changes: object) -> DriftMeasurement:
    test = {"feature": "brightness", "test": "KS", "statistic": 0.4, "p_adjusted": 1e-9}
    detail = {"tests": [test], "out_of_domain": {"ratio": 0.02}} | changes
    return DriftMeasurement("waste", 1, NOW, NOW, 120, True, "shift", detail, NOW)


def test_every_metric_of_the_contract_is_exposed():
    metrics = Metrics()
    metrics.predicted(
        model="waste", version=1, stage="live", decided_by="model", outcome="final", seconds=0.02
    )
    metrics.flagged("out-of-domain")
    metrics.queued(0.001)
    metrics.preprocessed(0.002)
    metrics.inferred(4, 0.003)
    metrics.committed(0.004)
    metrics.review_backlog({("waste", "sampled"): 3}, 12.0)
    metrics.reviewed()
    metrics.measured(a_measurement())
    metrics.gate("error-rate", "waste", 7.5)
    metrics.rollouts({"waste": (4, 25.0)})
    metrics.alerted("waste", "drift")
    found = samples(metrics)
    drift = (("feature", "brightness"), ("model", "waste"), ("test", "KS"))
    waste = (("model", "waste"),)
    prediction = {
        "model": "waste",
        "version": "1",
        "stage": "live",
        "decided_by": "model",
        "outcome": "final",
    }
    assert found["stagegate_predictions_total"] == {tuple(sorted(prediction.items())): 1}
    assert found["stagegate_flags_total"] == {(("code", "out-of-domain"),): 1}
    for what in ("prediction", "queue", "preprocess", "inference", "commit"):
        assert found[f"stagegate_{what}_duration_seconds_count"] == {(): 1}
    assert found["stagegate_batch_size_sum"] == {(): 4}
    assert found["stagegate_review_open"] == {(("queue", "waste"), ("reason", "sampled")): 3}
    assert found["stagegate_review_oldest_seconds"] == {(): 12}
    assert found["stagegate_review_decisions_total"] == {(): 1}
    assert found["stagegate_drift_statistic"] == {drift: 0.4}
    assert found["stagegate_drift_p_value"] == {drift: 1e-9}
    assert found["stagegate_drift_alarm"] == {waste: 1}
    assert found["stagegate_out_of_domain_ratio"] == {waste: 0.02}
    assert found["stagegate_gate_evidence"] == {(("gate", "error-rate"), *waste): 7.5}
    assert found["stagegate_rollout_generation"] == {waste: 4}
    assert found["stagegate_rollout_weight"] == {waste: 25}
    assert found["stagegate_alerts_total"] == {(("kind", "drift"), *waste): 1}


def test_two_processes_worth_of_metrics_do_not_meet():
    one, other = Metrics(), Metrics()
    one.flagged("x")
    assert samples(other).get("stagegate_flags_total", {}) == {}


def test_a_reason_that_nobody_waits_for_any_more_disappears():
    metrics = Metrics()
    metrics.review_backlog({("waste", "sampled"): 3}, 12.0)
    metrics.review_backlog({}, 0.0)
    assert samples(metrics).get("stagegate_review_open", {}) == {}


def test_a_request_that_no_version_answers_is_counted_under_none():
    metrics = Metrics()
    metrics.predicted(
        model="waste", version=None, stage="manual-review", decided_by=None, outcome="held"
    )
    ((labels, value),) = samples(metrics)["stagegate_predictions_total"].items()
    assert (dict(labels)["version"], dict(labels)["decided_by"], value) == ("none", "nobody", 1)


def test_a_version_without_a_scorer_has_no_ratio():
    metrics = Metrics()
    metrics.measured(a_measurement(out_of_domain=None))
    (value,) = samples(metrics)["stagegate_out_of_domain_ratio"].values()
    assert value != pytest.approx(value, nan_ok=False)


def test_what_was_measured_of_a_model_is_gone_when_nobody_watches_it():
    metrics = Metrics()
    metrics.measured(a_measurement())
    metrics.watching(["waste"])
    assert samples(metrics)["stagegate_drift_alarm"]
    metrics.watching([])
    assert "stagegate_drift_alarm" not in samples(metrics)
    assert "stagegate_drift_statistic" not in samples(metrics)


def test_a_process_that_no_longer_leads_shows_no_drift_and_no_rollout():
    metrics = Metrics()
    metrics.measured(a_measurement())
    metrics.rollouts({"waste": (4, 25.0)})
    metrics.gate("error-rate", "waste", 7.5)
    metrics.stood_down()
    found = samples(metrics)
    gone = ("drift_alarm", "drift_p_value", "rollout_generation", "rollout_weight", "gate_evidence")
    assert not [name for name in gone if f"stagegate_{name}" in found]


def test_the_bias_of_reviewers_is_shown_with_its_interval_while_answers_are_shown_first():
    metrics = Metrics()
    metrics.biased({"waste": (True, {"estimate": 0.4, "low": 0.2, "high": 0.6})})
    found = samples(metrics)
    bounds = found["stagegate_review_automation_bias"].items()
    assert {dict(labels)["bound"]: value for labels, value in bounds} == {
        "estimate": 0.4, "low": 0.2, "high": 0.6,
    }  # fmt: skip
    assert list(found["stagegate_review_fallen_back"].values()) == [1.0]
    metrics.biased({"waste": (False, {})})
    assert list(samples(metrics)["stagegate_review_fallen_back"].values()) == [0.0]
    assert "stagegate_review_automation_bias" not in samples(metrics)


def test_a_test_that_is_not_made_any_more_is_not_shown_any_more():
    metrics = Metrics()
    metrics.measured(a_measurement())
    metrics.measured(a_measurement(tests=[]))
    assert "stagegate_drift_p_value" not in samples(metrics)
    assert samples(metrics)["stagegate_drift_alarm"]
