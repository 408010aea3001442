"""What Prometheus is told about requests, from admission to the final answer."""

from dataclasses import replace

from serving_fakes import a_prediction

from monitoring.adapters.metrics import Metrics
from serving.adapters.measurements import PrometheusMeasurements
from serving.domain.prediction import DecidedBy, Status
from serving.domain.shadowing import Shadowed
from serving.steps import FOLLOWED


def test_a_held_request_counts_once_as_held_and_once_as_what_became_of_it():
    metrics = Metrics()
    measured = PrometheusMeasurements(metrics)
    held = a_prediction(1)
    measured.predicted(held, 0.01)
    measured.settled(replace(held, status=Status.FINAL, decided_by=DecidedBy.HUMAN))
    text = metrics.render()[0].decode()
    series = 'stagegate_predictions_total{decided_by="%s",model="waste",outcome="%s"'
    assert series % ("nobody", "held") in text
    assert series % ("human", "final") in text
    assert "stagegate_prediction_duration_seconds_count 1.0" in text


def test_queues_are_measured_by_model_and_shares_with_their_interval():
    metrics = Metrics()
    measured = PrometheusMeasurements(metrics)
    gold = {"value": 0.9, "low": 0.8, "high": 0.95}
    queue = {"model": "waste", "queue": "audit", "waiting": 3, "due_within_hour": 1, "overdue": 0}
    queue |= {"oldest_seconds": 60.0, "decisions_per_hour": 12, "fallback": None, "gold": gold}
    measured.queues([queue, {**queue, "queue": "lead", "oldest_seconds": None, "gold": None}])
    text = metrics.render()[0].decode()
    for name, value in (("waiting", 3), ("due_within_hour", 1), ("decisions_per_hour", 12)):
        assert f'stagegate_review_{name}{{model="waste",queue="audit"}} {value}.0' in text
    assert 'stagegate_review_queue_oldest_seconds{model="waste",queue="audit"} 60.0' in text
    assert 'stagegate_review_gold_accuracy{bound="low",model="waste"} 0.8' in text
    assert "stagegate_review_fallback_ratio{" not in text
    measured.queues([])
    assert "queue=" not in metrics.render()[0].decode()


def test_the_exemplar_of_a_traced_request_names_its_trace():
    metrics, followed = Metrics(), Followed()
    token = FOLLOWED.set(followed)
    PrometheusMeasurements(metrics).predicted(a_prediction(1), 0.3)
    FOLLOWED.reset(token)
    body = metrics.render("application/openmetrics-text; version=1.0.0")[0].decode()
    assert f'trace_id="{followed.trace_id}"' in body
    assert 'prediction_id="prediction-00001"' in body


class Followed:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"

    def took(self, step: str, began: float, ended: float) -> None:
        """Nothing is kept."""


def test_a_shadow_without_an_answer_is_counted_apart():
    metrics = Metrics()
    measured = PrometheusMeasurements(metrics)
    for outcome in Shadowed:
        measured.shadowed("waste", 2, outcome)
    text = metrics.render()[0].decode()
    for outcome in ("answered", "no-answer", "dropped"):
        labels = f'{{model="waste",outcome="{outcome}",version="2"}}'
        assert f"stagegate_shadows_total{labels} 1.0" in text
