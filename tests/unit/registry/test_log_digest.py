"""A log is hashed portion by portion, and the digest is that of the whole written down at once."""

from datetime import UTC, datetime

import pytest

from registry.documents.evidence_record import (
    answer_record,
    canonical,
    digest_of,
    log_digest,
    snapshot_record,
)
from registry.domain.evidence_log import EvidenceLog, LoggedAnswer
from registry.domain.evidence_table import Standing

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 1, 4_999, 5_000, 5_001, 10_000, 10_001])
def test_the_digest_is_that_of_the_whole_log_however_many_portions_it_has(count: int):
    one = LoggedAnswer(1, "p,[1]", 0, "té", None, 0.5, {"a": "ü"}, NOW, None, Standing.CORRECT)
    log = EvidenceLog((one,) * count)
    whole = [[answer_record(answer) for answer in log.answers], snapshot_record(log), None]
    assert log_digest(log) == digest_of(canonical(whole))
