"""The client: which service it finds, and how refusals come back."""

import json
import os
from pathlib import Path

import httpx
import pytest

from console.client import Client, Refused, service_url
from console.settings import Settings


class Answers:
    """A wire that always brings back the same response and keeps what was sent."""

    def __init__(self, status: int, **content: object) -> None:
        self.status, self.content, self.sent = status, content, []

    def send(self, method: str, path: str, **request: object) -> httpx.Response:
        self.sent.append((method, path, request))
        return httpx.Response(self.status, **self.content)


def test_every_request_says_who_asks():
    wire = Answers(200, json={})
    Client(wire, {"X-Stagegate-Actor": "ada"}).get("/v1/models", limit=None, state="open")
    [(method, path, request)] = wire.sent
    assert (method, path) == ("GET", "/v1/models")
    assert request["headers"] == {"X-Stagegate-Actor": "ada"}
    assert request["params"] == {"state": "open"}


def test_nothing_to_give_is_none():
    assert Client(Answers(204), {"X-Stagegate-Actor": "ada"}).get("/v1/review/next") is None


def test_a_problem_document_becomes_an_error_with_its_reasons():
    problem = {"title": "Gates not passed", "detail": "a; b", "reasons": ["a", "b"]}
    with pytest.raises(Refused, match="a; b") as caught:
        Client(Answers(409, json=problem), {"X-Stagegate-Actor": "ada"}).post(
            "/v1/rollouts/waste:promote"
        )
    assert caught.value.reasons == ("a", "b")
    assert caught.value.status == 409


def test_an_error_that_is_no_document_is_quoted():
    with pytest.raises(Refused, match="HTTP 502: bad gateway"):
        Client(Answers(502, text="bad gateway"), {"X-Stagegate-Actor": "ada"}).get("/v1/models")


def test_the_running_service_of_a_home_is_found(tmp_path: Path):
    settings = Settings(home=tmp_path)
    assert service_url(settings) is None
    file = tmp_path / "service.json"
    file.write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": os.getpid()}))
    assert service_url(settings) == "http://127.0.0.1:1"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "u", "pid": 4194305}'])
def test_what_a_dead_service_left_behind_is_passed_over(tmp_path: Path, content: str):
    (tmp_path / "service.json").write_text(content)
    assert service_url(Settings(home=tmp_path)) is None
