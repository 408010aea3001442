"""What Prometheus scrapes: every metric of the product, in a registry of its own.

Labels come from closed sets (models, versions, stages, codes, gate types, features of a profile);
no ids and no free text, so that the number of series stays bounded.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitoring.adapters.exemplars import Exemplars
from monitoring.adapters.exposition import exposition
from registry.domain.evidence import DriftMeasurement

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_PREFIX = "stagegate"


class Metrics:
    """The metrics of one process; safe to call from many threads.

    registry: what this process counted and measured. looked_up: what is read from the database
    whenever somebody asks, and is the same from whichever process that shares it.
    """

    def __init__(self) -> None:
        self.registry, self.looked_up = CollectorRegistry(), CollectorRegistry()
        self._predictions = self._counter(
            "predictions",
            "Requests answered or held.",
            ("model", "version", "stage", "decided_by", "outcome"),
        )
        self._shadows = self._counter(
            "shadows",
            "Requests that a shadow answered, failed on, or was dropped at.",
            ("model", "version", "outcome"),
        )
        self._flags = self._counter("flags", "Flags put on requests.", ("code",))
        self._prediction = self._seconds("prediction", "From request to response.")
        self._queue = self._seconds("queue", "Waiting for a place in a batch.")
        self._preprocess = self._seconds("preprocess", "Decoding and transforming an input.")
        self._inference = self._seconds("inference", "One forward pass, with its scores.")
        self._commit = self._seconds("commit", "One durable write.")
        self._batch = Histogram(
            "batch_size", "Inputs in a batch.", (), _PREFIX, buckets=_SIZES, registry=self.registry
        )
        self._review_open = self._standing(
            "review_open", "Open items, under each reason.", ("queue", "reason")
        )
        self._review_oldest = self._standing(
            "review_oldest_seconds", "Age of the oldest open item."
        )
        self._review_decisions = self._counter("review_decisions", "Answers of reviewers.")
        in_queue = ("model", "queue")
        self._in_queues = {
            "waiting": self._standing("review_waiting", "Opinions that are asked for.", in_queue),
            "due_within_hour": self._standing(
                "review_due_within_hour", "Of those, due within the hour.", in_queue
            ),
            "overdue": self._standing("review_overdue", "Of those, past due.", in_queue),
            "oldest_seconds": self._standing(
                "review_queue_oldest_seconds", "Age of the oldest of those.", in_queue
            ),
            "decisions_per_hour": self._standing(
                "review_decisions_per_hour", "Answers of the last hour.", in_queue
            ),
        }
        bounded = ("model", "bound")
        self._fallback = self._standing(
            "review_fallback_ratio", "Held requests that a fallback answered, 7 days.", bounded
        )
        self._gold = self._standing(
            "review_gold_accuracy", "Gold items answered rightly, 7 days.", bounded
        )
        self._bias = self._gauge(
            "review_automation_bias",
            "Share of the model's errors that reviewers accept because they see its answer.",
            ("model", "bound"),
        )
        self._fallen_back = self._gauge(
            "review_fallen_back", "1 while answers are therefore shown later.", ("model",)
        )
        self._review_next = self._seconds("review_next", "Finding a reviewer's next item.")
        drift = ("model", "feature", "test")
        self._statistic = self._gauge("drift_statistic", "Test statistic, newest window.", drift)
        self._p_value = self._gauge("drift_p_value", "Adjusted p-value, newest window.", drift)
        self._alarm = self._gauge("drift_alarm", "1 while the inputs are shifted.", ("model",))
        self._out_of_domain = self._gauge(
            "out_of_domain_ratio", "Share of inputs out of domain, newest window.", ("model",)
        )
        self._gate = self._gauge("gate_evidence", "E-value of a gate.", ("gate", "model"))
        self._generation = self._gauge("rollout_generation", "Changes so far.", ("model",))
        self._weight = self._gauge("rollout_weight", "Percent of the traffic.", ("model",))
        self._alerts = self._counter("alerts", "Alerts raised.", ("model", "kind"))
        self._exemplars = Exemplars()
        self._watched: set[str] = set()
        self._judged: set[str] = set()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The body of /metrics and its content type, by the header Accept of whoever asks."""
        return exposition(accept, self.registry, self.looked_up)

    def predicted(
        self,
        *,
        model: str,
        version: int | None,
        stage: str,
        decided_by: str | None,
        outcome: str,
        seconds: float | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """A request was answered or held; seconds from its arrival to the response.

        names: of this very request, its prediction and its trace, for an exemplar.
        """
        number = "none" if version is None else str(version)
        self._predictions.labels(model, number, stage, decided_by or "nobody", outcome).inc()
        if seconds is not None:
            self._prediction.observe(seconds, self._exemplars.name(seconds, names or {}))

    def shadowed(self, *, model: str, version: int, outcome: str) -> None:
        """A shadow had its turn, or was dropped."""
        self._shadows.labels(model, str(version), outcome).inc()

    def flagged(self, code: str) -> None:
        """A request got a flag."""
        self._flags.labels(code).inc()

    def queued(self, seconds: float) -> None:
        """A request waited for a place in a batch."""
        self._queue.observe(seconds)

    def preprocessed(self, seconds: float) -> None:
        """An input was decoded and transformed."""
        self._preprocess.observe(seconds)

    def inferred(self, size: int, seconds: float) -> None:
        """A batch went through the graph and the scores."""
        self._batch.observe(size)
        self._inference.observe(seconds)

    def committed(self, seconds: float) -> None:
        """A durable write was acknowledged."""
        self._commit.observe(seconds)

    def review_backlog(
        self, open_items: Mapping[tuple[str, str], int], oldest_seconds: float
    ) -> None:
        """How many items wait, by queue and reason; those not named any more are gone."""
        self._review_open.clear()
        for (queue, reason), items in open_items.items():
            self._review_open.labels(queue, reason).set(items)
        self._review_oldest.set(oldest_seconds)

    def review_queues(self, queues: Sequence[Mapping[str, Any]]) -> None:
        """How each model's queues stand; those not named any more are gone."""
        for gauge in (*self._in_queues.values(), self._fallback, self._gold):
            gauge.clear()
        for one in queues:
            for name, gauge in self._in_queues.items():
                if one[name] is not None:
                    gauge.labels(one["model"], one["queue"]).set(one[name])
            for gauge, share in ((self._fallback, one["fallback"]), (self._gold, one["gold"])):
                _set_share(gauge, one["model"], share)

    def reviewed(self) -> None:
        """A person answered."""
        self._review_decisions.inc()

    def biased(self, models: Mapping[str, tuple[bool, Mapping[str, float]]]) -> None:
        """Of each model whose answers reviewers may see first: fallen back, and the bias."""
        self._bias.clear()
        self._fallen_back.clear()
        for model, (fallen_back, bounds) in models.items():
            self._fallen_back.labels(model).set(fallen_back)
            for bound, value in bounds.items():
                self._bias.labels(model, bound).set(value)

    def took_next(self, seconds: float) -> None:
        """A reviewer asked for the next item."""
        self._review_next.observe(seconds)

    def measured(self, measurement: DriftMeasurement) -> None:
        """The inputs of a model were compared with its reference.

        The contract has no version here: give the measurements of one version, the watched one.
        """
        model, detail = measurement.model, measurement.detail
        for gauge in (self._statistic, self._p_value):
            gauge.remove_by_labels({"model": model})
        self._watched.add(model)
        for test in detail["tests"]:
            labels = (model, test["feature"], test["test"])
            self._statistic.labels(*labels).set(test["statistic"])
            self._p_value.labels(*labels).set(test["p_adjusted"])
        self._alarm.labels(model).set(measurement.alarm)
        out_of_domain = detail["out_of_domain"]
        self._out_of_domain.labels(model).set(out_of_domain["ratio"] if out_of_domain else math.nan)

    def watching(self, models: Collection[str]) -> None:
        """These models are being compared; what was measured of any other is gone."""
        for model in self._watched - set(models):
            self._forget(model)

    def stood_down(self) -> None:
        """Another process has taken over: what only the leading one knows is gone."""
        self.watching(())
        gauges = (self._gate, self._generation, self._weight, self._bias, self._fallen_back)
        for gauge in gauges:
            gauge.clear()

    def _forget(self, model: str) -> None:
        self._watched.discard(model)
        for gauge in (self._statistic, self._p_value, self._alarm, self._out_of_domain):
            gauge.remove_by_labels({"model": model})

    def gate(self, gate: str, model: str, evidence: float) -> None:
        """How much evidence a gate has, as an e-value."""
        self._gate.labels(gate, model).set(evidence)

    def rollouts(self, candidates: Mapping[str, tuple[int, float]]) -> None:
        """Generation and weight in percent of each model's candidate; others are gone."""
        self._generation.clear()
        self._weight.clear()
        for gone in self._judged - set(candidates):
            self._gate.remove_by_labels({"model": gone})
        self._judged = set(candidates)
        for model, (generation, weight) in candidates.items():
            self._generation.labels(model).set(generation)
            self._weight.labels(model).set(weight)

    def alerted(self, model: str, kind: str) -> None:
        """A new alert was raised."""
        self._alerts.labels(model, kind).inc()

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, _PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, text, labels, _PREFIX, registry=self.registry)

    def _standing(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, text, labels, _PREFIX, registry=self.looked_up)

    def _seconds(self, what: str, text: str) -> Histogram:
        return Histogram(
            f"{what}_duration_seconds",
            f"{text} In seconds.",
            (),
            _PREFIX,
            buckets=_SECONDS,
            registry=self.registry,
        )


def _set_share(gauge: Gauge, model: str, share: Mapping[str, float] | None) -> None:
    """A share with its 95 % interval; nothing if nothing is known."""
    for bound, key in (("estimate", "value"), ("low", "low"), ("high", "high")):
        if share is not None:
            gauge.labels(model, bound).set(share[key])
