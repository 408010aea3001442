"""What the application refuses, and how it says what went wrong."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from console import problems
from console.same_origin import SameOrigin
from console.settings import load_settings
from console.timing import ServerTiming
from registry.domain.errors import Conflict, Invalid


def an_app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(SameOrigin)
    app.add_middleware(ServerTiming)
    problems.install(app)

    @app.post("/change")
    def change() -> dict[str, bool]:
        return {"changed": True}

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError("a secret of the code")

    @app.get("/conflict")
    def conflict() -> None:
        raise Conflict("bears v13 is already in gradual")

    return app


def ask(method: str, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(an_app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(headers: dict[str, str]):
    refused = ask("POST", "/change", **headers)
    assert refused.status_code == 403
    assert refused.headers["content-type"] == problems.MEDIA_TYPE


@pytest.mark.parametrize(("method", "path"), [("POST", "/change"), ("GET", "/nowhere")])
def test_every_answer_says_how_long_the_server_took(method: str, path: str):
    name, milliseconds = ask(method, path).headers["server-timing"].split("dur=")
    assert name == "total;"
    assert float(milliseconds) >= 0


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://here"}, {"Sec-Fetch-Site": "same-origin"}]
)
def test_programs_and_our_own_pages_pass(headers: dict[str, str]):
    assert ask("POST", "/change", **headers).json() == {"changed": True}


def test_another_site_may_read_what_anybody_may_read():
    assert ask("GET", "/conflict", Origin="http://evil.example").status_code == 409


def test_an_unexpected_error_is_a_problem_document_that_tells_no_secret():
    answer = ask("GET", "/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    assert "secret" not in answer.text
    assert answer.json()["incident"] in answer.json()["detail"]


def test_our_errors_and_unknown_paths_are_problem_documents():
    for path, status in (("/conflict", 409), ("/nowhere", 404)):
        answer = ask("GET", path)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["content-type"] == problems.MEDIA_TYPE


def test_a_misspelt_setting_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGEGATE_DATABSE_URL", "sqlite:///x.db")
    with pytest.raises(Invalid, match="did you mean STAGEGATE_DATABASE_URL"):
        load_settings()


def test_a_wrong_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGEGATE_PORT", "99999")
    with pytest.raises(Invalid, match="STAGEGATE_PORT"):
        load_settings()
