"""The evidence of a promotion as JSON, portion by portion: what it is hashed as, and what is kept.

Most of an answer never changes after it was given. What may, the verdicts and the reviewer, is
kept at the promotion as a snapshot; both together are the log that was judged.
"""

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.documents.evidence_record import (
    Answer,
    answer_of,
    answer_record,
    canonical,
    check_of,
    check_record,
    drift_of,
    drift_record,
)
from registry.documents.exposure_record import ExposureHash, traffic_record
from registry.domain.evidence_log import LoggedAnswer, SettledTraffic, Surroundings

Snapshot = Mapping[str, Any]


class LogHash:
    """What a log is hashed as, and what may change of it, from answers that come one by one.

    The digest is that of the canonical list of all answers, the snapshot and the exposures. The
    audit log refers to it.
    """

    def __init__(self) -> None:
        self._hashed = hashlib.sha256(b"[[")
        self._ids = array("q")
        self._standings, self._rivals, self._others = bytearray(), bytearray(), bytearray()
        self._reviewers = array("i")
        self._places: dict[str | None, int] = {None: -1}

    def add(self, answers: Sequence[LoggedAnswer]) -> None:
        """The answers that come next."""
        if not answers:
            return
        text = canonical([answer_record(answer) for answer in answers])
        self._hashed.update(("," * bool(self._ids) + text[1:-1]).encode())
        for answer in answers:
            self._ids.append(answer.id)
            self._standings += b"%d" % answer.standing
            self._rivals += b"%d" % answer.rival
            self._others += b"%d" % answer.other
            place = self._places.setdefault(answer.reviewer, len(self._places) - 1)
            self._reviewers.append(place)

    def snapshot(self, around: Surroundings) -> dict[str, Any]:
        """What may change of a log: which rows there were, how they stood, what else was seen.

        reviewers: for each answer the place of its reviewer's name in `names`, -1 for none. others:
        what second reviewers said; not written down where none was to be asked.
        """
        names = sorted(name for name in self._places if name is not None)
        place_of = {self._places[name]: place for place, name in enumerate(names)}
        others = self._others.decode()
        return {
            "ids": self._ids.tolist(),
            "standings": self._standings.decode(),
            "rivals": self._rivals.decode(),
            **({"others": others} if others.strip("0") else {}),
            "names": names,
            "reviewers": [place_of.get(place, -1) for place in self._reviewers],
            "checks": [check_record(check) for check in around.checks],
            "drift": None if around.drift is None else drift_record(around.drift),
            "traffic": traffic_record(around.traffic),
        }

    def digest(self, snapshot: Snapshot, exposures: ExposureHash | None) -> str:
        """The digest of everything in the log."""
        hashed = self._hashed.copy()
        hashed.update(b"],")
        seen = None if exposures is None else exposures.record()
        for piece in (*_pieces(snapshot), ",", *_pieces(seen), "]"):
            hashed.update(piece.encode())
        return "sha256:" + hashed.hexdigest()


class Stood:
    """How the answers of a log stood when it was judged; takes them from rows as these come by."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._ids = array("q", snapshot["ids"])
        self._reviewers = array("i", snapshot["reviewers"])
        self._standings, self._rivals = snapshot["standings"], snapshot["rivals"]
        self._others = snapshot.get("others") or "0" * len(self._ids)
        self._names: Sequence[str] = snapshot["names"]
        self._next = 0

    @property
    def ids(self) -> "array[int]":
        """The numbers of its rows."""
        return self._ids

    @property
    def missing(self) -> int | None:
        """The number of the first row that has not come by; None if all have."""
        return self._ids[self._next] if self._next < len(self._ids) else None

    def take(self, rows: Sequence[Answer]) -> list[LoggedAnswer]:
        """Those of the next rows, in prediction order, that are part of it, as they stood."""
        found = []
        for row in rows:
            if row[0] == self.missing:
                found.append(self._answer(row, self._next))
                self._next += 1
        return found

    def _answer(self, row: Answer, at: int) -> LoggedAnswer:
        place = self._reviewers[at]
        reviewer = self._names[place] if place >= 0 else None
        standing, rival = int(self._standings[at]), int(self._rivals[at])
        return answer_of(row, standing, rival, int(self._others[at]), reviewer)


def surroundings_of(snapshot: Snapshot, traffic: SettledTraffic | None) -> Surroundings:
    """What was seen besides the answers."""
    drift = snapshot["drift"]
    checks = tuple(check_of(record) for record in snapshot["checks"])
    return Surroundings(None if drift is None else drift_of(drift), checks, traffic)


def pack(snapshot: Snapshot) -> bytes:
    """A snapshot as the database keeps it."""
    return zlib.compress(canonical(snapshot).encode(), 6)


def unpack(content: bytes) -> Snapshot:
    """The snapshot that was packed."""
    found: Snapshot = json.loads(zlib.decompress(content))
    return found


def _pieces(record: Mapping[str, Any] | None) -> Iterator[str]:
    """The canonical text of a record, part by part: some parts are large."""
    if record is None:
        yield "null"
        return
    yield "{"
    for place, name in enumerate(sorted(record)):
        yield "," * bool(place) + canonical(name) + ":"
        yield canonical(record[name])
    yield "}"
