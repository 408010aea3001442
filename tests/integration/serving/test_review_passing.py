"""What is passed on is passed on once, however often it is sent and whatever dies meanwhile."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from killed import said_until_killed
from passing_steps import HOUR, STEPS, noted, snooze
from review_calls import SUPERVISED, Serve, ask, get, post
from review_desk import fill, passing, replicas, take, taken, write
from serving_fakes import NOW
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.domain.errors import Conflict, Invalid
from serving.adapters.review_tables import review_event, review_item
from serving.domain.opinions import Passing
from serving.ports import ServingUnit
from serving.services import review_actions as actions

pytestmark = pytest.mark.integration
CHILD = Path(__file__).parents[2] / "passing_child.py"
AT_ONCE, ROUNDS = 8, 6
Act = Callable[[ServingUnit, Passing], Any]


ACTS: dict[str, Act] = {
    name: partial(STEPS[name][0], now=NOW) for name in ("skip", "escalate", "snooze")
}
EACH = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


def passed_on(database: Database) -> list[tuple[str, str, str]]:
    """Each that was noted: item, who, request."""
    e = review_event.c
    query = sa.select(e.item_id, e.actor, e.request).where(e.request.is_not(None))
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


@EACH
def test_what_is_sent_again_is_done_once_and_answered_alike(database: Database, act: Act):
    fill(database, 1)
    task = taken(database, "ann")
    sent = passing(task, "ann", "too dark")
    answers = [write(database, lambda u: act(u, sent)) for _ in range(3)]
    assert len(set(answers)) == 1
    assert len(passed_on(database)) == 1


@EACH
def test_it_takes_nothing_from_whoever_has_the_item_by_then(database: Database, act: Act):
    fill(database, 1)
    sent = passing(taken(database, "ann"), "ann")
    first = write(database, lambda u: act(u, sent))
    other = taken(database, "lea", NOW + HOUR, lead=True)
    assert write(database, lambda u: act(u, sent)) == first
    assert write(database, lambda u: u.reviews.get(sent.item_id)) == other


@EACH
def test_what_does_not_count_leaves_nothing_behind(database: Database, act: Act):
    fill(database, 1)
    task = taken(database, "ann")
    with pytest.raises(Conflict):
        write(database, lambda u: act(u, passing(task, "bob")))
    with pytest.raises(Conflict):
        write(database, lambda u: act(u, passing(task, "ann", epoch=9)))
    assert passed_on(database) == []


def test_a_snooze_that_is_sent_later_ends_when_it_was_to_end_first(database: Database):
    fill(database, 1)
    sent = passing(taken(database, "ann"), "ann")
    for minutes in (0, 5):
        at = NOW + timedelta(minutes=minutes)
        assert write(database, lambda u, at=at: snooze(u, sent, at)) == NOW + HOUR
    assert take(database, "bob", NOW + HOUR - timedelta(seconds=1)) is None
    assert taken(database, "bob", NOW + HOUR).item.id == sent.item_id


def test_a_key_with_another_reason_is_refused(database: Database):
    fill(database, 1)
    task = taken(database, "ann")
    write(database, lambda u: actions.skip(u, passing(task, "ann", "too dark"), NOW))
    with pytest.raises(Invalid, match="send a new key with a new reason"):
        write(database, lambda u: actions.skip(u, passing(task, "ann", "too bright"), NOW))


@EACH
def test_sent_to_two_replicas_at_once_it_is_done_once(database: Database, act: Act):
    fill(database, ROUNDS)
    with replicas(database.url) as ledgers, ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(ROUNDS):
            sent = passing(taken(database, "ann"), "ann")
            under_way = [
                pool.submit(lambda n=n, s=sent: ledgers[n % 2].write(lambda u: act(u, s)).result())
                for n in range(AT_ONCE)
            ]
            answers = [one.result(PATIENCE) for one in under_way]
            assert len(set(answers)) == 1
    assert len(passed_on(database)) == len(set(passed_on(database))) == ROUNDS


def test_whoever_hears_no_reply_since_the_service_died_sends_it_again(database: Database):
    """Some of it was stored and some was not: the answer is the same, and it is done once."""
    fill(database, 400, due_at=None)
    for _ in range(2):
        said = said_until_killed(30, CHILD, database.url)
        for line in [line for line in said if line.endswith("\n")]:
            action, item, who, epoch, key = line.split()
            sent, now = Passing(item, who, int(epoch), key), datetime.now(UTC)
            for step in STEPS[action]:
                write(database, partial(step, sent=sent, now=now))
            assert Counter(passed_on(database))[item, who, noted(action, sent)] == 1
    assert len(passed_on(database)) >= 60
    with database.read() as connection:
        assert set(connection.execute(sa.select(review_item.c.state)).scalars()) == {"open"}


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "k"}])
def test_a_double_click_over_http_is_answered_alike(serve: Serve, key: dict[str, str]):
    client, serving = serve(SUPERVISED)
    until = (serving.clock() + HOUR).isoformat()
    for action, said in (
        ("skip", {"reason": "too dark"}), ("escalate", {"reason": "two things"}),
        ("snooze", {"until": until}),
    ):  # fmt: skip
        ask(client)
        item = get(client, "/v1/review/next")
        answers = [post(client, item, action, **said, **key) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert post(client, item, action, "bob", **said, **key).status_code == 409
