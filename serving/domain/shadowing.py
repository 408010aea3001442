"""What shadows leave behind: written after the answer went out, so that none waits for them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from registry.domain.evidence import EvidenceRow
from serving.domain.admission import Record, item_of, review_of, subject_of
from serving.domain.asked import Asked
from serving.domain.decide import Outcome
from serving.domain.evidencing import doubled, evidence_rows
from serving.domain.failure import Failure
from serving.domain.prediction import RawPrediction, ShadowRecord
from serving.domain.review import Item
from serving.domain.routing import Assignment


class Shadowed(StrEnum):
    """What became of a shadow's turn."""

    ANSWERED = "answered"
    FAILED = "no-answer"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Beside:
    """The rows of what shadows said about a request; they are stored together or not at all."""

    shadows: tuple[ShadowRecord, ...]
    evidence: tuple[EvidenceRow, ...] = ()
    item: Item | None = None


def beside(
    asked: Asked,
    assignment: Assignment,
    outcome: Outcome,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure],
    written: Record,
) -> Beside:
    """Everything to write about the shadows of a request that was answered.

    `raws` and `failures` are those of all versions, `written` what was stored with the answer. One
    lot decides whether a person looks: if it has put an item there already, that is the one;
    a shadow is looked at with whichever chance is larger, that of the answer or its own.
    """
    subject = subject_of(assignment, raws)
    reasons, own = review_of(assignment, outcome, subject, raws, beside=False)
    chance = max(own, written.prediction.inclusion_probability)
    sampled = asked.random_number < chance
    item = None
    if sampled and written.item is None:
        drawn = replace(written.prediction, inclusion_probability=chance)
        item = item_of(asked, assignment, drawn, subject, reasons)
    looked_at = item or written.item
    rows = evidence_rows(asked, assignment, raws, failures, chance, sampled)
    mine = tuple(row for row in rows if row.version in assignment.shadows)
    return Beside(
        _records(asked, assignment, raws, failures),
        doubled(mine, looked_at.opinions if looked_at else 0),
        item,
    )


def _records(
    asked: Asked,
    assignment: Assignment,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure],
) -> tuple[ShadowRecord, ...]:
    name, now = asked.prediction_id, asked.now
    said = (raws[version] for version in assignment.shadows if version in raws)
    silent = (version for version in assignment.shadows if version in failures)
    return (
        *(ShadowRecord(name, r.version, r.as_label(), r.p_value, now) for r in said),
        *(ShadowRecord(name, v, None, None, now, failures[v].reason) for v in silent),
    )
