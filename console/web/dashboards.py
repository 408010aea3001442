"""The pages that only look: overview, queues, a model, its rollout, its drift, the audit log."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from console.web.api import Api, Document
from console.web.render import Frame, Renderer
from console.web.views.audit import audit_page
from console.web.views.card import card_page
from console.web.views.drift import drift_page
from console.web.views.formatting import sequence
from console.web.views.item_history import item_history_page
from console.web.views.model import model_page
from console.web.views.overview import overview_page
from console.web.views.people import people_page
from console.web.views.queues import STATES, queues_page
from console.web.views.rollout import rollout_page
from console.web.visitor import visitor
from registry.domain.errors import NotFound

_EVENTS = "200"
_ITEMS = "100"
_HELD = ("leased", "snoozed")


def add(pages: APIRouter, api: Api, renderer: Renderer, clock: Callable[[], datetime]) -> None:
    """Add these pages to the router."""
    board = Board(api, renderer, clock)
    pages.add_api_route("/", board.overview, methods=["GET"])
    pages.add_api_route("/review/queues", board.queues, methods=["GET"])
    pages.add_api_route("/review/items/{item}", board.item, methods=["GET"])
    pages.add_api_route("/review/people", board.people, methods=["GET"])
    pages.add_api_route("/models/{model}", board.model, methods=["GET"])
    pages.add_api_route("/models/{model}/versions/{version}", board.card, methods=["GET"])
    pages.add_api_route("/rollouts/{model}", board.rollout, methods=["GET"])
    pages.add_api_route("/drift/{model}", board.drift, methods=["GET"])
    pages.add_api_route("/audit", board.audit, methods=["GET"])


class Board:
    """One method a page: fetch its documents, make its view, fill its template."""

    def __init__(self, api: Api, renderer: Renderer, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._renderer = renderer
        self._clock = clock

    async def overview(self, request: Request) -> Response:
        """Models, candidates, what waits and what is wrong."""
        models = await self._get("/v1/models")
        rollouts = await self._get("/v1/rollouts")
        stats = await self._get("/v1/review/stats")
        drifts = [await self._drift_if_any(name) for name in _names(models)]
        view = overview_page(models, rollouts, stats, [d for d in drifts if d], self._clock())
        return self._show(request, "overview.html", view, "Overview")

    async def queues(self, request: Request, state: str = "open") -> Response:
        """What waits for people."""
        state = state if state in STATES else "open"
        stats = await self._get("/v1/review/stats")
        items = [item for one in STATES[state] for item in await self._items(one)]
        names = _names(await self._get("/v1/models"))
        each = await self._get("/v1/review/queues")
        view = queues_page(stats, items, names, state, self._clock(), each)
        return self._show(request, "queues.html", view, "Queues", section="queues")

    async def item(self, request: Request, item: str) -> Response:
        """What happened to an item, and what each reviewer had before them."""
        path, who = f"/v1/review/items/{_path(item)}", visitor(request)
        view = item_history_page(await self._api.get(path, actor=who) or {}, self._clock())
        return self._show(request, "item_history.html", view, "Review item", section="queues")

    async def people(self, request: Request) -> Response:
        """How reviewers do: everybody for a lead, else oneself."""
        document = await self._api.get("/v1/review/people", actor=visitor(request)) or {}
        view = people_page(document, lead=bool(document.get("gold")))
        return self._show(request, "people.html", view, "Reviewers", section="queues")

    async def model(self, request: Request, model: str) -> Response:
        """A model's versions, and how often each is right."""
        document = await self._get(f"/v1/models/{_path(model)}")
        view = model_page(document, self._clock(), await self._quality(model))
        return self._show(request, "model.html", view, model, model=model, tab="model")

    async def card(
        self, request: Request, model: str, version: int, *, alone: bool = False
    ) -> Response:
        """All that is known of one version, as a page or as one file to keep."""
        document = await self._get(f"/v1/models/{_path(model)}/versions/{version}")
        view = card_page(document, self._clock())
        frame = Frame(
            view.name, "overview", visitor(request), request.url.path, model, "model", alone
        )
        page = self._renderer.page("card.html", frame, view)
        if alone:
            page.headers["Content-Disposition"] = f'attachment; filename="version-{version}.html"'
        return page

    async def rollout(self, request: Request, model: str) -> Response:
        """A model's rollout and its history."""
        try:
            document = await self._get(f"/v1/rollouts/{_path(model)}")
        except NotFound as error:
            return self._missing(request, error, model, "rollout")
        history = await self._get(f"/v1/rollouts/{_path(model)}/history", {"limit": _EVENTS})
        readings = await self._get(f"/v1/rollouts/{_path(model)}/readings")
        quality = await self._quality(model)
        whose = {"model": model, "version": str(document["version"])}
        held = [one for state in _HELD for one in await self._items(state, whose)]
        view = rollout_page(
            document, sequence(history.get("events")), self._clock(), readings, quality, held
        )
        return self._show(
            request, "rollout.html", view, f"Rollout of {model}", model=model, tab="rollout"
        )

    async def drift(self, request: Request, model: str) -> Response:
        """What moved in a model's inputs."""
        try:
            document = await self._get(f"/v1/drift/{_path(model)}")
        except NotFound as error:
            return self._missing(request, error, model, "drift")
        view = drift_page(document, self._clock())
        return self._show(
            request, "drift.html", view, f"Drift of {model}", model=model, tab="drift"
        )

    async def audit(self, request: Request, model: str = "") -> Response:
        """The audit log."""
        params = {"limit": _EVENTS} | ({"model": model} if model else {})
        log = await self._get("/v1/audit", params)
        verification = await self._api.get("/v1/audit:verify")
        names = _names(await self._get("/v1/models"))
        view = audit_page(log, verification, names, model, self._clock())
        return self._show(request, "audit.html", view, "Audit log", section="audit")

    def _show(
        self,
        request: Request,
        template: str,
        view: object,
        title: str,
        section: str = "overview",
        model: str = "",
        tab: str = "",
        status: int = 200,
    ) -> Response:
        frame = Frame(title, section, visitor(request), request.url.path, model, tab)
        return self._renderer.page(template, frame, view, status)

    def _missing(self, request: Request, error: NotFound, model: str, tab: str) -> Response:
        """A model without a rollout or drift: said on its page, where its other tabs are."""
        return self._show(
            request, "error.html", error, error.title, model=model, tab=tab, status=error.status
        )

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Document:
        return await self._api.get(path, params) or {}

    async def _quality(self, model: str) -> Document:
        return await self._get("/v1/review/quality", {"model": model})

    async def _items(
        self, state: str, whose: Mapping[str, str] = MappingProxyType({})
    ) -> Sequence[Document]:
        found = await self._get("/v1/review/items", {"state": state, "limit": _ITEMS, **whose})
        return sequence(found.get("items"))

    async def _drift_if_any(self, model: str) -> Document | None:
        """The drift document of a model; none while no version of it answers."""
        try:
            return await self._api.get(f"/v1/drift/{_path(model)}")
        except NotFound:
            return None


def _path(model: str) -> str:
    return quote(model, safe="")


def _names(models: Document) -> tuple[str, ...]:
    return tuple(str(each["name"]) for each in sequence(models.get("models")))
