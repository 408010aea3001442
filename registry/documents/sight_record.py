"""What a look had before it as JSON: rows that may still change as the bytes of their columns."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from registry.documents.evidence_record import drift_of, drift_record
from registry.documents.exposure_record import array_of, text_of
from registry.domain.evidence import ReviewerTally
from registry.domain.evidence_log import LoggedAnswer
from registry.domain.sight import Numbers, Sight

_MARKS = ("standings", "rivals", "others")
# How settled answers stood is not kept, since it does not change; a certificate says it.
SETTLED = ("ids", *_MARKS)


def sight_record(sight: Sight) -> dict[str, Any]:
    """The look; `sight_of` gives it back."""
    return {
        "at": sight.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "answers": _numbers_record(sight.answers),
        **{name: text_of(getattr(sight, name), "|i1") for name in _MARKS},
        "drift": None if sight.drift is None else drift_record(sight.drift),
        "reviewers": asdict(sight.reviewers),
        "exposures": None if sight.exposures is None else _numbers_record(sight.exposures),
    }


def sight_of(record: Mapping[str, Any]) -> Sight:
    """The look that `sight_record` described."""
    drift, exposures = record["drift"], record["exposures"]
    return Sight(
        at=datetime.fromisoformat(record["at"]),
        answers=_numbers_of(record["answers"]),
        **{name: array_of(record[name], "|i1") for name in _MARKS},
        drift=None if drift is None else drift_of(drift),
        reviewers=ReviewerTally(**record["reviewers"]),
        exposures=None if exposures is None else _numbers_of(exposures),
    )


def _numbers_record(numbers: Numbers) -> dict[str, Any]:
    """The others by their distances, which pack well."""
    apart = np.diff(numbers.others, prepend=numbers.settled)
    return {"settled": numbers.settled, "others": text_of(apart, "<i8")}


def _numbers_of(record: Mapping[str, Any]) -> Numbers:
    settled = int(record["settled"])
    return Numbers(settled, settled + np.cumsum(array_of(record["others"], "<i8")))


def settled_record(answers: Iterable[LoggedAnswer]) -> dict[str, Any]:
    """How answers stood that nothing can change any more: a digit for each."""
    ids, standings, rivals, others = [], bytearray(), bytearray(), bytearray()
    for answer in answers:
        ids.append(answer.id)
        standings += b"%d" % answer.standing
        rivals += b"%d" % answer.rival
        others += b"%d" % answer.other
    marks = (standings.decode(), rivals.decode(), others.decode())
    return dict(zip(SETTLED, (ids, *marks), strict=True))


def stood_record(sight: Sight, settled: Mapping[str, Any]) -> dict[str, Any]:
    """How all answers stood, as for a promotion; who reviewed them does not matter."""
    ids = [*settled["ids"], *sight.answers.others.tolist()]
    marks = {name: settled[name] + _digits(getattr(sight, name)) for name in _MARKS}
    return {"ids": ids, **marks, "names": [], "reviewers": [-1] * len(ids)}


def _digits(column: Any) -> str:
    return "".join(map(str, column.tolist()))
