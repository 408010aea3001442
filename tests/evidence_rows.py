"""Rows of evidence as gates get them: counted up."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from registry.domain.evidence import EvidenceRow
from registry.domain.evidence_table import table_of
from registry.domain.running import Answers, Counting, Running


def answers_of(
    rows: Sequence[EvidenceRow],
    now: datetime,
    expected: Mapping[str, Sequence[str]] | None = None,
    since: int = 0,
    visit_seconds: float = 0.0,
) -> Answers:
    """All rows at one look; `expected`: the segments looked at, with values that must come.

    since: the generation from which on rows tell of the present baseline.
    """
    start = Running.start(
        Counting(dict(expected or {}), since, visit_seconds, sides_by_segment=True)
    )
    fresh = table_of(rows, tuple(expected or {}))
    return start.take(0, table_of([], tuple(expected or {})), fresh).answers(now)
