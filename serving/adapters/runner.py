"""A registered version, ready to run: its bundle's transforms, graph and scorer."""

from datetime import datetime
from pathlib import Path

import structlog

from monitoring.adapters.reference_files import load_reference
from monitoring.domain.out_of_domain import OutOfDomain
from monitoring.domain.reference import Reference
from monitoring.domain.window import LiveWindow
from monitoring.services.live_window import WindowRecorder
from registry.adapters.bundle import open_bundle
from registry.adapters.installed import installed_environment
from registry.adapters.onnx_model import OnnxModel
from registry.adapters.prepare import preprocessor
from registry.domain.environment import require_fit
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.observations import InputArray, Observations
from registry.domain.versions import ModelVersion
from serving.adapters.archives import hides_archive
from serving.ports import Scores

_log = structlog.get_logger(__name__)


class BundleRunner:
    """Implements serving.ports.Runner; Conflict if the bundle is not the one that was registered,
    or was proven with versions that those installed here do not match.

    A version that was registered without training data has no profile, so its inputs can be
    neither scored nor counted; it answers all the same.
    """

    def __init__(
        self, version: ModelVersion, path: Path, *, replica: str, max_pixels: int, threads: int = 1
    ) -> None:
        bundle = open_bundle(path)
        if bundle.digest != version.digest:
            raise Conflict(
                f"The bundle of {version.name} has digest {bundle.digest}, but {version.digest} "
                f"was registered; run `stagegate model verify {version.name}`."
            )
        require_fit(version.name, version.environment, installed_environment())
        self.labels = version.labels
        document = bundle.preprocessing()
        self._preprocessor = preprocessor(document, max_pixels)
        self._model = OnnxModel(bundle.model, threads, document.seen)
        reference = _reference(version, path)
        self._scorer = reference.scorer if reference else None
        self._recorder = (
            WindowRecorder(reference, version.model, version.version, replica)
            if reference
            else None
        )

    def prepare(self, data: bytes) -> InputArray:
        """One input as the graph takes it."""
        if hides_archive(data):
            raise Invalid("an archive hides behind the input; send the input alone")
        return self._preprocessor.prepare(data)

    def run(self, inputs: InputArray) -> tuple[Observations, OutOfDomain | None]:
        """One forward pass over a batch, and its scores."""
        observations = self._model.run(inputs)
        return observations, self._scorer.score(observations) if self._scorer else None

    def observe(self, observations: Observations, scores: Scores | None, now: datetime) -> None:
        """Count a batch in the live window."""
        if self._recorder:
            scored = scores if isinstance(scores, OutOfDomain) else None
            self._recorder.observe(observations, scored, now)

    def drain(self, now: datetime) -> LiveWindow | None:
        """Take what the live window has counted since the last time."""
        return self._recorder.drain(now) if self._recorder else None

    def warm(self, batch: int) -> None:
        """Run a batch of this size."""
        self.run(self._model.example(batch))


def _reference(version: ModelVersion, path: Path) -> Reference | None:
    try:
        return load_reference(path)
    except NotFound:
        _log.warning("version has no reference profile", version=version.name)
        return None
