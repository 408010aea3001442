"""A log is hashed portion by portion, and the digest is that of the whole written down at once."""

from datetime import UTC, datetime

import pytest

from registry.documents.evidence_record import (
    answer_record,
    canonical,
    digest_of,
    log_digest,
    log_of,
    snapshot_record,
)
from registry.domain.evidence_log import EvidenceLog, LoggedAnswer
from registry.domain.evidence_table import Other, Standing

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 1, 4_999, 5_000, 5_001, 10_000, 10_001])
def test_the_digest_is_that_of_the_whole_log_however_many_portions_it_has(count: int):
    one = LoggedAnswer(1, "p,[1]", 0, "té", None, 0.5, {"a": "ü"}, NOW, None, Standing.CORRECT)
    log = EvidenceLog((one,) * count)
    whole = [[answer_record(answer) for answer in log.answers], snapshot_record(log), None]
    assert log_digest(log) == digest_of(canonical(whole))


@pytest.mark.parametrize("other", Other)
def test_what_second_reviewers_said_comes_back_as_it_was_written(other: Other):
    one = LoggedAnswer(
        1, "p", 0, "a", None, 0.5, {}, NOW, None, Standing.CORRECT, reviewer="rae", other=other
    )
    log, snapshot = EvidenceLog((one,)), snapshot_record(EvidenceLog((one,)))
    assert log_of({1: answer_record(one)}, snapshot) == log
    assert ("others" in snapshot) is (other is not Other.NONE)  # older evidence has none
