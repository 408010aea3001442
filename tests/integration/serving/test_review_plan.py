"""From a plan file to second opinions, a lead's judgement and gold items, over HTTP."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from review_calls import Serve, ask, get, pass_time, post
from review_desk import decide, taken, verdict, write
from serving_fakes import a_prediction, an_item
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from registry.documents.plan_file import parse_plan
from registry.domain.plan import StagePlan
from registry.domain.stages import Stage
from serving.domain.review import AUDIT_SHARE, Queue, drawn
from serving.ports import ServingUnit

pytestmark = pytest.mark.integration
PLAN = """\
apiVersion: stagegate/v1
model: {name: waste, version: 2, baseline: live}
unit: user_id
stages:
- stage: limited-scope
  scope: {where: {user_id: [u]}}
  answers: after-approval
  review: {sample: 1.0, opinions: {supervised: 2}, gold: 0.6, blind: 0.01, due: 24h}
  gates: [{type: gold, at_least: 0.8}, {type: agreement, at_least: 0.8}]
  deadline: {after: 14d, then: hold}
- stage: live
"""


def part() -> StagePlan:
    return parse_plan(PLAN).stage(Stage.LIMITED_SCOPE)


def answer(client: TestClient, who: str, label: str) -> Any:
    item = get(client, "/v1/review/next", who=who)
    assert post(client, item, "decision", who=who, label=label, final=True).json()["counted"]
    return item


def test_a_plan_brings_second_opinions_a_lead_and_gold_items(serve: Serve, database: Database):
    client, serving = serve(part())
    first, second = ask(client), ask(client)

    answer(client, "ann", "metal")
    assert get(client, f"/v1/predictions/{first['id']}")["status"] == "held"
    answer(client, "bob", "metal")
    told = get(client, f"/v1/predictions/{first['id']}")
    assert (told["status"], told["prediction"], told["decided_by"]) == ("final", "metal", "human")

    answer(client, "ann", "metal")
    disputed = answer(client, "bob", "paper")
    assert get(client, f"/v1/predictions/{second['id']}")["status"] == "held"
    body = {"label": "paper", "idempotency_key": "lea", "final": True}
    path = f"/v1/review/{disputed['id']}/adjudicate"
    judged = client.post(path, json=body, headers={"X-Stagegate-Actor": "lea"}).json()
    assert judged["counted"] is True
    assert get(client, f"/v1/predictions/{second['id']}")["prediction"] == "paper"
    pass_time(serving, 6)

    # Both are known now, and gold: 0.6 with a draw of 0.5 has planted a test after each, of which
    # as many are asked as of what they look like.
    gold = [answer(client, who, "metal") for who in ("cleo", "dan") for _ in range(2)]
    assert {one["reasons"][0]["code"] for one in gold} == {"supervised"}
    assert {one["presentation"] for one in gold} == {"blind"}
    long_ago = serving.clock() - timedelta(days=1)
    tally = write(database, lambda u: u.registry.checks.tally("waste", long_ago, serving.clock()))
    assert (tally.gold, tally.gold_wrong) == (2, 1)
    quality = get(client, "/v1/review/quality?model=waste")
    assert (quality["gold"]["wrong"], quality["gold"]["caught"]) == (2, 2)
    assert quality["versions"][0]["agreement"]["items"] == 2


def test_the_random_sample_is_worked_off_in_random_order_beside_endless_urgent_work(
    database: Database,
):
    """Real draws: a fifth of the claims, within chance, and always the smallest numbers first."""
    rng = np.random.default_rng(20)
    numbers = rng.random(60)

    def add(unit: ServingUnit) -> None:
        for place in range(160):
            unit.predictions.add(a_prediction(place))
            urgent = an_item(place)
            u = float(numbers[place]) if place < 60 else 0.0
            audit = {"queue": Queue.AUDIT, "sort_key": u, "reasons": (drawn(),)}
            unit.reviews.add(an_item(place, **audit) if place < 60 else urgent)

    write(database, add)
    audited = []
    for _ in range(100):
        task = taken(database, "ann", draw=float(rng.random()))
        if task.slot.queue is Queue.AUDIT:
            audited.append(task.item.sort_key)
        decide(database, verdict(task, "ann"))
    assert audited == sorted(numbers)[: len(audited)]
    # Outside of these bounds in one of 10,000 runs, if a fifth of the claims are drawn.
    assert abs(len(audited) - 100 * AUDIT_SHARE) <= 16
