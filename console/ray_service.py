"""Serving by Ray: what `stagegate up --engine ray` does around the application."""

import os
import signal
from queue import SimpleQueue
from typing import Any

import structlog

from console.announcement import Announcement
from console.settings import Settings
from registry.domain.errors import Conflict, Invalid

NAME = "stagegate"
_log = structlog.get_logger()


def serve_by_ray(settings: Settings, announcement: Announcement) -> None:
    """Deploy to the cluster of RAY_ADDRESS, or to one of this machine's own, until a signal.

    SIGHUP replaces the replicas one after another, as a new release or setting needs.

    Conflict says why it cannot be.
    """
    if settings.port == 0:
        raise Invalid("Ray's proxies need a port that is the same on every node; say --port 8800")
    ray = _ray()
    _leave_settings(settings)
    announcement.leave_key()  # before the first replica asks for it
    try:
        _join(ray)
        signals = _signals()
        _refuse_files_of_one_machine(settings, ray)
        _deploy(settings)
        host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
        announcement.announce(f"http://{host}:{settings.port}", engine="ray")
        while signals.get() == signal.SIGHUP:
            _log.info("replacing the replicas, one after another")
            _deploy(settings)
    finally:
        announcement.withdraw()
        _end(ray)


def _ray() -> Any:
    try:
        import ray
        from ray import serve
    except ImportError as error:
        raise Invalid(
            "--engine ray needs Ray Serve, which is not installed; install stagegate[ray]"
        ) from error
    del serve
    return ray


def _signals() -> "SimpleQueue[int]":
    """The signals that come from now on; asked for after Ray, which sets handlers of its own."""
    came: SimpleQueue[int] = SimpleQueue()
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, lambda number, _: came.put(number))
    return came


def _leave_settings(settings: Settings) -> None:
    """What was said on the command line, where replicas of this machine find it."""
    os.environ |= {
        "STAGEGATE_HOME": str(settings.home),
        "STAGEGATE_HOST": settings.host,
        "STAGEGATE_PORT": str(settings.port),
    }


def _join(ray: Any) -> None:
    address = os.environ.get("RAY_ADDRESS")
    own = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address, namespace=NAME, log_to_driver=True, **own)
    except (ConnectionError, OSError, RuntimeError) as error:
        raise Conflict(
            f"no Ray cluster can be had at {address or 'this machine'}: {error}"
        ) from error


def _refuse_files_of_one_machine(settings: Settings, ray: Any) -> None:
    nodes = sum(node["Alive"] for node in ray.nodes())
    if nodes > 1 and settings.database.startswith("sqlite"):
        raise Conflict(
            f"the cluster has {nodes} nodes and the database is SQLite, a file of one machine; set"
            " STAGEGATE_DATABASE_URL to a PostgreSQL that all nodes reach"
        )


def _deploy(settings: Settings) -> None:
    from ray import serve
    from ray.serve.config import HTTPOptions

    from console.ray_application import Scaling, application

    serve.start(
        proxy_location="EveryNode", http_options=HTTPOptions(host=settings.host, port=settings.port)
    )
    scaling = Scaling(
        min_replicas=settings.ray_min_replicas,
        max_replicas=settings.workers,
        processors=settings.ray_processors,
    )
    try:
        serve.run(application(scaling), name=NAME, route_prefix="/")
    except RuntimeError as error:
        raise Conflict(
            f"Ray could not deploy the service; its lines above say more: {error}"
        ) from None


def _end(ray: Any) -> None:
    """Let replicas drain; the cluster stays, if it was there before."""
    if not ray.is_initialized():
        return
    from ray import serve

    _log.info("draining")
    serve.delete(NAME)
    if "RAY_ADDRESS" not in os.environ:
        serve.shutdown()
    ray.shutdown()
