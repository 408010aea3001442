"""Who may call over gRPC: the same keys, and the same table of rules, as over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import Request
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from console.access import RULES
from console.authentication import of_key
from console.owner import Owner
from console.tracing import Traces
from console.wiring import Wiring
from registry.domain.errors import Forbidden, Unauthenticated

_DRAIN_SECONDS = 10.0


class GrpcDoor:
    """Lets a call pass with a key whose role may use the route of the same meaning."""

    def __init__(self, wiring: Wiring, owner: Owner | None) -> None:
        self._wiring = wiring
        self._owner = owner

    async def __call__(self, request: Request, name: str) -> None:
        """Unauthenticated without a key, Forbidden with one that may not do this."""
        rule = RULES[name]
        if rule is None or not self._wiring.settings.accounts:
            return
        identity = await of_key(self._wiring.accounts, self._owner, request)
        if identity is None:
            raise Unauthenticated("send an API key as metadata: authorization, `Bearer sgk_...`")
        if not rule.admits(identity):
            raise Forbidden(f"{name} needs {rule}, and you are {identity.name}, {identity.role}")


@asynccontextmanager
async def listening(
    wiring: Wiring, owner: Owner | None, traces: Traces | None, *, serve: bool
) -> AsyncIterator[None]:
    """Answer over gRPC meanwhile, if a port is set for it."""
    settings = wiring.settings
    if not (serve and settings.grpc_port):
        yield
        return
    from serving.api.grpc_service import GrpcServer, unfollowed

    away = (OperationalError, InterfaceError, PoolTimeout)
    door, shared = GrpcDoor(wiring, owner), wiring.worker is not None
    follow = traces.request if traces else unfollowed
    server = GrpcServer(wiring.serving, door, away, share_port=shared, follow=follow)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    port = await server.start(f"{host}:{settings.grpc_port}")
    structlog.get_logger().info("serving gRPC", host=settings.host, port=port)
    try:
        yield
    finally:
        await server.stop(_DRAIN_SECONDS)
