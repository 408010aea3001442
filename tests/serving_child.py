"""A process that holds one request, says so, and then waits to be killed."""

import sys
import threading

import serving_app
import structlog
from serving_fakes import FakeRunner, image

from registry.adapters.database.engine import Database
from registry.domain.plan import StagePlan
from registry.domain.stages import Stage

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
url, payloads = sys.argv[1:]
database = Database(url)
serving_app.register(database, StagePlan(Stage.MANUAL_REVIEW), live=None, baseline=None)
serving = serving_app.parts(database, payloads, {2: FakeRunner()})
with serving_app.client(serving) as client:
    answer = client.post("/v1/models/waste/predict", content=image())
    sys.stdout.write(f"{answer.status_code} {answer.json()['id']}\n")
    sys.stdout.flush()
    threading.Event().wait()
