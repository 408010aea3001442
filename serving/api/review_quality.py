"""How good answers and reviewers are, over HTTP."""

from dataclasses import asdict
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Query

from registry.api.actor import Who
from serving.adapters.review_bias import SqlReviewBias
from serving.adapters.review_quality import SqlReviewQuality
from serving.api.parts import Serving
from serving.api.review_shapes import moment
from serving.api.text import Name
from serving.domain.bias import Standing
from serving.services.quality import Quality, by_queue, by_version

Days = Annotated[float, Query(gt=0, le=3650, description="How far back to look")]


def add(routes: APIRouter, serving: Serving) -> None:
    """Add these routes to those of the review queue."""

    @routes.get("/quality")
    def quality(model: Name, who: Who, days: Days = 30.0) -> dict[str, Any]:
        """The accuracy of a model by version, stage and queue, and how far reviewers agree.

        Weighted by the chance of review, with the reviewers' errors taken out by gold items, and
        bounded for answers that nobody would judge; beside it the plain share among the reviewed.
        The counts of gold items are for leads alone: after each answer they tell what it was.
        """
        now, whole = serving.clock(), ceil(days)
        found: dict[str, Any] = serving.kept.get(
            ("quality", model, whole), lambda: _quality(serving, model, now, whole)
        )
        return found if who.lead else {**found, "gold": None}


def _quality(serving: Serving, model: str, now: datetime, days: float) -> dict[str, Any]:
    since = now - timedelta(days=days)
    with serving.database.read() as connection:
        found = SqlReviewQuality(connection, model, since)
        strata, opinions, known = found.strata(now), found.opinions(), found.known()
        standing = SqlReviewBias(connection).standing(model)
    return {
        "model": model,
        "since": since.isoformat(),
        "confidence": 0.95,
        "gold": asdict(known),
        "bias": None if standing is None else _bias(standing),
        "versions": [_document(one) for one in by_version(strata, opinions, known)],
        "queues": [_document(one) for one in by_queue(strata, opinions, known)],
    }


def _bias(standing: Standing) -> dict[str, Any]:
    return {
        "sentence": standing.sentence,
        "estimate": None if standing.bias is None else asdict(standing.bias),
        "at_most": standing.at_most,
        "shown": asdict(standing.shown),
        "blind": asdict(standing.blind),
        "measured_at": moment(standing.at),
        "fallen_back_at": moment(standing.fallen_back_at),
    }


def _document(one: Quality) -> dict[str, Any]:
    names = {"version": one.version, "stage": one.stage, "queue": one.queue}
    return {
        **{name: value for name, value in names.items() if value is not None},
        "accuracy": asdict(one.accuracy),
        "agreement": asdict(one.agreement),
    }
