"""Group commit: what is acknowledged is on the disk, and a bad record fails alone."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from serving_fakes import a_prediction, an_item
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.domain.errors import Conflict, NotFound, Unavailable
from serving.adapters.ledger import GroupLedger
from serving.adapters.unit import SqlServingUnit
from serving.domain.admission import Record
from serving.ports import ServingUnit

pytestmark = pytest.mark.integration
CHILD = Path(__file__).parents[2] / "serving_child.py"


def _block(ledger: GroupLedger) -> threading.Event:
    """Keep the writer busy, so that what follows gathers into one group."""
    busy, gate = threading.Event(), threading.Event()

    def wait(_: ServingUnit) -> None:
        busy.set()
        gate.wait(PATIENCE)

    ledger.write(wait)
    assert busy.wait(PATIENCE)
    return gate


def test_waiting_records_share_one_commit(database: Database):
    commits: list[float] = []
    ledger = GroupLedger(database, commits.append)
    gate = _block(ledger)
    futures = [ledger.write(lambda u, n=n: u.predictions.add(a_prediction(n))) for n in range(20)]
    gate.set()
    for future in futures:
        assert future.result(PATIENCE) is None
    ledger.close()
    assert len(commits) == 2
    assert ledger.read(lambda u: u.predictions.get("prediction-00019")).id == "prediction-00019"


def test_a_bad_record_fails_alone_and_the_others_are_written_once(database: Database):
    ledger = GroupLedger(database)
    gate = _block(ledger)
    key = {"idempotency_key": "same"}
    first = ledger.write(lambda u: u.predictions.add(a_prediction(1, **key)))
    taken = ledger.write(lambda u: u.predictions.add(a_prediction(2, **key)))
    third = ledger.write(lambda u: u.predictions.add(a_prediction(3)))
    gate.set()
    first.result(PATIENCE)
    third.result(PATIENCE)
    with pytest.raises(Conflict):
        taken.result(PATIENCE)
    ledger.close()
    found = ledger.read(lambda u: u.predictions.by_key("waste", "same"))
    assert found is not None
    assert found.id == "prediction-00001"


def test_whatever_goes_wrong_with_a_group_nobody_waits_for_ever_and_the_next_is_written(
    database: Database,
):
    def count(_: float) -> None:
        raise RuntimeError("the metrics are away")

    def end(_: ServingUnit) -> None:
        raise SystemExit(1)

    ledger = GroupLedger(database, count)
    with pytest.raises(Unavailable, match="could not be written"):
        ledger.write(end).result(PATIENCE)
    for n in range(2):
        ledger.write(lambda u, n=n: u.predictions.add(a_prediction(n))).result(PATIENCE)
        assert ledger.read(lambda u, n=n: u.predictions.get(f"prediction-0000{n}")) is not None
    ledger.close()


def test_a_record_is_not_visible_before_its_future_resolves_and_is_after(database: Database):
    ledger = GroupLedger(database)
    ledger.write(lambda u: u.predictions.add(a_prediction(1))).result(PATIENCE)
    assert ledger.read(lambda u: u.predictions.get("prediction-00001")).version == 2
    ledger.close()


def test_a_caller_that_leaves_while_waiting_writes_nothing_and_stops_nobody(database: Database):
    ledger = GroupLedger(database)
    gate = _block(ledger)
    left = ledger.write(lambda u: u.predictions.add(a_prediction(1)))
    stayed = ledger.write(lambda u: u.predictions.add(a_prediction(2)))
    assert left.cancel()
    gate.set()
    stayed.result(PATIENCE)
    ledger.close()
    assert ledger.read(lambda u: u.predictions.get("prediction-00002"))
    with pytest.raises(NotFound):
        ledger.read(lambda u: u.predictions.get("prediction-00001"))


def test_a_full_ledger_refuses_and_a_closed_one_too(database: Database):
    ledger = GroupLedger(database, waiting=1)
    gate = _block(ledger)
    ledger.write(lambda u: None)
    with pytest.raises(Unavailable):
        ledger.write(lambda u: None)
    gate.set()
    ledger.close()
    with pytest.raises(Unavailable):
        ledger.write(lambda u: None)


def test_close_writes_what_waits(database: Database):
    ledger = GroupLedger(database)
    gate = _block(ledger)
    future = ledger.write(lambda u: u.reviews.add(an_item(1)))
    gate.set()
    ledger.close()
    assert future.done()
    assert ledger.read(lambda u: u.reviews.get("item-00001")).item.id == "item-00001"


async def _wait(ledger: GroupLedger) -> None:
    await asyncio.wrap_future(ledger.write(lambda u: u.predictions.add(a_prediction(1))))


def test_a_coroutine_can_wait_for_the_commit(database: Database):
    ledger = GroupLedger(database)
    asyncio.run(_wait(ledger))
    assert ledger.read(lambda u: u.predictions.get("prediction-00001"))
    ledger.close()


def test_a_held_request_survives_a_kill_right_after_its_202(
    tmp_path: Path, migrated_sqlite_url: str
):
    """The child answers 202 and prints its id; SIGKILL follows before it can do anything else."""
    command = [sys.executable, str(CHILD), migrated_sqlite_url, str(tmp_path / "payloads")]
    root = str(CHILD.parents[1])
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )
    try:
        assert child.stdout is not None
        status, prediction_id = child.stdout.readline().split()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()
    assert status == "202"
    database = Database(migrated_sqlite_url)
    ledger = GroupLedger(database)
    found = ledger.read(lambda u: u.predictions.get(prediction_id))
    items = ledger.read(lambda u: u.reviews.find(state=None, model=None, limit=10))
    ledger.close()
    database.close()
    assert found.status == "held"
    assert [task.item.prediction_id for task in items] == [prediction_id]
    digest = found.payload_digest.removeprefix("sha256:")
    assert (tmp_path / "payloads" / digest[:2] / digest).is_file()


def test_what_waited_too_long_is_refused_and_not_written(database: Database):
    ledger = GroupLedger(database, patience_seconds=-1)
    late = ledger.write(lambda u: u.predictions.add(a_prediction(1)))
    with pytest.raises(Unavailable, match="try again shortly"):
        late.result(PATIENCE)
    with pytest.raises(NotFound):
        ledger.read(lambda u: u.predictions.get("prediction-00001"))
    ledger.close()


def test_what_becomes_too_late_during_its_own_write_is_refused_and_its_neighbours_stay(
    database: Database,
):
    ledger, late = GroupLedger(database), threading.Event()

    def in_time() -> None:
        if late.is_set():
            raise Unavailable("too late")

    def stall(unit: ServingUnit) -> None:
        unit.predictions.add(a_prediction(1))
        late.set()

    gate = _block(ledger)
    stalled = ledger.write(stall, in_time)
    other = ledger.write(lambda u: u.predictions.add(a_prediction(2)))
    gate.set()
    with pytest.raises(Unavailable, match="too late"):
        stalled.result(PATIENCE)
    other.result(PATIENCE)
    ledger.close()
    assert ledger.read(lambda u: u.predictions.find("prediction-00001")) is None
    assert ledger.read(lambda u: u.predictions.find("prediction-00002"))


def test_what_is_kept_of_requests_is_there_for_whoever_looks_next(database: Database):
    with database.begin() as connection:
        unit = SqlServingUnit(connection)
        for number in range(3):
            unit.keep(Record(a_prediction(number), item=an_item(number)))
        assert unit.predictions.get("prediction-00001").id == "prediction-00001"
        assert unit.reviews.get("item-00002").item.id == "item-00002"


def test_only_what_may_be_lost_does_not_wait_for_the_disk(database: Database):
    ask = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"
    safe, soon = (2, 2) if database.is_sqlite else ("on", "off")
    if not database.is_sqlite:  # servers of tests are in haste
        with database.begin() as connection:
            connection.exec_driver_sql("SET synchronous_commit = on")
    for durable, expected in ((True, safe), (False, soon), (True, safe)):
        with database.begin(durable=durable) as connection:
            assert connection.exec_driver_sql(ask).scalar() == expected
