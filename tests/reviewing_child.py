"""A process of four reviewers who say what was acknowledged to them, until it is killed."""

import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta

from registry.adapters.database.engine import Database
from registry.domain.people import Identity, Role
from serving.adapters.ledger import GroupLedger
from serving.domain.opinions import Verdict
from serving.services import review, settle

(url,) = sys.argv[1:]
WINDOW = timedelta(milliseconds=20)
ledger = GroupLedger(Database(url))
lock = threading.Lock()


def work(name: str) -> None:
    who = Identity(name, Role.REVIEWER)
    while True:
        at = datetime.now(UTC)
        task = ledger.write(lambda u, at=at: review.next_item(u, who, at)).result()
        ledger.write(lambda u, at=at: settle.close_due(u, at)).result()
        if task is None:
            continue
        key = uuid.uuid4().hex
        verdict = Verdict(task.item.id, name, task.slot.epoch, "glass", "", key)
        done = ledger.write(lambda u, at=at, v=verdict: review.decide(u, v, at, WINDOW)).result()
        with lock:
            sys.stdout.write(f"{task.item.id} {key} {done.opinion.counted}\n")
            sys.stdout.flush()


for name in ("ann", "bob", "cleo", "dora"):
    threading.Thread(target=work, args=(name,), daemon=True).start()
threading.Event().wait()
