"""What a request says about the versions that are judged by it: rows of evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from registry.domain.evidence import Arm, EvidenceRow, Second, Verdict
from registry.domain.rollout import Rollout
from serving.domain.asked import Asked
from serving.domain.comparing import drawn_by_chance
from serving.domain.decide import withheld
from serving.domain.failure import FAILED, Failure
from serving.domain.prediction import RawPrediction
from serving.domain.routing import Assignment, unit_hash, unit_of


def said_by(version: int | None, raws: Mapping[int, RawPrediction]) -> RawPrediction | None:
    """What a version said, if it ran."""
    return None if version is None else raws.get(version)


def doubled(rows: tuple[EvidenceRow, ...], opinions: int) -> tuple[EvidenceRow, ...]:
    """The same where so many people are asked: whether two agree is evidence, too."""
    if opinions < 2:
        return rows
    return tuple(replace(row, second=None if row.verdict else Second.WANTED) for row in rows)


def evidence_rows(
    asked: Asked,
    assignment: Assignment,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure],
    chance: float,
    sampled: bool,
) -> tuple[EvidenceRow, ...]:
    """One row for each rollout whose version gave an answer that it would be allowed to give.

    A candidate's failure is an error that nobody needs to look for, so its chance of being found
    is 1.
    """
    rows = []
    for rollout, version in _judged(assignment):
        said, failure = said_by(version, raws), failures.get(version)
        failed = failure is not None and failure.counts
        if not failed and (said is None or withheld(said, rollout.plan.flags)):
            continue
        label = said.label if said else FAILED
        row = _row(asked, assignment, rollout, version, label)
        looked_at = replace(
            row,
            inclusion_probability=1.0 if failed else chance,
            sampled=failed or sampled,
            due_at=row.due_at if sampled and not failed else None,
            verdict=Verdict.ERROR if failed else None,
        )
        baseline = said_by(rollout.baseline, raws)
        rows.append(replace(looked_at, baseline_label=baseline.label if baseline else None))
    return tuple(rows)


def of_baseline(
    asked: Asked, assignment: Assignment, raws: Mapping[int, RawPrediction], chance: float
) -> tuple[EvidenceRow, ...]:
    """The answer of the baseline, if chance alone had it reviewed and it goes out."""
    rollout, said = assignment.rollout, said_by(assignment.answering, raws)
    if rollout is None or said is None or withheld(said, assignment.flags):
        return ()
    row = _row(asked, assignment, rollout, said.version, said.label)
    if not row.drawn:
        return ()
    return (replace(row, arm=Arm.BASELINE, inclusion_probability=chance),)


def _judged(assignment: Assignment) -> Iterator[tuple[Rollout, int]]:
    """The rollouts that this request says something about, with the version of each."""
    if assignment.rollout is not None and assignment.candidate is not None:
        yield assignment.rollout, assignment.candidate
    if assignment.watched is not None:
        yield assignment.watched, assignment.watched.version


def _row(
    asked: Asked, assignment: Assignment, rollout: Rollout, version: int, label: str
) -> EvidenceRow:
    names, unit = rollout.plan.segments, unit_of(rollout, asked.attributes)
    return EvidenceRow(
        rollout_id=rollout.id,
        stage=rollout.stage,
        step=rollout.step,
        prediction_id=asked.prediction_id,
        version=version,
        model_label=label,
        inclusion_probability=1.0,
        sampled=True,
        created_at=asked.now,
        due_at=asked.now + timedelta(seconds=assignment.review.due_seconds),
        segments={k: str(asked.attributes[k]) for k in names if k in asked.attributes},
        drawn=drawn_by_chance(asked.random_number, assignment.review),
        unit=None if unit is None else unit_hash(rollout.salt, unit),
        epoch=rollout.generation,
    )
