"""The application keeps to its OpenAPI document; bench/api_conformance.py asks far more of it."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from waiting import PATIENCE, eventually

from bench.api_conformance import CONFIG, register
from console.app import create_app
from console.settings import load_settings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of an application with a live model, and the application behind it."""
    folder = tmp_path_factory.mktemp("described")
    url = f"sqlite:///{folder}/test.db"
    register(url, folder)
    app = create_app(load_settings(home=folder / "home", database_url=url), serve=True)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert eventually(lambda: server.started)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    config = schemathesis.Config.from_path(CONFIG)
    yield schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)
    server.should_exit = True
    thread.join(PATIENCE)


def test_every_operation_answers_as_its_document_says(described: Any):
    asked = 0
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate()

        ask()
        asked += 1
    assert asked > 70


@pytest.mark.parametrize("path", ["/v1/rollouts/colours/certificate", "/v1/drift/colours"])
@pytest.mark.parametrize("version", [-(10**20), 0, 10**20])
def test_a_number_that_no_database_holds_is_no_version(described: Any, path: str, version: int):
    address = described.get_base_url().rstrip("/") + path
    assert httpx.get(address, params={"version": version}, timeout=PATIENCE).status_code == 422
