"""What is committed reaches every endpoint, signed, in order, and at least once."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from standardwebhooks import Webhook
from waiting import PATIENCE

from console import problems
from console.deliver import deliver
from console.notify import forget_old, notify, spread
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api import webhooks
from registry.services.record import NOTIFICATION

pytestmark = pytest.mark.integration


class Receiver:
    """A real HTTP server that keeps what it is sent; `answers` says what it does, path by path."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], str]] = []
        self.answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                sent = {key.lower(): value for key, value in self.headers.items()}
                receiver.got.append((self.path, sent, body))
                receiver.answers.get(self.path, status(204))(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def texts(self, path: str) -> list[str]:
        return [json.loads(body)["data"]["sentence"] for at, _, body in self.got if at == path]

    def ids(self, path: str) -> list[str]:
        return [sent["webhook-id"] for at, sent, _ in self.got if at == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def status(code: int, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"content-length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


class Town:
    """One database, its API, a clock that tests move, and somebody who has news."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = datetime.now(UTC)  # the published verifier looks at the real clock
        app = FastAPI()
        app.include_router(webhooks.router(database, lambda: self.now))
        problems.install(app)
        self.api = TestClient(app, headers={"X-Stagegate-Actor": "ada"})

    def add(self, url: str, **options: Any) -> dict[str, Any]:
        answer = self.api.post("/v1/webhooks", json={"url": url, **options})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def happens(self, sentence: str, event: str = "held", model: str = "bears") -> None:
        payload = {"event": event, "model": model, "version": 2, "sentence": sentence}
        with self.database.begin() as connection:
            SqlUnitOfWork(connection).outbox.add(NOTIFICATION, payload, self.now)

    def turn(self, timeout: float = PATIENCE) -> int:
        deliver(self.database, {}, self.now, {NOTIFICATION: spread})
        return notify(self.database, lambda: self.now, timeout)

    def actions(self) -> list[str]:
        with self.database.read() as connection:
            return [event.action for event in SqlUnitOfWork(connection).audit.read()]

    def listed(self) -> list[dict[str, Any]]:
        return self.api.get("/v1/webhooks").json()["webhooks"]


@pytest.fixture
def town(database: Database) -> Town:
    return Town(database)


@pytest.fixture
def small_town(migrated_sqlite_url: str) -> Iterator[Town]:
    """For what does not depend on the database."""

    database = Database(migrated_sqlite_url)
    yield Town(database)
    database.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def test_an_event_reaches_each_endpoint_that_asked_for_it_signed(town: Town, receiver: Receiver):
    all_of_it = town.add(f"{receiver.url}/all")
    town.add(f"{receiver.url}/live", events=["live"])
    town.add(f"{receiver.url}/waste", models=["waste"])
    town.add(f"{receiver.url}/chat", form="slack")
    town.happens("bears@2 is held")
    assert town.turn() == 2
    assert sorted(path for path, _, _ in receiver.got) == ["/all", "/chat"]
    ((_, sent, body),) = (one for one in receiver.got if one[0] == "/all")
    document = Webhook(all_of_it["secret"]).verify(body, sent)
    assert document["type"] == "rollout.held"
    assert document["data"]["sentence"] == "bears@2 is held"
    assert document["data"]["audit_head"]["hash"].startswith("sha256:")
    ((_, _, chat),) = (one for one in receiver.got if one[0] == "/chat")
    assert json.loads(chat) == {"text": "bears@2 is held"}
    assert town.turn() == 0


def test_messages_keep_their_order_and_one_dead_endpoint_stops_no_other(
    town: Town, receiver: Receiver
):
    receiver.answers["/dead"] = status(500)
    for path in ("/dead", "/fine"):
        town.add(receiver.url + path)
    for number in range(3):
        town.happens(f"n{number}")
    assert town.turn() == 3
    assert receiver.texts("/fine") == ["n0", "n1", "n2"]
    assert receiver.texts("/dead") == ["n0"]
    receiver.answers["/dead"] = status(204)
    assert town.turn() == 0  # its retry is not due
    town.now += timedelta(seconds=5)
    assert town.turn() == 3
    assert receiver.texts("/dead") == ["n0", "n0", "n1", "n2"]
    first, again, *_ = receiver.ids("/dead")
    assert first == again == receiver.ids("/fine")[0]


def test_an_endpoint_that_takes_nothing_for_days_is_disabled_and_the_log_says_so(
    town: Town, receiver: Receiver
):
    receiver.answers["/dead"] = status(503)
    added = town.add(f"{receiver.url}/dead")
    town.happens("n0")
    while town.listed()[0]["disabled_at"] is None:
        town.turn()
        town.now += timedelta(hours=24)
    assert len(receiver.got) == 5  # 0 s, then a day each until 75 h 35 min have passed
    assert "took no message for 96 hours: HTTP 503" in town.listed()[0]["disabled_reason"]
    assert town.actions() == ["webhook-added", "webhook-disabled"]
    town.happens("n1")
    assert town.turn() == 0
    receiver.answers["/dead"] = status(200)
    answer = town.api.post(f"/v1/webhooks/{added['id']}:replay").json()
    assert answer == {"messages": 2}
    assert town.turn() == 2
    assert receiver.texts("/dead")[-2:] == ["n0", "n1"]
    assert town.listed()[0]["disabled_at"] is None


def test_an_endpoint_that_says_it_is_gone_is_not_asked_again(small_town: Town, receiver: Receiver):
    receiver.answers["/gone"] = status(410)
    small_town.add(f"{receiver.url}/gone")
    small_town.happens("n0")
    small_town.turn()
    assert "answered that it is gone" in small_town.listed()[0]["disabled_reason"]
    small_town.now += timedelta(days=1)
    small_town.turn()
    assert len(receiver.got) == 1


def test_a_message_is_sent_again_on_request_under_its_id(town: Town, receiver: Receiver):
    added = town.add(f"{receiver.url}/all")
    for number in range(2):
        town.happens(f"n{number}")
    town.turn()
    path = f"/v1/webhooks/{added['id']}:replay"
    assert town.api.post(path).json() == {"messages": 0}
    second = receiver.ids("/all")[1]
    assert town.api.post(path, json={"message": second}).json() == {"messages": 1}
    assert town.turn() == 1
    assert town.api.post(path, json={"since": town.now.isoformat()}).json() == {"messages": 2}
    assert town.turn() == 2
    assert receiver.texts("/all") == ["n0", "n1", "n1", "n0", "n1"]
    assert len(set(receiver.ids("/all"))) == 2
    assert town.api.post(path, json={"message": "msg_x"}).status_code == 422
    deliveries = town.api.get(f"/v1/webhooks/{added['id']}/deliveries").json()["deliveries"]
    assert [(one["attempts"], one["answer"]) for one in deliveries] == [(1, "HTTP 204")] * 2


def test_a_secret_is_shown_once_and_changes_without_a_gap(small_town: Town, receiver: Receiver):
    added = small_town.add(f"{receiver.url}/services/T0/hidden")
    changed = small_town.api.post(f"/v1/webhooks/{added['id']}:rotate").json()
    small_town.happens("n0")
    small_town.turn()
    ((_, sent, body),) = receiver.got
    for secret in (added["secret"], changed["secret"]):
        Webhook(secret).verify(body, sent)
    shown = json.dumps(small_town.listed())
    assert "whsec_" not in shown
    assert "hidden" not in shown
    with small_town.database.read() as connection:
        logged = str([e.detail for e in SqlUnitOfWork(connection).audit.read()])
    assert "whsec_" not in logged
    assert "hidden" not in logged


@pytest.mark.parametrize("answer", ["redirect", "endless", "silence", "nobody"])
def test_nothing_that_an_endpoint_does_harms_us(small_town: Town, receiver: Receiver, answer: str):
    over = threading.Event()

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not over.is_set():
                handler.wfile.write(b"x" * 65536)
        except OSError:
            over.set()

    def silence(_: http.server.BaseHTTPRequestHandler) -> None:
        over.wait(PATIENCE)

    receiver.answers["/x"] = {
        "redirect": status(302, location=f"{receiver.url}/other"),
        "endless": endless,
        "silence": silence,
    }.get(answer, status(204))
    small_town.add("http://127.0.0.1:9/x" if answer == "nobody" else f"{receiver.url}/x")
    small_town.happens("n0")
    arrived = small_town.turn(timeout=0.5 if answer == "silence" else PATIENCE)
    over.set()
    assert arrived == (1 if answer == "endless" else 0)
    assert "/other" not in [path for path, _, _ in receiver.got]


@pytest.mark.parametrize("host", ["http://1.2.3.400/x", "http://xn--/x", "http://[v1.x]/x"])
def test_an_address_that_cannot_be_asked_stops_no_other(
    small_town: Town, receiver: Receiver, host: str
):
    small_town.add(host)
    small_town.add(f"{receiver.url}/fine")
    small_town.happens("n0")
    assert small_town.turn() == 1
    assert receiver.texts("/fine") == ["n0"]


@pytest.mark.parametrize(
    ("host", "known"),
    [("169.254.169.254", "169.254.169.254"), ("[::ffff:a9fe:a9fe]", "::ffff:a9fe:a9fe")],
)
def test_the_address_of_a_clouds_credentials_is_never_asked(
    small_town: Town, host: str, known: str
):
    added = small_town.add(f"http://{host}/latest/meta-data")
    small_town.happens("n0")
    assert small_town.turn() == 0
    (sent,) = small_town.api.get(f"/v1/webhooks/{added['id']}/deliveries").json()["deliveries"]
    assert sent["answer"] == f"{known} is at 169.254.169.254, where no webhook may go"


def test_what_is_no_webhook_is_refused_or_not_found(small_town: Town):
    assert (
        small_town.api.post("/v1/webhooks", json={"url": "file:///etc/passwd"}).status_code == 422
    )
    body = {"url": "https://example.org", "form": "pigeon"}
    assert small_town.api.post("/v1/webhooks", json=body).status_code == 422
    assert small_town.api.delete("/v1/webhooks/none").status_code == 404
    assert small_town.api.get("/v1/webhooks/none/deliveries").status_code == 404


def test_a_removed_endpoint_is_told_nothing_more(town: Town, receiver: Receiver):
    added = town.add(f"{receiver.url}/all")
    town.happens("n0")
    deliver(town.database, {}, town.now, {NOTIFICATION: spread})
    assert town.api.delete(f"/v1/webhooks/{added['id']}").status_code == 200
    assert town.turn() == 0
    assert receiver.got == []
    assert town.actions() == ["webhook-added", "webhook-removed"]


def test_old_deliveries_are_forgotten(town: Town, receiver: Receiver):
    added = town.add(f"{receiver.url}/all")
    town.happens("n0")
    town.turn()
    forget_old(town.database, town.now + timedelta(days=29))
    path = f"/v1/webhooks/{added['id']}/deliveries"
    assert len(town.api.get(path).json()["deliveries"]) == 1
    forget_old(town.database, town.now + timedelta(days=31))
    assert town.api.get(path).json() == {"deliveries": []}


SENDER = """
import sys
from datetime import UTC, datetime
from console.notify import notify
from registry.adapters.database.engine import Database
notify(Database(sys.argv[1]), lambda: datetime.now(UTC))
"""


def test_a_process_that_dies_after_sending_leaves_it_to_be_sent_again_under_the_same_id(
    town: Town, receiver: Receiver, migrated_url: str
):
    sender: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def kill_the_sender(_: http.server.BaseHTTPRequestHandler) -> None:
        assert started.wait(PATIENCE)
        os.kill(sender[0].pid, signal.SIGKILL)

    receiver.answers["/all"] = kill_the_sender
    town.add(f"{receiver.url}/all")
    town.happens("n0")
    deliver(town.database, {}, town.now, {NOTIFICATION: spread})
    sender.append(subprocess.Popen([sys.executable, "-c", SENDER, migrated_url]))
    started.set()
    assert sender[0].wait(PATIENCE) == -signal.SIGKILL
    receiver.answers["/all"] = status(204)
    assert town.turn() == 1
    first, second = receiver.ids("/all")
    assert first == second
