"""Callers who hang up over real connections: their inputs are not run, nobody waits for them."""

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import browser
import httpx
import pytest
import serving_app
import sqlalchemy as sa
from serving_fakes import FakeRunner, image
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.domain.plan import StagePlan
from registry.domain.stages import Stage
from serving.adapters.fleet import LiveFleet
from serving.adapters.ledger import GroupLedger
from serving.adapters.tables import prediction
from serving.api.parts import Serving

pytestmark = pytest.mark.integration
MANUAL = StagePlan(Stage.MANUAL_REVIEW)
PREDICT, INFER = "/v1/models/waste/predict", "/v2/models/waste/infer"
INVOKE = "/models/waste/invocations"
TENSOR = '{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": [%s]}]}'


class World:
    """A server on a real socket, with a model that waits until it is let go."""

    def __init__(self, serving: Serving, runner: FakeRunner, url: str) -> None:
        self.serving, self.runner, self.url = serving, runner, url

    def hang_up_on(self, request: bytes, waiting: Callable[[], object]) -> None:
        """Send a request, and leave once the service is at it."""
        where = urlsplit(self.url)
        with socket.create_connection((where.hostname, where.port)) as caller:
            caller.sendall(request)
            assert eventually(waiting)

    @property
    def stored(self) -> int:
        with self.serving.database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count(prediction.c.id))).scalar_one())


@contextmanager
def world(database: Database, folder: Path, part: StagePlan | None) -> Iterator[World]:
    runner = FakeRunner(gate=threading.Event())
    live = None if part else 1
    serving_app.register(database, part, live=live, baseline=live)
    serving = serving_app.parts(database, str(folder / "payloads"), {1: runner, 2: runner})
    assert isinstance(serving.fleet, LiveFleet)
    assert isinstance(serving.ledger, GroupLedger)
    serving.fleet.start()
    try:
        with browser.served(serving_app.app(serving)) as url:
            yield World(serving, runner, url)
    finally:
        runner.gate.set()
        serving.arrivals.end()
        serving.fleet.close()
        serving.ledger.close()


def post(path: str, body: bytes, kind: str, *headers: str) -> bytes:
    head = (f"POST {path} HTTP/1.1", "Host: here", f"Content-Type: {kind}", *headers)
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def table(text: str, rows: int) -> bytes:
    one = '"' + base64.b64encode(image("metal")).decode() + '"'
    return (text % ", ".join([one] * rows)).encode()


REQUESTS = {
    "predict": (post(PREDICT, image("metal"), "image/jpeg"), 1),
    "infer": (post(INFER, table(TENSOR, 2), "application/json"), 1),
    "invocations": (post(INVOKE, table('{"instances": [%s]}', 3), "application/json"), 1),
}


@pytest.mark.parametrize("route", REQUESTS)
def test_what_a_caller_sent_who_has_left_is_neither_run_nor_stored(
    route: str, database: Database, tmp_path: Path
):
    request, callers = REQUESTS[route]
    with world(database, tmp_path, None) as here, ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, here.url + PREDICT, content=image(), timeout=PATIENCE)
        assert here.runner.at_work.wait(PATIENCE)
        here.hang_up_on(request, lambda: here.serving.callers.count == 1 + callers)
        assert eventually(lambda: here.serving.callers.count == 1), "it was not noticed"
        here.runner.gate.set()
        assert first.result().status_code == 200
        again = httpx.post(here.url + PREDICT, content=image(), timeout=PATIENCE)
        assert again.status_code == 200
        assert sum(here.runner.batches) == here.stored == 2


def test_a_caller_who_leaves_waits_for_no_person_and_the_question_stays(
    database: Database, tmp_path: Path
):
    with world(database, tmp_path, MANUAL) as here:
        here.runner.gate.set()

        def waited_for() -> object:
            return here.serving.arrivals.waited_for

        asked = post(PREDICT, image(), "image/jpeg", "Prefer: wait=120")
        here.hang_up_on(asked, waited_for)
        assert eventually(lambda: not waited_for())
        (item,) = httpx.get(f"{here.url}/v1/review/items").json()["items"]
        name = item["prediction_id"]
        look = f"GET /v1/predictions/{name}?wait=120 HTTP/1.1\r\nHost: here\r\n\r\n".encode()
        here.hang_up_on(look, waited_for)
        assert eventually(lambda: not waited_for())
        assert httpx.get(f"{here.url}/v1/predictions/{name}").json()["status"] == "held"
