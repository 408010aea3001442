"""Traces reach a collector, join the caller's, and cost nothing where nobody collects."""

import asyncio
import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import serving_app
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from serving_fakes import FakeRunner, image
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from console import problems, tracing
from registry.adapters.database.engine import Database
from serving.adapters.fleet import LiveFleet
from serving.adapters.ledger import GroupLedger
from serving.api.front import Front
from serving.api.grpc_messages import SERVICE, messages
from serving.api.grpc_service import GrpcServer
from serving.api.parts import Serving

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


def installed(app: FastAPI) -> tracing.Traces:
    traces = tracing.install(app)
    assert traces is not None
    return traces


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: one.value for one in span.attributes}


def test_a_request_is_a_span_under_the_callers_trace_and_the_answer_names_it(
    collected: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
):
    address, spans = collected
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    app = an_app()
    traces = installed(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        joined = client.get("/v1/models/waste", headers=headers)
        alone = client.get("/v1/models/bears", headers={"traceparent": "nonsense"})
        client.get("/broken")
    traces.close()
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
    traces = installed(app)
    with TestClient(app) as client:
        assert client.post("/v1/models/waste/predict").text == "waste"
    traces.close()
    ((_, span),) = spans
    assert span.name == "POST /v1/models/{model}/predict"
    assert attributes(span)["http.route"].string_value == "/v1/models/{model}/predict"


@pytest.fixture
def serving(database: Database, tmp_path: Path) -> Iterator[Serving]:
    """One model whose version 1 is live."""
    serving_app.register(database, None)
    runners = {1: FakeRunner("paper"), 2: FakeRunner()}
    made = serving_app.parts(database, str(tmp_path / "payloads"), runners)
    assert isinstance(made.fleet, LiveFleet)
    assert isinstance(made.ledger, GroupLedger)
    made.fleet.start()
    yield made
    made.arrivals.end()
    made.fleet.close()
    made.ledger.close()


STEPS = ["decode", "queue", "inference", "log commit"]


def check_steps(spans: list[Any], name: str) -> Any:
    """The span of the one request, which has the caller's trace, and its steps below it."""
    (request,) = (span for _, span in spans if span.name == name)
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    steps = sorted((span for _, span in spans if span is not request), key=_began)
    assert [step.name for step in steps] == STEPS
    assert {step.parent_span_id for step in steps} == {request.span_id}
    assert {step.trace_id.hex() for step in steps} == {TRACE}
    for step in steps:
        assert step.start_time_unix_nano <= step.end_time_unix_nano
    millisecond = 1_000_000  # two clocks are read
    assert _began(request) <= _began(steps[0]) + millisecond
    assert steps[-1].end_time_unix_nano <= request.end_time_unix_nano + millisecond
    return request


def _began(span: Any) -> int:
    return int(span.start_time_unix_nano)


def test_the_steps_of_a_request_are_spans_below_it(
    collected: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch, serving: Serving
):
    address, spans = collected
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    app = serving_app.app(serving)
    traces = installed(app)
    with TestClient(app) as client:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        answer = client.post("/v1/models/waste/predict", content=image(), headers=headers)
        assert answer.status_code == 200
    traces.close()
    check_steps(spans, "POST /v1/models/{model}/predict")


def test_a_call_over_grpc_is_a_span_under_the_callers_trace_with_its_steps(
    collected: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch, serving: Serving
):
    address, spans = collected
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    traces, data = installed(FastAPI()), image()
    asked = messages()["ModelInferRequest"](
        model_name="waste",
        inputs=[{"name": "image", "datatype": "BYTES", "shape": [1]}],
        raw_input_contents=[struct.pack("<I", len(data)) + data],
    )

    async def admitted(*_: object) -> None:
        """Everybody may."""

    async def call() -> None:
        server = GrpcServer(serving, admitted, (), follow=traces.request)
        port = await server.start("127.0.0.1:0")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            infer = channel.unary_unary(
                f"/{SERVICE}/ModelInfer",
                request_serializer=type(asked).SerializeToString,
                response_deserializer=messages()["ModelInferResponse"].FromString,
            )
            await infer(asked, metadata=(("traceparent", f"00-{TRACE}-{PARENT}-01"),))
            with pytest.raises(grpc.aio.AioRpcError):
                await infer(type(asked)(model_name="nobody"))
        await server.stop(1)

    asyncio.run(call())
    traces.close()
    refused = [one for one in spans if one[1].parent_span_id == b""]
    request = check_steps([one for one in spans if one not in refused], f"{SERVICE}/ModelInfer")
    assert attributes(request)["rpc.method"].string_value == "ModelInfer"
    ((_, span),) = refused
    assert attributes(span)["rpc.grpc.status_code"].int_value == 3


def test_a_collector_that_is_away_keeps_no_answer_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    app = an_app()
    traces = installed(app)
    with TestClient(app) as client:
        assert client.get("/v1/models/waste").status_code == 200
    traces.close()


def test_without_an_endpoint_nothing_is_added(monkeypatch: pytest.MonkeyPatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    app = an_app()
    assert tracing.install(app) is None
    assert app.user_middleware == []
    with TestClient(app) as client:
        assert "traceparent" not in client.get("/v1/models/waste").headers
