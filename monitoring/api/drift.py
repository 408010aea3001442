"""What moved in a model's inputs, over HTTP."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response

from monitoring.adapters.windows import KEPT, SqlWindows
from monitoring.ports import References, Reports
from monitoring.services.describe_drift import describe_drift
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api.limit import WhichVersion
from registry.domain.errors import InvalidField, NotFound

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_REPORT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}, "description": "A page that needs no network."}
}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def router(
    database: Database, references: References, reports: Reports, now: Callable[[], datetime]
) -> APIRouter:
    """The routes under /v1/drift."""
    routes = APIRouter(prefix="/v1/drift", tags=["drift"])

    @routes.get("/{model}")
    def drift(
        model: str, window: str | None = None, version: WhichVersion = None
    ) -> dict[str, Any]:
        """Compare a stretch of live inputs (`?window=1h`) with the version's reference."""
        length = duration(window) if window is not None else None
        with database.read() as connection:
            unit, windows = SqlUnitOfWork(connection), SqlWindows(connection)
            return describe_drift(unit, windows, references, model, version, length, now())

    @routes.get("/{model}/report", response_class=Response, responses=_REPORT)
    def report(model: str, window: str | None = None, version: WhichVersion = None) -> Response:
        """The same as a page made by Evidently, to keep or to pass on; takes some seconds."""
        found = drift(model, window, version)
        if not found["tests"]:
            raise NotFound(f"there is nothing to report: {found['sentence']}")
        name = f"drift-{found['version']}.html"
        return Response(
            reports.render(found),
            media_type="text/html; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return routes


def duration(text: str) -> timedelta:
    """`90s`, `30m`, `1h` or `7d`, at most 30 days; InvalidField for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        expected = f"a number and s, m, h or d, such as 1h, not {text!r}"
        raise InvalidField("query.window", expected)
    length = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if length > KEPT:
        expected = f"at most {KEPT.days}d, since older inputs are not kept; it is {text}"
        raise InvalidField("query.window", expected)
    return length
