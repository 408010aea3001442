"""Traces reach a collector, join the caller's, and cost nothing where nobody collects."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from console import problems, tracing
from serving.api.front import Front

pytestmark = pytest.mark.integration
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collected() -> Iterator[tuple[str, list[Any]]]:
    """The address of a collector on this machine, and the spans that it was sent."""
    spans: list[Any] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sent = ExportTraceServiceRequest.FromString(body)
            spans.extend(
                ({a.key: a.value for a in one.resource.attributes}, span)
                for one in sent.resource_spans
                for scope in one.scope_spans
                for span in scope.spans
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", spans
    server.shutdown()
    thread.join()
    server.server_close()


def an_app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.get("/v1/models/{model}")
    def model(model: str) -> dict[str, str]:
        return {"model": model}

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError

    return app


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: one.value for one in span.attributes}


def test_a_request_is_a_span_under_the_callers_trace_and_the_answer_names_it(
    collected: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
):
    address, spans = collected
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    app = an_app()
    send = tracing.install(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        joined = client.get("/v1/models/waste", headers=headers)
        alone = client.get("/v1/models/bears", headers={"traceparent": "nonsense"})
        client.get("/broken")
    send()
    (resource, first), (_, second), (_, third) = spans
    assert resource["service.name"].string_value == "stagegate"
    assert first.name == "GET /v1/models/{model}"
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, PARENT)
    assert joined.headers["traceparent"] == f"00-{TRACE}-{first.span_id.hex()}-01"
    assert attributes(first)["http.response.status_code"].int_value == 200
    assert second.parent_span_id == b""
    assert alone.headers["traceparent"].split("-")[1] == second.trace_id.hex() != TRACE
    assert attributes(third)["http.response.status_code"].int_value == 500
    assert third.status.code == third.status.STATUS_CODE_ERROR


def test_the_route_that_is_answered_first_has_its_name_too(
    collected: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
):
    address, spans = collected
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)

    async def plain(model: str, request: Request) -> Response:
        return Response(model)

    app = Front()
    problems.install(app)
    app.answer_first("/v1/models/", "/predict", plain)
    send = tracing.install(app)
    with TestClient(app) as client:
        assert client.post("/v1/models/waste/predict").text == "waste"
    send()
    ((_, span),) = spans
    assert span.name == "POST /v1/models/{model}/predict"
    assert attributes(span)["http.route"].string_value == "/v1/models/{model}/predict"


def test_a_collector_that_is_away_keeps_no_answer_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    app = an_app()
    send = tracing.install(app)
    with TestClient(app) as client:
        assert client.get("/v1/models/waste").status_code == 200
    send()


def test_without_an_endpoint_nothing_is_added(monkeypatch: pytest.MonkeyPatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    app = an_app()
    tracing.install(app)()
    assert app.user_middleware == []
    with TestClient(app) as client:
        assert "traceparent" not in client.get("/v1/models/waste").headers
