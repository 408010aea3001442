"""Factories that name only what matters, and a model that tests can see through."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from waiting import PATIENCE

from monitoring.domain.window import LiveWindow
from registry.domain.errors import UnsupportedInput
from registry.domain.observations import Observations
from registry.domain.plan import Plan, StagePlan, Step
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from serving.domain.prediction import (
    DecidedBy,
    Fallback,
    Prediction,
    RawPrediction,
    Status,
)
from serving.domain.review import Item, Presentation, Queue
from serving.domain.routing import Route
from serving.domain.shadowing import Shadowed

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = ("glass", "metal", "paper")


def image(label: str = "glass", confidence: float = 0.9, p_value: float = 0.5) -> bytes:
    """What FakeRunner takes for an image: it says what the model will say."""
    return b"\xff\xd8\xff" + f"{label} {confidence} {p_value}".encode()


@dataclass
class Scored:
    p_values: np.ndarray

    def reason(self, index: int) -> str:
        return "the colours are unlike those of the training photographs"


@dataclass
class FakeRunner:
    """Reads its answer from the input; `says` overrides the label, to tell versions apart."""

    says: str | None = None
    labels: tuple[str, ...] = LABELS
    fails: Exception | None = None
    gate: threading.Event | None = None
    at_work: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)
    observed: int = 0

    def prepare(self, data: bytes) -> np.ndarray:
        if not data.startswith(b"\xff\xd8\xff"):
            raise UnsupportedInput("The body is no image.")
        label, confidence, p_value = data[3:].decode().split()
        place = self.labels.index(self.says or label)
        numbers = [place, round(float(confidence) * 200), round(float(p_value) * 200)]
        return np.array(numbers, dtype=np.uint8).reshape(3, 1, 1)

    def begin(self) -> None:
        """Say that a batch is at work, and wait where the test has a gate."""
        self.at_work.set()
        if self.gate:
            self.gate.wait(PATIENCE)

    def run(self, inputs: np.ndarray) -> tuple[Observations, Scored]:
        self.begin()
        self.batches.append(len(inputs))
        if self.fails:
            raise self.fails
        rows = inputs[:, :, 0, 0].astype(float)
        sure = rows[:, 1:2] / 200
        spread = np.repeat((1 - sure) / (len(self.labels) - 1), len(self.labels), axis=1)
        spread[np.arange(len(rows)), rows[:, 0].astype(int)] = sure[:, 0]
        empty = np.zeros((len(rows), 1), dtype=np.float32)
        labels = np.full(len(rows), -1)
        return Observations(inputs, np.log(spread), spread, empty, labels), Scored(rows[:, 2] / 200)

    def observe(self, observations: Observations, scores: object, now: datetime) -> None:
        self.observed += len(observations)

    def drain(self, now: datetime) -> LiveWindow | None:
        return None

    def warm(self, batch: int) -> None:
        return None


@dataclass
class Measured:
    """Measurements, kept in a list."""

    events: list[tuple[str, Any]] = field(default_factory=list)

    def predicted(self, prediction: Prediction, seconds: float) -> None:
        self.events.append(("predicted", prediction.id))

    def settled(self, prediction: Prediction) -> None:
        self.events.append(("settled", prediction.decided_by))

    def shadowed(self, model: str, version: int, outcome: Shadowed) -> None:
        self.events.append(("shadowed", outcome))

    def batched(self, size: int, queued: float, seconds: float) -> None:
        self.events.append(("batched", size))

    def prepared(self, seconds: float) -> None:
        self.events.append(("prepared", seconds))

    def committed(self, seconds: float) -> None:
        self.events.append(("committed", seconds))

    def reviewed(self, *, counted: bool) -> None:
        self.events.append(("reviewed", counted))

    def took_next(self, seconds: float) -> None:
        self.events.append(("took_next", seconds))

    def queue(self, stats: Mapping[str, Any]) -> None:
        self.events.append(("queue", stats))

    def queues(self, queues: Sequence[Mapping[str, Any]]) -> None:
        self.events.append(("queues", queues))


def a_version(version: int = 1, model: str = "waste") -> ModelVersion:
    return ModelVersion(
        model, version, f"sha256:{version}", "file:///nowhere", "fastai", LABELS, {}, "ann", NOW
    )


def a_plan(*stages: StagePlan, **changes: Any) -> Plan:
    parts = stages or (StagePlan(Stage.MANUAL_REVIEW), StagePlan(Stage.LIVE))
    return replace(Plan("waste", 2, "live", parts, unit="user_id"), **changes)


def a_rollout(part: StagePlan, *, plan: Plan | None = None, **changes: Any) -> Rollout:
    rollout = Rollout(
        id="rollout-1",
        model="waste",
        version=2,
        version_digest="sha256:2",
        baseline=1,
        plan=plan or a_plan(part),
        plan_digest="sha256:plan",
        salt="salt",
        stage=part.stage,
        step=0,
        generation=1,
        started_by="ann",
        started_at=NOW,
        stage_since=NOW,
        step_since=NOW,
    )
    return replace(rollout, **changes)


def gradual(weight: float) -> StagePlan:
    return StagePlan(Stage.GRADUAL, steps=(Step(weight, 0.0),))


def a_route(part: StagePlan | None = None, **changes: Any) -> Route:
    """A route with live version 1 and, with a part, version 2 on its way."""
    rollout = a_rollout(part, **changes) if part else None
    return Route("waste", 1, rollout, LABELS)


def a_raw(
    label: str = "glass", confidence: float = 0.9, p_value: float | None = 0.5, version: int = 2
) -> RawPrediction:
    rest = (1 - confidence) / (len(LABELS) - 1)
    spread = tuple(confidence if name == label else rest for name in LABELS)
    return RawPrediction(version, LABELS, spread, p_value, "odd colours")


def a_prediction(number: int, **changes: Any) -> Prediction:
    prediction = Prediction(
        id=f"prediction-{number:05d}",
        model="waste",
        version=2,
        candidate=2,
        rollout_id="rollout-1",
        stage=Stage.LIMITED_SCOPE,
        reason="inside the limited scope",
        attributes={},
        payload_digest="sha256:0",
        payload_type="image/jpeg",
        status=Status.HELD,
        model_answer=a_raw().as_label(),
        fallback=Fallback(a_raw("paper", version=1).as_label(), 1, DecidedBy.BASELINE),
        answer=None,
        decided_by=None,
        flags=(),
        p_value=0.5,
        threshold=0.01,
        random_number=0.5,
        inclusion_probability=1.0,
        due_at=NOW,
        late=None,
        idempotency_key=None,
        request_digest="sha256:1",
        created_at=NOW,
        final_at=None,
    )
    return replace(prediction, **changes)


def an_item(number: int, **changes: Any) -> Item:
    item = Item(
        id=f"item-{number:05d}",
        prediction_id=f"prediction-{number:05d}",
        model="waste",
        version=2,
        stage=Stage.LIMITED_SCOPE,
        reasons=(),
        labels=LABELS,
        model_answer=a_raw().as_label(),
        presentation=Presentation.ANSWER_FIRST,
        payload_digest="sha256:0",
        payload_type="image/jpeg",
        queue=Queue.WORK,
        sort_key=float(number),
        random_number=0.5,
        inclusion_probability=1.0,
        due_at=NOW,
        created_at=NOW,
    )
    return replace(item, **changes)
