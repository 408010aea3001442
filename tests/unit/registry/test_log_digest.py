"""A log is hashed portion by portion, and the digest is that of the whole written down at once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from registry.documents.evidence_record import answer_record, canonical, digest_of
from registry.documents.log_record import LogHash, Stood
from registry.domain.evidence_log import LoggedAnswer, Surroundings
from registry.domain.evidence_table import Other, Standing

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONE = LoggedAnswer(1, "p,[1]", 0, "té", None, 0.5, {"a": "ü"}, NOW, None, Standing.CORRECT)


def hashed(answers: Sequence[LoggedAnswer], at_once: int = 100) -> tuple[str, dict[str, Any]]:
    found, around = LogHash(), Surroundings()
    for at in range(0, len(answers), at_once):
        found.add(answers[at : at + at_once])
    snapshot = found.snapshot(around)
    return found.digest(snapshot, None), snapshot


@pytest.mark.parametrize("at_once", [1, 2, 4, 5, 6])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_digest_is_that_of_the_whole_log_however_many_portions_it_has(count: int, at_once: int):
    answers = [replace(ONE, id=number, reviewer=f"r{9 - number}") for number in range(count)]
    digest, snapshot = hashed(answers, at_once)
    whole = [[answer_record(answer) for answer in answers], snapshot, None]
    assert digest == digest_of(canonical(whole))
    names = [f"r{9 - number}" for number in reversed(range(count))]
    assert (snapshot["names"], snapshot["reviewers"]) == (names, list(reversed(range(count))))


@pytest.mark.parametrize("other", Other)
def test_what_second_reviewers_said_comes_back_as_it_was_written(other: Other):
    one = replace(ONE, reviewer="rae", other=other)
    _, snapshot = hashed([one])
    assert Stood(snapshot).take([answer_record(one)]) == [one]
    assert ("others" in snapshot) is (other is not Other.NONE)  # older evidence has none


def test_only_the_rows_of_a_log_are_taken_and_the_first_that_is_missing_is_named():
    answers = [replace(ONE, id=number) for number in range(1, 7)]
    rows = [answer_record(answer) for answer in answers]
    stood = Stood(hashed([answers[1], answers[4]])[1])
    assert stood.take(rows[:3]) == [answers[1]]
    assert stood.missing == 5
    assert stood.take(rows[3:]) == [answers[4]]
    assert stood.missing is None
