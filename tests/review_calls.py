"""Reviewing over HTTP in tests: a request, what the queue gives, what is done with an item."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from serving_fakes import image
from starlette.testclient import TestClient

from registry.domain.plan import Answers, Review, StagePlan, Step
from registry.domain.stages import Stage
from serving.api.parts import Serving
from serving.services.settle import close_due

URL = "/v1/models/waste/predict"
SUPERVISED = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
SAMPLED = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=1.0))
Serve = Callable[..., tuple[TestClient, Serving]]


def ask(client: TestClient, **headers: str) -> Any:
    sent = {"X-Stagegate-Attributes": '{"user_id": "u"}', **headers}
    return client.post(URL, content=image("glass"), headers=sent).json()


def get(client: TestClient, path: str, who: str = "ann") -> Any:
    return client.get(path, headers={"X-Stagegate-Actor": who}).json()


def post(client: TestClient, item: Any, action: str, who: str = "ann", **body: Any) -> Any:
    sent = {"epoch": item["epoch"], **body}
    path = f"/v1/review/{item['id']}/{action}"
    return client.post(path, json=sent, headers={"X-Stagegate-Actor": who})


def pass_time(serving: Serving, minutes: int) -> None:
    at = serving.clock() + timedelta(minutes=minutes)
    serving.ledger.write(lambda unit: close_due(unit, at)).result()
