"""A store of inputs that answers nobody, and everybody who needs only the database."""

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import serving_app
from review_calls import SUPERVISED
from serving_fakes import FakeRunner, image
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from serving.adapters.payloads import PayloadStore
from serving.services.aside import Aside

pytestmark = pytest.mark.integration
T = TypeVar("T")
FETCHES = 100
REQUESTS = 40  # a model takes 64 here
HERE = "http://testserver"
ANN = {"X-Stagegate-Actor": "ann"}


class Stuck(PayloadStore):
    """Gives nothing until it is let go of; `near` says whether it seems to be a disk."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.free, self.entered, self.near = threading.Event(), 0, True
        self.free.set()
        self._lock, self._pool = threading.Lock(), ThreadPoolExecutor()

    @property
    def is_near(self) -> bool:
        return self.near

    def _hold(self) -> None:
        with self._lock:
            self.entered += 1
        assert self.free.wait(PATIENCE)

    def get(self, digest: str) -> bytes:
        self._hold()
        return super().get(digest)

    def put(self, data: bytes) -> str:
        self._hold()
        return super().put(data)

    def deposit(self, data: bytes) -> "Future[str]":
        return self._pool.submit(self.put, data)


async def soon(act: Awaitable[T]) -> T:
    return await asyncio.wait_for(act, PATIENCE)


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Any:
    serving_app.register(database, SUPERVISED)
    runners = {1: FakeRunner("paper"), 2: FakeRunner()}
    made = serving_app.parts(database, str(tmp_path / "payloads"), runners)
    made = replace(made, payloads=Stuck(str(tmp_path / "payloads")))
    with serving_app.client(made) as client:
        yield client.app, made


def test_whoever_waits_for_an_answer_hears_it_while_no_input_can_be_read(service: Any):
    app, serving = service
    store: Any = serving.payloads

    async def scene() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            asked = await _ask(client)
            item = (await client.get("/v1/review/next", headers=ANN)).json()
            store.entered = 0
            store.free.clear()
            where = f"/v1/review/{item['id']}/payload"
            fetches = [asyncio.create_task(client.get(where)) for _ in range(FETCHES)]
            await soon(_entered(store, serving.stored.threads))
            waiting = [asyncio.create_task(client.get(f"{asked}?wait=100")) for _ in range(20)]
            answer = {"epoch": item["epoch"], "label": "metal", "final": True}
            told = await soon(
                client.post(f"/v1/review/{item['id']}/decision", json=answer, headers=ANN)
            )
            assert told.json()["counted"] is True
            for one in waiting:
                assert (await soon(one)).json()["prediction"] == "metal"
            assert store.entered == serving.stored.threads, "so many at once, and no more"
            assert not any(one.done() for one in fetches)
            store.free.set()
            assert {(await soon(one)).content for one in fetches} == {image("glass")}

    _run(scene(), store)


def test_whoever_waits_for_an_answer_hears_it_while_no_input_can_be_stored(service: Any):
    app, serving = service
    store: Any = serving.payloads

    async def scene() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            asked = await _ask(client)
            store.near, store.entered = False, 0
            store.free.clear()
            others = [asyncio.create_task(_ask(client)) for _ in range(REQUESTS)]
            await soon(_entered(store, serving.storing.threads))
            item = (await soon(client.get("/v1/review/next", headers=ANN))).json()
            answer = {"epoch": item["epoch"], "label": "metal", "final": True}
            path = f"/v1/review/{item['id']}/decision"
            assert (await soon(client.post(path, json=answer, headers=ANN))).json()["counted"]
            assert (await soon(client.get(asked))).json()["prediction"] == "metal"
            store.free.set()
            assert len({await soon(one) for one in others}) == REQUESTS

    _run(scene(), store)


def test_more_requests_than_may_wait_for_the_store_are_refused_at_once(
    database: Database, tmp_path: Path
):
    serving_app.register(database, SUPERVISED)
    runners = {1: FakeRunner("paper"), 2: FakeRunner()}
    store = Stuck(str(tmp_path / "payloads"))
    store.near = False
    store.free.clear()
    made = serving_app.parts(database, str(tmp_path / "payloads"), runners)
    made = replace(made, payloads=store, storing=Aside(2, waiting=3))

    async def scene(app: Any) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            path, sent = "/v1/models/waste/predict", {"X-Stagegate-Attributes": '{"user_id": "u"}'}
            asked = [
                asyncio.create_task(client.post(path, content=image(), headers=sent))
                for _ in range(8)
            ]
            done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 3:
                more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                done |= more
            assert {one.result().status_code for one in done} == {503}
            assert all("Retry-After" in one.result().headers for one in done)
            assert len(waiting) == 5
            next(iter(waiting)).cancel()
            assert (await soon(client.post(path, content=image(), headers=sent))).status_code == 503
            store.free.set()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            codes = [one.status_code for one in answers if isinstance(one, httpx.Response)]
            assert codes == [202] * 4
            assert (await soon(client.post(path, content=image(), headers=sent))).status_code == 202

    with serving_app.client(made) as client:
        _run(scene(client.app), store)


def test_any_number_who_wait_keep_nobody_from_an_input(service: Any):
    app, serving = service

    async def scene() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            asked = await _ask(client)
            waiting = [asyncio.create_task(client.get(f"{asked}?wait=100")) for _ in range(FETCHES)]
            while not serving.arrivals.waited_for:
                await asyncio.sleep(0.01)
            got = await soon(client.get(f"{asked}/payload"))
            assert got.content == image("glass")
            assert not any(one.done() for one in waiting)
            await soon(client.delete(asked))
            assert {(await soon(one)).json()["status"] for one in waiting} == {"cancelled"}

    _run(scene(), serving.payloads)


async def _ask(client: httpx.AsyncClient) -> str:
    headers = {"X-Stagegate-Attributes": '{"user_id": "u"}'}
    sent = await client.post("/v1/models/waste/predict", content=image("glass"), headers=headers)
    assert sent.status_code == 202, sent.text
    return sent.headers["Location"]


async def _entered(store: Stuck, threads: int) -> None:
    while store.entered < threads:
        await asyncio.sleep(0.01)


def _run(scene: Any, store: Any) -> None:
    try:
        asyncio.run(scene)
    finally:
        store.free.set()
