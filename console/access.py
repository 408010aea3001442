"""Who may do what: every route with the least role that may use it. What is not here is refused."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fastapi.routing import iter_route_contexts
from starlette._utils import get_route_path  # the path that the router itself matches
from starlette.routing import BaseRoute, compile_path
from starlette.types import Scope

from registry.domain.people import Identity, Role

# Load balancers ask before anybody can log in, and somebody must be able to.
_OPEN = (
    "GET /healthz",
    "GET /readyz",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /static/{name:path}",
    "GET /login",
    "GET /login/provider",
    "GET /login/provider/callback",
    "POST /login",
)
# Looking. /metrics is no exception for this machine: behind a proxy here, everybody is "here".
_VIEWER = (
    "GET /",
    "GET /account",
    "GET /audit",
    "GET /docs",
    "GET /drift/{model}",
    "GET /metrics",
    "GET /models/{model}",
    "GET /models/{model}/versions/{version}",
    "GET /models/{model}/ping",
    "GET /openapi.json",
    "GET /review/items/{item}",
    "GET /review/queues",
    "GET /rollouts/{model}",
    "GET /v1/audit",
    "GET /v1/audit:verify",
    "GET /v1/drift/{model}",
    "GET /v1/drift/{model}/report",
    "GET /v1/me",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "GET /v1/models/{model}/versions/{version}",
    "GET /v1/predictions/{prediction_id}",
    "GET /v1/predictions/{prediction_id}/events",
    "GET /v1/predictions/{prediction_id}/payload",
    "GET /v1/review/items",
    "GET /v1/review/items/{item}",
    "GET /v1/review/quality",
    "GET /v1/review/queues",
    "GET /v1/review/stats",
    "GET /v1/review/{item}/input",
    "GET /v1/review/{item}/payload",
    "GET /v1/rollouts",
    "GET /v1/rollouts/{model}",
    "GET /v1/rollouts/{model}/certificate",
    "GET /v1/rollouts/{model}/history",
    "GET /v1/rollouts/{model}/readings",
    "GET /v1/rollouts/{model}/standing",
    "GET /v2",
    "GET /v2/models/{model}",
    "GET /v2/models/{model}/ready",
    "GET /v2/models/{model}/versions/{version}",
    "GET /v2/models/{model}/versions/{version}/ready",
    "POST /account/logout",
    "POST /account/password",
    "POST /logout",
    "POST /v1/me:logout",
    "POST /v1/me:password",
    "POST /v1/rollouts:lint",
    "POST /v1/rollouts:plan",
)
# Asking a model, and answering what waits for a person.
_REVIEWER = (
    "DELETE /v1/predictions/{prediction_id}",
    "GET /review",
    "GET /review/ahead",
    "GET /review/item",
    "GET /review/people",
    "GET /review/{item}/input",
    "GET /v1/review/next",
    "GET /v1/review/people",
    "POST /models/{model}/invocations",
    "POST /review/bulk/decision",
    "POST /review/bulk/undo",
    "POST /review/{item}/agree",
    "POST /review/{item}/comment",
    "POST /review/{item}/correct",
    "POST /review/{item}/decision",
    "POST /review/{item}/escalate",
    "POST /review/{item}/grid",
    "POST /review/{item}/renew",
    "POST /review/{item}/skip",
    "POST /review/{item}/snooze",
    "POST /review/{item}/undo",
    "POST /v1/models/{model}/predict",
    "POST /v1/review/bulk/decision",
    "POST /v1/review/bulk/undo",
    "POST /v1/review/{item}/agree",
    "POST /v1/review/{item}/comment",
    "POST /v1/review/{item}/decision",
    "POST /v1/review/{item}/escalate",
    "POST /v1/review/{item}/grid",
    "POST /v1/review/{item}/renew",
    "POST /v1/review/{item}/skip",
    "POST /v1/review/{item}/snooze",
    "POST /v1/review/{item}/undo",
    "POST /v2/models/{model}/infer",
    "POST /v2/models/{model}/versions/{version}/infer",
)
# Settling what reviewers dispute; a reviewer may be a lead, and an engineer need not be.
_LEAD = (
    "POST /review/{item}/release",
    "POST /v1/review/{item}/adjudicate",
    "POST /v1/review/{item}/release",
)
# Changing what answers, and what it learns from; what is missing among the corrections is gold.
_ENGINEER = (
    "DELETE /v1/webhooks/{webhook}",
    "GET /v1/review/corrections",
    "GET /v1/webhooks",
    "GET /v1/webhooks/{webhook}/deliveries",
    "POST /v1/rollouts",
    "POST /v1/rollouts/{model}:abort",
    "POST /v1/rollouts/{model}:approve",
    "POST /v1/rollouts/{model}:pause",
    "POST /v1/rollouts/{model}:promote",
    "POST /v1/rollouts/{model}:resume",
    "POST /v1/rollouts/{model}:undo",
    "POST /v1/webhooks",
    "POST /v1/webhooks/{webhook}:replay",
    "POST /v1/webhooks/{webhook}:rotate",
)
# People and their keys, and what is stored of anybody.
_ADMIN = (
    "GET /v1/keys",
    "GET /v1/people",
    "POST /v1/keys",
    "POST /v1/keys/{prefix}:revoke",
    "POST /v1/models/{model}/inputs:forget",
    "POST /v1/people",
    "POST /v1/people/{name}:change",
    "POST /v1/people/{name}:disable",
    "POST /v1/people/{name}:enable",
    "POST /v1/people/{name}:password",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may pass: a role, every role above it, and with `lead` only the leads among them."""

    role: Role
    lead: bool = False

    def admits(self, who: Identity) -> bool:
        """Whether somebody may pass."""
        return who.role.includes(self.role) and (who.lead or not self.lead)

    def __str__(self) -> str:
        return f"the role {self.role}" + (" and a lead" if self.lead else "")


