"""Reading a version's reference from the files in its bundle."""

import threading
from collections.abc import Callable
from pathlib import Path

from monitoring.domain import profile, scorer_file
from monitoring.domain.reference import PROFILE_FILE, SCORER_FILE, Reference
from registry.domain.errors import NotFound
from registry.domain.versions import ModelVersion


def load_reference(bundle: Path) -> Reference:
    """The reference in a bundle's directory; NotFound without a profile.

    The bundle's digests are the caller's to check.
    """
    path = bundle / PROFILE_FILE
    if not path.is_file():
        raise NotFound(
            f"{path} is missing: this version was registered without training data; "
            "register it again with --training-data"
        )
    scorer = bundle / SCORER_FILE
    return Reference(
        profile.from_json(path.read_bytes()),
        scorer_file.from_bytes(scorer.read_bytes()) if scorer.is_file() else None,
    )


class CachedReferences:
    """Implements monitoring.ports.References; `fetch` gives the directory of a bundle.

    A bundle never changes under its digest, so each is read once.
    """

    def __init__(self, fetch: Callable[[ModelVersion], Path]) -> None:
        self._fetch = fetch
        self._known: dict[str, Reference] = {}
        self._lock = threading.Lock()

    def get(self, version: ModelVersion) -> Reference:
        """A version's reference; NotFound if its bundle has none."""
        with self._lock:
            if version.digest not in self._known:
                self._known[version.digest] = load_reference(self._fetch(version))
            return self._known[version.digest]
