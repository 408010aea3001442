"""Keep what harm was found on, in the transaction that acts on it."""

from collections.abc import Mapping
from typing import Any

from registry.documents.evidence_record import canonical, digest_of
from registry.documents.log_record import pack
from registry.documents.sight_record import sight_record
from registry.domain.evidence_table import Standing
from registry.domain.formulas import FORMULAS
from registry.domain.sight import Sight
from registry.ports import UnitOfWork


def keep_sight(unit: UnitOfWork, sight: Sight | None) -> Mapping[str, Any]:
    """What the audit log says of a look: where it stood, and the digest of what is kept of it."""
    if sight is None:
        return {}
    record = sight_record(sight)
    digest = digest_of(canonical(record))
    unit.evidence_logs.keep(digest, pack(record))
    answers, pending = sight.answers, sight.standings == Standing.PENDING
    place = {
        "at": record["at"],
        "frontier": int(answers.others[pending][0]) if pending.any() else None,
        "last": int(answers.others[-1]) if len(answers.others) else answers.settled or None,
    }
    return {"log": {"digest": digest, **place, "formulas": FORMULAS}}
