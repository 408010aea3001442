"""Serving's measurements as Prometheus metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from monitoring.adapters.metrics import Metrics
from serving.domain.prediction import Prediction
from serving.domain.shadowing import Shadowed
from serving.steps import trace_id


class PrometheusMeasurements:
    """Implements serving.ports.Measurements."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def predicted(self, prediction: Prediction, seconds: float) -> None:
        """A request was answered or held."""
        self._count(prediction, seconds)
        for flag in prediction.flags:
            self._metrics.flagged(flag.code.value)

    def settled(self, prediction: Prediction) -> None:
        """A held request was answered or cancelled; it counts once as held and once as this."""
        self._count(prediction)

    def shadowed(self, model: str, version: int, outcome: Shadowed) -> None:
        """A shadow had its turn, or was dropped."""
        self._metrics.shadowed(model=model, version=version, outcome=outcome.value)

    def batched(self, size: int, queued: float, seconds: float) -> None:
        """A batch ran."""
        self._metrics.queued(queued)
        self._metrics.inferred(size, seconds)

    def prepared(self, seconds: float) -> None:
        """An input was decoded and transformed."""
        self._metrics.preprocessed(seconds)

    def committed(self, seconds: float) -> None:
        """A group of records reached the disk."""
        self._metrics.committed(seconds)

    def reviewed(self, *, counted: bool) -> None:
        """A person answered; an answer that came too late decides nothing."""
        if counted:
            self._metrics.reviewed()

    def took_next(self, seconds: float) -> None:
        """A reviewer got the next item, or was told that there is none."""
        self._metrics.took_next(seconds)

    def queue(self, stats: Mapping[str, Any]) -> None:
        """How the review queue stands."""
        waiting = {(queue, reason): items for queue, reason, items in stats["by_queue_reason"]}
        self._metrics.review_backlog(waiting, stats["oldest_seconds"])

    def queues(self, queues: Sequence[Mapping[str, Any]]) -> None:
        """How each model's queues stand."""
        self._metrics.review_queues(queues)

    def _count(self, prediction: Prediction, seconds: float | None = None) -> None:
        self._metrics.predicted(
            model=prediction.model,
            version=prediction.version,
            stage=prediction.stage.value,
            decided_by=prediction.decided_by.value if prediction.decided_by else None,
            outcome=prediction.status.value,
            seconds=seconds,
            names={"prediction_id": prediction.id, "trace_id": trace_id()},
        )
