"""Bodies that mean harm: each is refused, and nothing of it stays."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serving_app
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Request
from starlette.testclient import TestClient
from waiting import PATIENCE, eventually

from bench.attacks import INFER, INVOKE, PREDICT, png, refused
from bench.hostile_bodies import Holding, assail, left_over, serving_parts
from console import problems
from console.patient_protocol import PatientProtocol
from registry.adapters.database.engine import Database
from registry.domain.errors import TooSlow
from serving.adapters.tables import prediction
from serving.api.body import read_body

# What Pillow says of damaged files belongs to the log of a service, not to these claims.
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("default")]


@pytest.fixture
def payloads(tmp_path: Path) -> Path:
    return tmp_path / "payloads"


@pytest.fixture
def client(migrated_sqlite_url: str, payloads: Path) -> Iterator[TestClient]:
    database = Database(migrated_sqlite_url)
    with serving_app.client(serving_parts(database, payloads)) as opened:
        opened.app.state.database = database  # type: ignore[attr-defined]
        yield opened
    database.close()


def test_hostile_and_random_bodies_end_as_4xx_and_leave_nothing_behind(
    client: TestClient, payloads: Path
):
    assail(client, 20, 1)
    client.post(PREDICT, content=png(), headers={"Idempotency-Key": "starts the pool of threads"})
    before = Holding.now()
    assail(client, 250, 2)
    assert eventually(lambda: Holding.now().files <= before.files)
    assert eventually(lambda: Holding.now().threads <= before.threads)
    database = client.app.state.database  # type: ignore[attr-defined]
    assert left_over(database, payloads) == frozenset()
    assert client.post(PREDICT, content=png()).status_code == 200


@pytest.mark.parametrize("name", sorted(refused()))
def test_each_of_these_is_refused_wherever_it_is_sent(client: TestClient, name: str):
    for attack in refused()[name]:
        answer = client.post(attack.path, content=attack.content, headers=attack.headers)
        assert 400 <= answer.status_code < 500, (attack.path, answer.text)
        document = answer.json()
        if attack.path != INFER:
            assert answer.headers["content-type"] == problems.MEDIA_TYPE
            assert document["detail"]
    database = client.app.state.database  # type: ignore[attr-defined]
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(prediction)).scalar() == 0


@pytest.mark.parametrize("path", [PREDICT, INVOKE, INFER])
def test_a_body_that_stops_coming_is_not_waited_for(path: str):
    async def dawdle() -> None:
        sent = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive() -> dict[str, object]:
            return sent.pop() if sent else await asyncio.Future()

        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        await read_body(Request(scope, receive), 100, seconds=0.05)

    with pytest.raises(TooSlow, match=r"after 0\.05 s"):
        asyncio.run(dawdle())


class Hasty(PatientProtocol):
    head_seconds = 0.2
    head_bytes = 4096


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server whose patience is short."""
    app = FastAPI()
    problems.install(app)

    @app.post("/slow")
    async def slow(request: Request) -> dict[str, int]:
        return {"bytes": len(await read_body(request, 100, seconds=0.2))}

    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Hasty, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert eventually(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(PATIENCE)


def heard(port: int, *said: bytes) -> bytes:
    """All that the server answers to these bytes before it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        for part in said:
            line.sendall(part)
        answer = b""
        while more := line.recv(4096):
            answer += more
        return answer


HEAD = b"POST /slow HTTP/1.1\r\nHost: here\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([], b"400"),
        ([HEAD], b"400"),
        ([HEAD, b"X: " + b"y" * 5000], b"400"),
        ([HEAD + b"Content-Length: 50\r\n\r\n", b"some"], b"408"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n"], b"408"),
        ([HEAD + b"Content-Length: 500\r\nConnection: close\r\n\r\n", b"y" * 500], b"413"),
        ([WHOLE, HEAD], b"400"),
    ],
)
def test_who_dawdles_is_hung_up_on_and_told_why(port: int, said: list[bytes], status: bytes):
    answers = heard(port, *said).split(b"HTTP/1.1 ")
    assert answers[-1][:3] == status
    assert heard(port, WHOLE.replace(b"Host", b"Connection: close\r\nHost")).endswith(
        b'{"bytes":2}'
    )
