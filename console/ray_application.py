"""The service as an application of Ray Serve, which starts its replicas, counts and moves them.

Only what Ray calls stands here. Each replica is the whole application with its own engine, so Ray
batches nothing, and replicas share what all of ours share: the database and the stores.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve

from console.app import create_app
from console.memory import limit_memory
from console.owner import kept_owner
from console.service import configure_logging
from console.settings import load_settings
from console.worker_number import WorkerNumber
from registry.adapters.quiet import silence
from serving.api.predict import MAX_WAIT_SECONDS

DRAIN_SECONDS = MAX_WAIT_SECONDS + 10  # callers who wait for a person may finish
_ROOM = 1000  # more requests at once than this wait in Ray; ours are refused long before


class Scaling(BaseModel):
    """How many replicas there are, as `args` of a Serve config file.

    requests: how many a replica should have at once, by which Ray adds and removes replicas.
    processors: what a replica reserves of its node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(4, ge=1)
    requests: float = Field(32.0, gt=0)
    processors: float = Field(1.0, gt=0)


@serve.ingress()
class Replica:
    """One replica; its settings are those of its node's environment."""

    def __serve_build_asgi_app__(self) -> Any:
        silence()
        settings = load_settings()
        self._number = WorkerNumber(settings.home)
        configure_logging(settings, worker=self._number.number)
        limit_memory(settings.memory_bytes, settings.workers)
        owner = kept_owner(settings.home) if settings.accounts else None
        return create_app(settings, serve=True, owner=owner, worker=self._number.number)


def application(args: Scaling) -> serve.Application:
    """What `serve deploy` and `stagegate up --engine ray` run."""
    deployment: Any = serve.deployment(
        Replica,
        name="stagegate",
        max_ongoing_requests=_ROOM,
        autoscaling_config={
            "min_replicas": args.min_replicas,
            "max_replicas": max(args.min_replicas, args.max_replicas),
            "target_ongoing_requests": args.requests,
        },
        ray_actor_options={"num_cpus": args.processors},
        graceful_shutdown_timeout_s=DRAIN_SECONDS,
    )
    made: serve.Application = deployment.bind()
    return made
