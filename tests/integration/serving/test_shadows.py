"""Shadows run behind the answers: they change and delay none, and under load they are dropped."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import serving_app
from serving_fakes import FakeRunner, Measured, image
from starlette.testclient import TestClient
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import EvidenceRow
from registry.domain.plan import Review, StagePlan
from registry.domain.stages import Stage
from serving.adapters.fleet import LiveFleet
from serving.api.parts import Serving
from serving.domain.shadowing import Shadowed
from serving.services.later import Later
from serving.services.run import Patience
from serving.services.shadow import STALE

pytestmark = pytest.mark.integration
URL = "/v1/models/waste/predict"
PART = StagePlan(Stage.MANUAL_REVIEW, review=Review(sample=1.0))
AT_ONCE, WAITING = 2, 3
Serve = Callable[..., tuple[TestClient, Serving]]


@pytest.fixture
def serve(database: Database, tmp_path: Path) -> Iterator[Serve]:
    """Version 1, live, says paper; version 2, in shadow, says what it is shown."""
    with ExitStack() as stack:

        def start(shadow: FakeRunner, **changes: Any) -> tuple[TestClient, Serving]:
            serving_app.register(database, PART)
            runners = {1: FakeRunner("paper"), 2: shadow}
            folder = str(tmp_path / "payloads")
            made = serving_app.parts(database, folder, runners, lambda: 0.5)
            made = replace(made, later=Later(AT_ONCE, WAITING), **changes)
            if shadow.gate:
                stack.callback(shadow.gate.set)
            return stack.enter_context(serving_app.client(made)), made

        yield start


def hanging() -> FakeRunner:
    return FakeRunner(gate=threading.Event())


def evidence(serving: Serving) -> tuple[EvidenceRow, ...]:
    with serving.database.read() as connection:
        return SqlUnitOfWork(connection).evidence.read("rollout-1", Stage.MANUAL_REVIEW)


def counted(serving: Serving) -> Counter[Shadowed]:
    assert isinstance(serving.measurements, Measured)
    return Counter(what for name, what in serving.measurements.events if name == "shadowed")


def ask(client: TestClient, label: str = "metal") -> Any:
    headers = {"X-Stagegate-Attributes": '{"site": "north"}'}
    answer = client.post(URL, content=image(label), headers=headers)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["prediction"], answer.json()["version"]) == ("paper", 1)
    assert answer.json()["flags"] == []
    return answer.json()


def test_a_shadow_changes_nothing_for_the_caller_and_leaves_evidence(serve: Serve):
    client, serving = serve(FakeRunner())
    assert ask(client)["decided_by"] == "baseline"
    assert eventually(lambda: evidence(serving))
    item = client.get("/v1/review/next").json()
    body = {"epoch": item["epoch"], "label": "metal", "final": True}
    assert client.post(f"/v1/review/{item['id']}/decision", json=body).json()["agrees"] is True
    (row,) = evidence(serving)
    assert (row.model_label, row.baseline_label, row.verdict) == ("metal", "paper", "correct")
    assert row.segments == {"site": "north"}
    assert eventually(lambda: counted(serving) == {Shadowed.ANSWERED: 1})


def test_a_shadow_that_raises_is_an_error_and_changes_nothing_for_the_caller(serve: Serve):
    client, serving = serve(FakeRunner(fails=RuntimeError("no memory")))
    ask(client)
    assert eventually(lambda: [row.verdict for row in evidence(serving)] == ["error"])
    assert eventually(lambda: counted(serving) == {Shadowed.FAILED: 1})


def test_no_answer_waits_for_a_shadow_however_long_it_takes(serve: Serve):
    shadow = hanging()
    client, serving = serve(shadow)
    ask(client)
    assert shadow.batches == [], "the answer came while the shadow was still at it"
    assert evidence(serving) == ()
    assert shadow.gate
    shadow.gate.set()
    assert eventually(lambda: [row.model_label for row in evidence(serving)] == ["metal"])


def test_more_shadows_than_there_is_room_for_are_dropped_and_counted(serve: Serve):
    shadow = hanging()
    client, serving = serve(shadow)
    for _ in range(20):
        ask(client)
    room = AT_ONCE + WAITING
    assert counted(serving) == {Shadowed.DROPPED: 20 - room}
    assert shadow.gate
    shadow.gate.set()
    assert eventually(lambda: counted(serving)[Shadowed.ANSWERED] == room)
    assert len(evidence(serving)) == room
    ask(client)
    assert eventually(lambda: len(evidence(serving)) == room + 1), "there is room again"


def test_a_shadow_that_hangs_is_given_up_as_an_error_and_lets_go_of_its_version(
    serve: Serve, database: Database
):
    client, serving = serve(hanging(), patience=Patience(PATIENCE, PATIENCE, shadow_seconds=0.1))
    fleet = serving.fleet
    assert isinstance(fleet, LiveFleet)
    with fleet.admit() as generation:
        ask(client)
        assert eventually(lambda: [row.verdict for row in evidence(serving)] == ["error"])
        assert eventually(lambda: generation.users == 1), "only this test holds on to it"
    assert eventually(lambda: counted(serving) == {Shadowed.FAILED: 1})


def test_a_shadow_that_waited_too_long_is_dropped(serve: Serve):
    shadow, late = hanging(), threading.Event()

    def clock() -> datetime:
        return serving_app.now() + (2 * STALE if late.is_set() else timedelta(0))

    client, serving = serve(shadow, clock=clock)
    for _ in range(AT_ONCE + 1):
        ask(client)
    assert eventually(lambda: shadow.at_work.is_set())
    late.set()
    assert shadow.gate
    shadow.gate.set()
    assert eventually(lambda: counted(serving)[Shadowed.DROPPED] == 1)
    assert eventually(lambda: counted(serving)[Shadowed.ANSWERED] == AT_ONCE)


def test_while_nothing_can_be_written_shadows_are_dropped_and_answers_go_on(serve: Serve):
    client, serving = serve(FakeRunner())
    real = serving.ledger.write

    def write(work: Any, in_time: Any = None) -> Any:
        if "keep_beside" in work.__code__.co_names:
            raise OSError("the database is away")
        return real(work, in_time)

    serving.ledger.write = write  # type: ignore[method-assign]
    ask(client)
    assert eventually(lambda: counted(serving) == {Shadowed.DROPPED: 1})
    serving.ledger.write = real  # type: ignore[method-assign]
    ask(client)
    assert eventually(lambda: len(evidence(serving)) == 1)
