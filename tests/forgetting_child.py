"""A process that deletes what was to be forgotten, and dies while it deletes the second input."""

import os
import sys

from registry.adapters.database.engine import Database
from serving.adapters.inputs import inputs
from serving.adapters.payloads import PayloadStore
from serving.services.forget import delete_forgotten

url, payloads = sys.argv[1:]
unlink, done = os.unlink, []


def until_the_second(path: str) -> None:
    if done:
        os._exit(9)
    done.append(path)
    unlink(path)


os.unlink = until_the_second  # type: ignore[assignment]
database = Database(url)
delete_forgotten(PayloadStore(payloads), inputs(database.read), inputs(database.begin))
