"""Traces for OpenTelemetry, sent where `OTEL_EXPORTER_OTLP_ENDPOINT` says; nothing without it.

One span for each request. It continues the trace of a caller who sends `traceparent`, and the
answer names it in a `traceparent` of its own. OpenTelemetry's other variables
(`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, ...) hold as its documentation says.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.domain.errors import Invalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PARENT = "traceparent"


def install(app: FastAPI) -> Callable[[], object]:
    """Trace the application if an endpoint is set; gives what sends the last spans."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return lambda: None
    provider = _provider()
    app.add_middleware(Tracing, provider=provider)
    return provider.shutdown


class Tracing:
    """Puts every request into a span."""

    def __init__(self, app: ASGIApp, provider: "TracerProvider") -> None:
        self._app = app
        self._tracer = provider.get_tracer("stagegate")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within a span, under the caller's trace if they named one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        known = dict(Headers(scope=scope))
        method = scope["method"]
        with self._tracer.start_as_current_span(
            method,
            TraceContextTextMapPropagator().extract(known),
            SpanKind.SERVER,
            {"http.request.method": method, "url.path": scope["path"]},
        ) as span:
            trace = format(span.get_span_context().trace_id, "032x")
            with structlog.contextvars.bound_contextvars(trace_id=trace):
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
