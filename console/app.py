"""The one application: every route and page, composed from the packages below."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

import httpx
from fastapi import FastAPI

from console import openapi, problems, tracing, visit
from console.authentication import Authentication, Gate
from console.collector import start_left_out
from console.controller import Controller
from console.duties import deliveries, duties, judgements, notifications
from console.grpc_door import listening
from console.in_process import ActingAs
from console.owner import Owner
from console.replica import Replica, take_over
from console.request_id import RequestId
from console.same_origin import SameOrigin
from console.session_cookie import SessionCookie
from console.settings import Settings
from console.timing import ServerTiming
from console.web import pages
from console.web.api import HttpApi
from console.web.entrance import Entrance
from console.wiring import Wiring, now
from monitoring.api import drift
from registry.api import audit, people, rollouts, webhooks
from serving.adapters.traffic import SqlTraffic
from serving.api import (
    inputs,
    invocations,
    models,
    open_inference,
    operations,
    predict,
    predictions,
    review,
    review_input,
)
from serving.api.front import Front

LATER_SECONDS = 5.0  # for what is at work behind the answers when the service ends


def create_app(
    settings: Settings,
    *,
    serve: bool = False,
    owner: Owner | None = None,
    worker: int | None = None,
) -> Front:
    """The application for these settings; with accounts on, the owner's key opens it as well.

    With `serve` its lifespan loads the models, answers predictions and runs the controller; without
    it only records can be read and changed, which is what the command line needs in process.
    worker: its number, if it is one of several behind one port.
    """
    wiring = Wiring(settings, worker)

    def routes_changed() -> None:
        if serve:  # whoever changes a route through this replica sees it here at once
            wiring.fleet.follow()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as closing:
            if traces:
                closing.callback(traces.close)
            closing.callback(wiring.database.close)
            closing.callback(wiring.ledger.close)
            if wiring.leases:
                closing.callback(wiring.leases.close)
            closing.callback(wiring.serving.arrivals.end)
            if serve:
                _begin(wiring, closing)
            async with listening(wiring, owner, traces, serve=serve):
                yield
                await wiring.serving.later.end(LATER_SECONDS)

    app = Front(
        title="stagegate",
        version=version("stagegate"),
        summary="Model registry and staged rollout with human review and drift monitoring.",
        lifespan=lifespan,
        generate_unique_id_function=openapi.operation_id,
        docs_url=None,  # FastAPI's page loads its script from elsewhere; console.web has one
        redoc_url=None,
    )
    app.state.wiring = wiring
    openapi.install(app)
    problems.install(app)
    for router in (
        predict.router(wiring.serving),
        open_inference.router(wiring.serving),
        invocations.router(wiring.serving),
        predictions.router(wiring.serving),
        models.router(wiring.database, wiring.references),
        review.router(wiring.serving),
        review_input.router(wiring.serving, wiring.inputs),
        inputs.router(wiring.serving, wiring.veil),
        operations.router(wiring.serving),
        rollouts.router(wiring.database, now, wiring.require_level, SqlTraffic, routes_changed),
        audit.router(wiring.database),
        webhooks.router(wiring.database, now),
        drift.router(wiring.database, wiring.references, wiring.reports, now),
        people.router(wiring.database, now, lambda: wiring.passwords, wiring.veil),
    ):
        app.include_router(router)
    predict.install(app, wiring.serving)
    _install_pages(app, wiring, owner)
    traces = tracing.install(app)
    return app


def _install_pages(app: FastAPI, wiring: Wiring, owner: Owner | None) -> None:
    """The pages, and who may see them; the last that is added looks at a request first."""
    settings, api = wiring.settings, HttpApi(_in_process(app))
    if settings.accounts:
        is_secure = settings.public_url.startswith("https:")
        cookie = SessionCookie(settings.lasting, always_secure=is_secure)
        entrance = Entrance(wiring.accounts, cookie, wiring.provider_door, settings.public_url)
        renderer = pages.install(app, api, entrance=entrance)
        gate = Gate(wiring.accounts, cookie, renderer.error, owner)
        app.add_middleware(Authentication, gate=gate)
    else:
        pages.install(app, api)
    app.add_middleware(SameOrigin, hosts=None if settings.accounts else settings.hosts)
    if settings.proxies:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        # What it says is who calls and how; anybody else's word for that is not taken.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.proxies))
    app.add_middleware(ServerTiming)
    app.add_middleware(RequestId)


def _begin(wiring: Wiring, closing: ExitStack) -> None:
    """Load the models, run the controller, and tell other workers of this one."""
    wiring.fleet.start()
    closing.callback(wiring.fleet.close)
    closing.enter_context(start_left_out())
    replica = Replica(wiring.settings.home, wiring.worker)
    closing.callback(replica.leave)
    take_over(wiring.database, replica)
    for loop in _loops(wiring, replica.name):
        loop.start()
        closing.callback(loop.stop)
    if wiring.shared_metrics:
        wiring.shared_metrics.start()
        closing.callback(wiring.shared_metrics.close)


def _loops(wiring: Wiring, holder: str) -> tuple[Controller, ...]:
    one = partial(Controller, database=wiring.database, now=now, holder=holder)
    # An effect may hang as long as the other system does; its lease must outlive that.
    slow = partial(one, lease_seconds=60)
    return (
        one("controller", duties=duties(wiring), stood_down=wiring.metrics.stood_down),
        one(
            "rollouts",
            duties=judgements(wiring),
            interval_seconds=0.1,
            stood_down=lambda: wiring.metrics.rollouts({}),
        ),
        slow("outbox", duties=deliveries(wiring)),
        slow("webhooks", duties=notifications(wiring, now), interval_seconds=1.0),
    )


def _in_process(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=ActingAs(app, lambda: visit.present().identity))
    return httpx.AsyncClient(transport=transport, base_url="http://stagegate")
