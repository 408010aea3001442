"""A held caller's three ways to hear the answer, from a running service, on both databases."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import colours
import httpx
import numpy as np
import pytest
from service_process import Service, running
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database

pytestmark = pytest.mark.e2e

PLAN = """
apiVersion: stagegate/v1
model: {name: colours, version: 1, baseline: none}
unit: user
stages:
- stage: manual-review
  review: {sample: 1.0, blind: 0, due: 1h}
  gates: [{type: error-rate, at_most: 0.5}]
  deadline: {after: 1d, then: hold}
"""
Heard = dict[str, tuple[str, datetime]]  # by each way: what, and when


@pytest.fixture(scope="module")
def service(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    url, now = new_database(), datetime.now(UTC)
    database = Database(url)
    bundle = colours.make_bundle(tmp_path_factory.mktemp("bundle"), now)
    colours.record_versions(database, bundle, now)
    database.close()
    with running(tmp_path_factory.mktemp("hearing") / "home", url) as started:
        started.post("/v1/rollouts", plan=PLAN)
        yield started


@contextmanager
def receiver(heard: Heard) -> Iterator[str]:
    """A webhook that notes what it was told."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            heard["webhook"] = body["type"], datetime.now(UTC)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE)


def poll(service: Service, path: str, heard: Heard) -> None:
    while True:
        found = service.get(path, wait=30)
        if found["status"] == "final":
            heard["long-poll"] = found["prediction"], datetime.now(UTC)
            return


def follow(service: Service, path: str, heard: Heard) -> None:
    address = f"{service.http.base_url}{path}/events"
    with httpx.stream("GET", address, timeout=PATIENCE) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and '"final"' in line:
                answer = json.loads(line.removeprefix("data:"))
                heard["events"] = answer["prediction"], datetime.now(UTC)


def test_by_every_way_a_caller_hears_the_last_word_and_not_before_the_window_is_over(
    service: Service,
):
    heard: Heard = {}
    inputs, _ = colours.pictures(np.random.default_rng(77), 1)
    held = service.ask("colours", colours.encode(inputs[0]))
    where = f"/v1/predictions/{held['id']}"
    with receiver(heard) as address, ThreadPoolExecutor(2) as pool:
        service.post("/v1/webhooks", url=address, events=["prediction.*"])
        waiting = [pool.submit(way, service, where, heard) for way in (poll, follow)]
        item = service.get("/v1/review/next", actor="uma")
        path = f"/v1/review/{item['id']}"
        service.post(f"{path}/decision", "uma", epoch=item["epoch"], label="red")
        back = service.post(f"{path}/undo", "uma", epoch=item["epoch"])
        last = service.post(f"{path}/decision", "uma", epoch=back["epoch"], label="blue")
        for way in waiting:
            way.result(PATIENCE)
        assert eventually(lambda: "webhook" in heard)
    until = datetime.fromisoformat(last["undo_until"])
    assert {way: at >= until for way, (_, at) in heard.items()} == {
        "long-poll": True,
        "events": True,
        "webhook": True,
    }
    assert (heard["long-poll"][0], heard["events"][0]) == ("blue", "blue")
    assert heard["webhook"][0] == "prediction.decided"
