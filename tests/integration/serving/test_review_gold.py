"""What a reviewer can find out of a gold item, before and after: that it is an audit item."""

from typing import Any

import pytest
from review_calls import Serve, ask, get, pass_time, post
from review_desk import write
from starlette.testclient import TestClient

from registry.adapters.database.checks import SqlChecks
from registry.adapters.database.engine import Database
from registry.domain.evidence import CheckKind
from registry.domain.people import Identity, Role
from registry.domain.plan import Answers, Review, StagePlan, Step
from registry.domain.stages import Stage
from serving.api.parts import Serving
from serving.api.review_queue import told

pytestmark = pytest.mark.integration
# The number of every draw in these tests is 0.5.
AUDITED = StagePlan(
    Stage.GRADUAL,
    steps=(Step(100.0, 0.0),),
    review=Review(sample=0.6, opinions={"audit": 2}, gold=0.6),
)
# Here every answer waits for a person, and the plan draws no audit items.
HELD = StagePlan(
    Stage.LIMITED_SCOPE,
    answers=Answers.AFTER_APPROVAL,
    review=Review(sample=1.0, blind=0.6, opinions={"supervised": 2}, gold=0.6),
)
EACH = pytest.mark.parametrize("plan", [AUDITED, HELD], ids=["audited", "held"])
OWN = {"id", "payload_url", "waiting_since", "due_at", "lease_until", "open", "decided_at"}


def answer(client: TestClient, serving: Serving, who: str, label: str = "metal") -> str:
    item = get(client, "/v1/review/next", who)
    assert post(client, item, "decision", who, label=label, final=True).json()["counted"]
    pass_time(serving, 6)
    return str(item["id"])


def seen(database: Database, item: str, who: str) -> tuple[dict[str, Any], float]:
    """All that tells one item from another, without what every item has of its own."""
    reviewer = Identity(who, Role.REVIEWER)
    document = write(database, lambda unit: told(unit, item, reviewer))
    number = document.pop("random_number")
    decisions = [
        {**one, "id": 0, "seconds": 0, "decided_at": "", "seen": ""}
        for one in document.pop("decisions")
    ]
    said = [
        (one["actor"], one["action"], sorted(one["detail"])) for one in document.pop("timeline")
    ]
    events = [(one["actor"], one["action"]) for one in document.pop("events")]
    rest = {name: value for name, value in document.items() if name not in OWN}
    return {**rest, "decisions": decisions, "said": said, "events": events}, number


def is_gold(database: Database, item: str) -> bool:
    return write(database, lambda u: u.reviews.get(item).item.gold is not None)


@EACH
@pytest.mark.parametrize("second", ["metal", "paper"])
def test_a_gold_item_and_an_audit_item_look_alike_to_reviewers_at_every_step(
    serve: Serve, database: Database, plan: StagePlan, second: str
):
    """Two opinions are asked of both, and a lead where these differ."""
    client, serving = serve(plan)
    ask(client)
    for who in ("ann", "bob"):
        answer(client, serving, who)
    ask(client)
    waiting = get(client, "/v1/review/items?state=ready")["items"]
    gold, audit = sorted((one["id"] for one in waiting), key=lambda i: not is_gold(database, i))
    assert (is_gold(database, gold), is_gold(database, audit)) == (True, False)
    for who, label in (("cleo", "metal"), ("dan", second), ("lea", "metal")):
        assert seen(database, gold, "cleo")[0] == seen(database, audit, "cleo")[0]
        if get(client, f"/v1/review/items/{gold}", "lea")["state"] == "decided":
            break
        for _ in range(2):
            assert answer(client, serving, who, label) in {gold, audit}
    (shown, number), (like, other) = (seen(database, one, "cleo") for one in (gold, audit))
    assert shown == like
    assert shown["state"] == "decided"
    assert shown["source"] == ("agreed" if second == "metal" else "adjudicated")
    assert shown["inclusion_probability"] == plan.review.sample
    assert max(number, other) < plan.review.sample


def test_only_the_first_answer_to_a_gold_item_says_how_often_errors_are_overlooked(
    serve: Serve, database: Database
):
    client, serving = serve(AUDITED)
    ask(client)
    for who in ("ann", "bob", "cleo", "dan"):
        answer(client, serving, who)
    with database.read() as connection:
        checks = SqlChecks(connection).read("waste", serving.clock().replace(year=2000))
    assert [(one.kind, one.reviewer) for one in checks] == [(CheckKind.GOLD, "cleo")]
