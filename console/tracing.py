"""Traces for OpenTelemetry, sent where `OTEL_EXPORTER_OTLP_ENDPOINT` says; nothing without it.

One span for each request, over HTTP or gRPC, with its steps below: decode, queue, inference and log
commit. It continues the trace of a caller who sends `traceparent`, and an answer over HTTP names it
in a `traceparent` of its own. OpenTelemetry's other variables
(`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, ...) hold as its documentation says.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.domain.errors import Invalid
from serving.steps import FOLLOWED

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PARENT = "traceparent"


def install(app: FastAPI) -> "Traces | None":
    """Trace the application if an endpoint is set."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    traces = Traces(_provider())
    app.add_middleware(Tracing, traces=traces)
    return traces


class Traces:
    """Spans of requests, sent to the collector."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._tracer = provider.get_tracer("stagegate")
        self.close = provider.shutdown

    @contextmanager
    def request(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]
    ) -> Iterator["Span"]:
        """A span of a request, under the caller's trace if they named one; its steps are below."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(dict(headers))
        opened = self._tracer.start_as_current_span(
            name, parent, SpanKind.SERVER, dict(attributes), record_exception=False
        )
        with opened as span:
            steps = _Steps(self._tracer, span)
            token = FOLLOWED.set(steps if span.is_recording() else None)
            try:
                with structlog.contextvars.bound_contextvars(trace_id=steps.trace_id):
                    yield span
            finally:
                FOLLOWED.reset(token)


class _Steps:
    """Implements serving.steps.Steps: a span for each step, below that of the request."""

    def __init__(self, tracer: "Tracer", span: "Span") -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracer = tracer
        self._inside = set_span_in_context(span)
        self._epoch = time.time_ns() - time.perf_counter_ns()
        self.trace_id = format(span.get_span_context().trace_id, "032x")

    def took(self, step: str, began: float, ended: float) -> None:
        """A span that is over already."""
        span = self._tracer.start_span(step, self._inside, start_time=self._at(began))
        span.end(self._at(ended))

    def _at(self, moment: float) -> int:
        return self._epoch + int(moment * 1e9)


class Tracing:
    """Puts every request over HTTP into a span."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within a span, under the caller's trace if they named one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        said = {"http.request.method": method, "url.path": scope["path"]}
        with self._traces.request(method, dict(Headers(scope=scope)), said) as span:
            try:
                await self._app(scope, receive, _told(span, scope, send))
            except Exception:
                _finish(span, scope, 500)  # it is answered further out, where no span is
                raise


def _told(span: "Span", scope: Scope, send: Send) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            _finish(span, scope, message["status"])
            context = span.get_span_context()
            parent = f"00-{context.trace_id:032x}-{context.span_id:016x}"
            MutableHeaders(scope=message)[PARENT] = f"{parent}-{context.trace_flags:02x}"
        await send(message)

    return tell


def _finish(span: "Span", scope: Scope, status: int) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("http.response.status_code", status)
    route = getattr(scope.get("route"), "path", None)
    if route:  # a name with the model in it would be as many names as there are models
        span.update_name(f"{scope['method']} {route}")
        span.set_attribute("http.route", route)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def _provider() -> "TracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise Invalid(
            f"{_ENDPOINTS[0]} is set, but what sends traces is not installed; run"
            " `pip install stagegate[tracing]`, or unset it"
        ) from error
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What OTEL_SERVICE_NAME says goes before this name.
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "stagegate"}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
