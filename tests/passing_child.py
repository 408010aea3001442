"""A process of two reviewers who do all but answer until it is killed; it says what it sends."""

import random
import sys
import threading
import uuid
from datetime import UTC, datetime
from functools import partial

from passing_steps import STEPS

from registry.adapters.database.engine import Database
from registry.domain.people import Identity, Role
from serving.adapters.ledger import GroupLedger
from serving.domain.opinions import Passing
from serving.services import review

(url,) = sys.argv[1:]
ledger = GroupLedger(Database(url))
lock = threading.Lock()


def work(name: str) -> None:
    who, choice = Identity(name, Role.REVIEWER), random.Random(name)  # noqa: S311 - a test
    while True:
        at = datetime.now(UTC)
        task = ledger.write(lambda u, at=at: review.next_item(u, who, at)).result()
        if task is None:
            continue
        action = choice.choice(list(STEPS))
        sent = Passing(task.item.id, name, task.slot.epoch, uuid.uuid4().hex)
        with lock:
            sys.stdout.write(
                f"{action} {sent.item_id} {name} {sent.epoch} {sent.idempotency_key}\n"
            )
            sys.stdout.flush()
        for step in STEPS[action]:
            ledger.write(partial(step, sent=sent, now=at)).result()


for reviewer in ("ann", "bob"):
    threading.Thread(target=work, args=(reviewer,), daemon=True).start()
threading.Event().wait()
