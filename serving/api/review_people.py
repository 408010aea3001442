"""How reviewers and queues do, over HTTP."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from fastapi import APIRouter

from registry.api.actor import Who
from serving.adapters.review_people import SqlReviewPeople
from serving.adapters.review_quality import SqlReviewQuality
from serving.adapters.review_queues import SqlReviewQueues
from serving.api.parts import Serving
from serving.api.review_quality import Days
from serving.domain.reviewers import Reviewer, reviewers, share


def add(routes: APIRouter, serving: Serving) -> None:
    """Add these routes to those of the review queue."""

    @routes.get("/people")
    def people(who: Who, days: Days = 30.0) -> dict[str, Any]:
        """How reviewers do. Leads see everybody, others themselves, and gold items leads alone.

        Whoever knew how they do on gold items could find out which ones they are.
        """
        now, name = serving.clock(), None if who.lead else who.name
        whole = ceil(days)
        key = ("people", whole, name)
        return serving.kept.get(key, lambda: _people(serving, name, whole, now))

    @routes.get("/queues")
    def queues(who: Who, days: Days = 7.0) -> dict[str, Any]:
        """How each model's queues stand: what waits, how fast it is answered, and how well.

        The share of gold items is for leads alone: after each answer it tells what the item was.
        """
        found = queues_document(serving, days)
        if who.lead:
            return found
        return {**found, "queues": [{**one, "gold": None} for one in found["queues"]]}


def queues_document(serving: Serving, days: float = 7.0) -> dict[str, Any]:
    """The queues of every model."""
    now, whole = serving.clock(), ceil(days)
    return serving.kept.get(("queues", whole), lambda: _queues(serving, whole, now))


def _people(serving: Serving, name: str | None, days: float, now: datetime) -> dict[str, Any]:
    since = now - timedelta(days=days)
    with serving.database.read() as connection:
        work = SqlReviewPeople(connection, since, name).work(now)
        groups = SqlReviewQuality(connection, None, since).opinions()
    items = [unit for units in groups.values() for unit in units]
    found = [one for one in reviewers(work, items) if name in {None, one.name}]
    return {
        "since": since.isoformat(),
        "gold": name is None,
        "people": [_person(one, gold=name is None) for one in found],
    }


def _person(one: Reviewer, *, gold: bool) -> dict[str, Any]:
    document = asdict(one)
    return document if gold else {k: v for k, v in document.items() if k != "gold"}


def _queues(serving: Serving, days: float, now: datetime) -> dict[str, Any]:
    since = now - timedelta(days=days)
    with serving.database.read() as connection:
        found = SqlReviewQueues(connection).counts(now, since)
    return {
        "since": since.isoformat(),
        "queues": [_queue(*key, counts, now) for key, counts in sorted(found.items())],
    }


def _queue(model: str, queue: str, counts: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    oldest = counts.get("oldest")
    fallbacks = share(counts.get("fallbacks", 0), counts.get("held", 0))
    gold = share(counts.get("gold_right", 0), counts.get("gold", 0))
    names = ("waiting", "in_review", "due_within_hour", "overdue", "decisions_per_hour")
    return {
        "model": model,
        "queue": queue,
        **{name: counts.get(name, 0) for name in names},
        "oldest_seconds": None if oldest is None else max(0.0, (now - oldest).total_seconds()),
        "fallback": fallbacks and asdict(fallbacks),
        "gold": gold and asdict(gold),
    }
