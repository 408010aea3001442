"""Rows of evidence as the columns that gates read; the database does the same in SQL."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from registry.domain.evidence import EvidenceRow, Verdict
from registry.domain.evidence_table import EvidenceTable, Standing


def table_of(
    rows: Sequence[EvidenceRow], now: datetime, segments: Sequence[str] = ()
) -> EvidenceTable:
    return EvidenceTable(
        np.array([standing(row, now) for row in rows], np.int8),
        np.array([row.inclusion_probability for row in rows], np.float64),
        np.array([row.step for row in rows], np.int32),
        {name: [row.segments.get(name) for row in rows] for name in segments},
    )


def standing(row: EvidenceRow, now: datetime) -> Standing:
    if not row.sampled:
        return Standing.NOT_SAMPLED
    if row.verdict is not None:
        return Standing.CORRECT if row.verdict is Verdict.CORRECT else Standing.ERROR
    late = row.due_at is not None and row.due_at <= now
    return Standing.OVERDUE if late else Standing.PENDING
