"""The plain route: behind the same middleware, with the same answers to errors."""

from collections.abc import Iterator

import pytest
from fastapi.responses import PlainTextResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from console import problems
from registry.domain.errors import NotFound
from serving.api.front import Front
from serving.api.quick import QuickHeaders


class Breaking:
    """Middleware that fails where a request asks for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (b"x-break", b"yes") in scope.get("headers", ()):
            raise ValueError("broken")
        await self.app(scope, receive, send)


async def plain(model: str, request: Request) -> Response:
    if model == "nobody":
        raise NotFound("There is no model 'nobody'.")
    if model == "bug":
        raise KeyError(model)
    return PlainTextResponse(f"plain {model}")


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = Front()
    problems.install(app)
    app.answer_first("/v1/models/", "/predict", plain)
    app.add_middleware(Breaking)

    @app.post("/v1/models/{model}/{rest:path}")
    def other(model: str, rest: str) -> str:
        return f"other {model}"

    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def test_the_plain_route_answers_first(client: TestClient):
    assert client.post("/v1/models/waste/predict").text == "plain waste"


@pytest.mark.parametrize("path", ["/v1/models/a/b/predict", "/v1/models/waste/predict/"])
def test_what_only_looks_like_it_is_left_to_the_application(client: TestClient, path: str):
    assert "other" in client.post(path).text


def test_another_method_is_left_to_the_application(client: TestClient):
    assert client.get("/v1/models/waste/predict").status_code == 405


@pytest.mark.parametrize(("model", "status"), [("nobody", 404), ("bug", 500)])
def test_errors_are_problem_documents(client: TestClient, model: str, status: int):
    answer = client.post(f"/v1/models/{model}/predict")
    assert answer.status_code == status
    assert answer.headers["content-type"] == problems.MEDIA_TYPE


def test_middleware_stands_before_the_plain_route_and_its_failure_is_a_problem_too(
    client: TestClient,
):
    answer = client.post("/v1/models/waste/predict", headers={"X-Break": "yes"})
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal error")


def test_of_several_headers_with_one_name_the_first_counts():
    headers = QuickHeaders([(b"prefer", b"wait=1"), (b"prefer", b"wait=2"), (b"x", b"\xe9")])
    assert headers["Prefer"] == "wait=1"
    assert headers.get("x") == "é"
    assert headers.get("none") is None
    assert headers.getlist("prefer") == ["wait=1", "wait=2"]