_GROUPS = (
    (_OPEN, None),
    (_VIEWER, Rule(Role.VIEWER)),
    (_REVIEWER, Rule(Role.REVIEWER)),
    (_LEAD, Rule(Role.REVIEWER, lead=True)),
    (_ENGINEER, Rule(Role.ENGINEER)),
    (_ADMIN, Rule(Role.ADMIN)),
)

# None: open to everybody.
RULES: Mapping[str, Rule | None] = {route: rule for group, rule in _GROUPS for route in group}


@dataclass(frozen=True, slots=True)
class Door:
    """A route of the application under one of its methods."""

    method: str
    path: str
    pattern: re.Pattern[str]
    is_page: bool

    @property
    def name(self) -> str:
        """Its line in the table, such as "GET /v1/models"."""
        return f"{self.method} {self.path}"

    @property
    def has_rule(self) -> bool:
        """Whether the table says who may pass."""
        return self.name in RULES

    @property
    def is_open(self) -> bool:
        """Whether everybody may pass, without saying who they are."""
        return self.has_rule and self.rule is None

    @property
    def rule(self) -> Rule | None:
        """Who may pass; None for everybody."""
        return RULES[self.name]


class Doors:
    """Finds the route that the application will choose for a request."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._doors = tuple(doors(routes))

    def find(self, scope: Scope) -> Door | None:
        """The first one with this path and method, as the router looks; None for a 404 or 405."""
        path = get_route_path(scope)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        for door in self._doors:
            if method == door.method and door.pattern.match(path):
                return door
        return None


def doors(routes: Iterable[BaseRoute]) -> Iterator[Door]:
    """Every route of an application, in the order in which it is tried."""
    for context in iter_route_contexts(list(routes)):
        path, methods = context.path, set(context.methods or ())
        if path is None or not methods:
            raise TypeError(f"{context!r} is no plain route; console/access.py cannot guard it")
        pattern, _, _ = compile_path(path)
        for method in sorted(methods - {"HEAD"}):
            yield Door(method, path, pattern, is_page=not context.include_in_schema)
