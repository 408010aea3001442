"""A process that closes windows and gives late answers, and says so before any of it is kept."""

import sys
import threading
from datetime import datetime

from registry.adapters.database.engine import Database
from serving.adapters.unit import SqlServingUnit
from serving.services import settle

url, moment = sys.argv[1:]
with Database(url).begin() as connection:
    unit, now = SqlServingUnit(connection), datetime.fromisoformat(moment)
    answered = (*settle.close_due(unit, now).answered, *settle.answer_late(unit, now))
    sys.stdout.write(f"{len(answered)}\n")
    sys.stdout.flush()
    threading.Event().wait()
