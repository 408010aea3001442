"""A process that delivers the outbox, and dies while it deletes the second input."""

import os
import sys
from datetime import UTC, datetime
from functools import partial

from console.deliver import deliver
from registry.adapters.database.engine import Database
from serving.adapters.payloads import PayloadStore
from serving.services.forget import TOPIC, delete_forgotten

url, payloads = sys.argv[1:]
unlink, done = os.unlink, []


def until_the_second(path: str) -> None:
    if done:
        os._exit(9)
    done.append(path)
    unlink(path)


os.unlink = until_the_second  # type: ignore[assignment]
effect = partial(delete_forgotten, PayloadStore(payloads), lambda inputs: ())
deliver(Database(url), {TOPIC: effect}, datetime.now(UTC))
