"""Every request has a name, which its answer and its lines in the log have, too."""

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from console.request_id import RequestId, with_name


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.add_middleware(RequestId)

    @app.get("/")
    async def look() -> str:
        return str(with_name(None, "info", {"event": "x"})["request_id"])

    @app.get("/elsewhere")
    def on_a_thread() -> str:
        return str(with_name(None, "info", {"event": "x"})["request_id"])

    return TestClient(app)


@pytest.mark.parametrize("path", ["/", "/elsewhere"])
def test_a_name_that_was_sent_is_kept(client: TestClient, path: str):
    answer = client.get(path, headers={"X-Request-ID": "proxy-7:a.b"})
    assert answer.headers["x-request-id"] == answer.json() == "proxy-7:a.b"


@pytest.mark.parametrize("sent", [None, "", "two words", "x" * 65, "ü", "a\\nb", '"'])
def test_without_a_good_name_each_request_gets_one_of_its_own(client: TestClient, sent: str | None):
    headers = {} if sent is None else {"X-Request-ID": sent.encode("utf-8")}
    names = [client.get("/", headers=headers).headers["x-request-id"] for _ in range(2)]
    assert len(set(names)) == 2
    assert sent not in names
    assert with_name(None, "info", {"event": "x"}) == {"event": "x"}
