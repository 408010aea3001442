"""Model versions in MLflow: run, logged model, registered version, aliases and tags.

Everything goes through a client with its own address: no global state of MLflow is set, and
nothing lands in the working directory.
"""

import contextlib
import fcntl
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from registry.adapters.installed import requirements
from registry.adapters.mlflow_pyfunc import COLUMN
from registry.adapters.quiet import silence
from registry.documents.preprocessing import read_preprocessing
from registry.documents.table import TablePreprocessing
from registry.domain.errors import Unavailable
from registry.domain.projection import Shown
from registry.registration import (
    DIGEST_TAG,
    HOME_TAG,
    DataUsed,
    Lineage,
    Numbered,
    StoredVersion,
)

EXPERIMENT = "stagegate"
LOADER = "registry.adapters.mlflow_pyfunc"
STAGE_TAG = "stagegate.stage"
_NOTHING_KNOWN = Lineage()
_UNANSWERED, _LONGEST_REASON = "API request to ", 200  # how MLflow says that nobody answers
_LONGEST_DIGEST = 36  # that MLflow's table holds
_PACKAGES = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pydantic", "stagegate")


class MlflowRegistry:
    """The MLflow at an address; a new experiment keeps its artifacts below `artifact_root`."""

    def __init__(self, tracking_uri: str, artifact_root: str) -> None:
        self.tracking_uri = tracking_uri
        self.artifact_root = artifact_root
        self._client: Any = None

    @property
    def client(self) -> Any:
        """MLflow's own client; importing it takes seconds, so that waits for the first use."""
        if self._client is None:
            silence()
            from mlflow import MlflowClient

            for name in ("mlflow", "alembic"):  # importing MLflow turns them up
                logging.getLogger(name).setLevel(logging.WARNING)
            with _alone_with(self.tracking_uri), _away(self.tracking_uri):
                client = MlflowClient(self.tracking_uri, self.tracking_uri)
                client.search_experiments(max_results=1)
                client.search_registered_models(max_results=1)
            self._client = client
        return self._client

    def create_version(
        self,
        model: str,
        bundle: Path,
        labels: Sequence[str],
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        description: str,
        *,
        several: bool = False,
        lineage: Lineage = _NOTHING_KNOWN,
    ) -> StoredVersion:
        """Store a bundle as the next version: the last step of all, so that any failure before
        leaves no version behind. several: its answers have any number of labels, and no index.
        """
        with _away(self.tracking_uri):
            return self._create(
                model, bundle, parameters, metrics, tags, description, lineage,
                _outputs(labels, several=several),
            )  # fmt: skip

    def _create(
        self,
        model: str,
        bundle: Path,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        description: str,
        lineage: Lineage,
        outputs: Any,
    ) -> StoredVersion:
        run = self.client.create_run(self._experiment(), run_name=model)
        run_id = run.info.run_id
        try:
            for key, value in parameters.items():
                self.client.log_param(run_id, key, value)
            for key, number in metrics.items():
                self.client.log_metric(run_id, key, number)
            self.client.log_inputs(run_id, [_dataset(one) for one in lineage.data])
            example = _example(lineage.example)
            logged = self._log_model(model, bundle, outputs, example, run, parameters, tags)
            self.client.set_terminated(run_id, "FINISHED")
            self._ensure_registered(model)
            version = self.client.create_model_version(
                model,
                logged.artifact_location,  # models:/ID would be looked up at a global address
                run_id=run_id,
                tags=dict(tags),
                description=description,
                model_id=logged.model_id,
            )
        except BaseException:
            with contextlib.suppress(Exception):  # what went wrong before says more
                self.client.set_terminated(run_id, "FAILED")
            raise
        uri = f"{logged.artifact_location}/data/{bundle.name}"
        return StoredVersion(int(version.version), run_id, uri)

    def numbered(self, model: str | None = None) -> list[Numbered]:
        """The versions with a digest of stagegate, of one model or of all."""
        wanted = None if model is None else f"name='{model}'"
        return [_numbered(one) for one in self._versions(wanted) if DIGEST_TAG in one.tags]

    def shown(self, model: str) -> Shown:
        """What MLflow shows of a model's rollouts."""
        aliases = self.client.get_registered_model(model).aliases
        versions = self._versions(f"name='{model}'")
        return Shown(
            {alias: int(version) for alias, version in aliases.items()},
            {int(one.version): one.tags.get(STAGE_TAG) for one in versions},
        )

    def discard(self, model: str, version: int, run_id: str) -> None:
        """Delete a version that was not recorded; its run stays, marked as failed."""
        self.client.delete_model_version(model, str(version))
        self.client.set_terminated(run_id, "FAILED")

    def delete(self, model: str, version: int) -> None:
        """Delete a version, if it is still there; `mlflow gc` frees what its run keeps."""
        with _gone_is_fine():
            self.client.delete_model_version(model, str(version))

    def set_alias(self, model: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, or remove it; nothing if the version was deleted since."""
        with _gone_is_fine():
            if version is None:
                self.client.delete_registered_model_alias(model, alias)
            else:
                self.client.set_registered_model_alias(model, alias, str(version))

    def set_stage(self, model: str, version: int, stage: str) -> None:
        """Tag a version with its stage, unless it was deleted meanwhile."""
        with _gone_is_fine():
            self.client.set_model_version_tag(model, str(version), STAGE_TAG, stage)

    def _versions(self, wanted: str | None) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_model_versions(wanted, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _experiment(self) -> str:
        with _there_is_fine():
            if self.client.get_experiment_by_name(EXPERIMENT) is None:
                self.client.create_experiment(EXPERIMENT, self.artifact_root or None)
        return str(self.client.get_experiment_by_name(EXPERIMENT).experiment_id)

    def _ensure_registered(self, model: str) -> None:
        with _there_is_fine():
            self.client.create_registered_model(model)

    def _log_model(
        self,
        model: str,
        bundle: Path,
        outputs: Any,
        example: Any,
        run: Any,
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Any:
        run_id, experiment = run.info.run_id, run.info.experiment_id
        logged = self.client.create_logged_model(
            experiment, _logged_name(model), run_id, params=dict(parameters), tags=dict(tags)
        )
        with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
            path = Path(folder) / "model"
            _write_mlmodel(path, bundle, outputs, example, run_id, logged)
            self.client.log_model_artifacts(logged.model_id, str(path))
        return self.client.finalize_logged_model(logged.model_id, "READY")


@contextlib.contextmanager
def _alone_with(tracking_uri: str) -> Iterator[None]:
    """One process at a time, where MLflow's own tables lie in a file.

    Whoever opens such a file first makes its tables, and MLflow breaks off if two do.
    """
    url = urlsplit(tracking_uri)
    if not url.scheme.startswith("sqlite"):
        yield
        return
    file = Path(unquote(url.path).removeprefix("/")).resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file gives it back
        yield


@contextlib.contextmanager
def _away(tracking_uri: str) -> Iterator[None]:
    """Unavailable where a server does not answer, or can no longer do what it is asked."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        unasked = str(error).startswith(_UNANSWERED)
        if isinstance(error, MlflowException) and not unasked:
            raise
        why = str(error).splitlines()[0][:_LONGEST_REASON]
        raise Unavailable(
            f"MLflow at {tracking_uri} does not answer ({why}); nothing was registered. Look"
            " whether its server runs, then try again"
        ) from error


def _gone_is_fine() -> AbstractContextManager[None]:
    return _but_for("RESOURCE_DOES_NOT_EXIST")


def _there_is_fine() -> AbstractContextManager[None]:
    """Somebody else may have made it in the same moment."""
    return _but_for("RESOURCE_ALREADY_EXISTS")


@contextlib.contextmanager
def _but_for(code: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != code:
            raise


def _logged_name(model: str) -> str:
    """MLflow allows a dot in the name of a registered model, not of a logged one."""
    return model.replace(".", "-")


def _numbered(found: Any) -> Numbered:
    return Numbered(
        model=found.name,
        version=int(found.version),
        run_id=found.run_id or "",
        home=found.tags.get(HOME_TAG, ""),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
    )


def _columns(bundle: Path) -> tuple[str, ...]:
    """The columns that a model of rows takes."""
    document = bundle / "preprocessing.json"
    found = read_preprocessing(document.read_bytes()) if document.is_file() else None
    return found.taken if isinstance(found, TablePreprocessing) else ()


def _outputs(labels: Sequence[str], *, several: bool) -> Any:
    from mlflow.types import ColSpec, DataType, Schema

    columns = [ColSpec(DataType.string, "prediction")]
    columns += [] if several else [ColSpec(DataType.long, "index")]
    return Schema([*columns, *(ColSpec(DataType.double, label) for label in labels)])


def _dataset(used: DataUsed) -> Any:
    """As `mlflow.data` names a dataset: which, where from, and how much."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = Dataset(
        name=used.source.name,
        digest=used.digest[:_LONGEST_DIGEST],
        source_type="local",
        source=json.dumps({"uri": used.source.as_uri()}),
        profile=json.dumps({"inputs": used.inputs, "sha256": used.digest}),
    )
    return DatasetInput(found, [InputTag("mlflow.data.context", used.role)])


def _example(encoded: bytes | None) -> Any:
    """A table of one input, as `mlflow.pyfunc` takes it."""
    if encoded is None:
        return None
    import pandas as pd

    if encoded.startswith(b"{"):
        return pd.DataFrame([json.loads(encoded)])
    return pd.DataFrame({COLUMN: [encoded]})


def _write_mlmodel(
    path: Path, bundle: Path, outputs: Any, example: Any, run_id: str, logged: Any
) -> None:
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    # Of images one column of any type and name: bytes and paths, DataFrames and lists are welcome.
    # Of rows each column by its name; what it holds is checked where it is prepared.
    inputs = [ColSpec(AnyType(), name) for name in _columns(bundle)] or [ColSpec(AnyType())]
    signature = ModelSignature(Schema(inputs), outputs)
    record = Model(run_id=run_id, artifact_path=logged.artifact_location, model_id=logged.model_id)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*input example", UserWarning)
        mlflow.pyfunc.save_model(
            str(path),
            loader_module=LOADER,
            data_path=str(bundle),
            mlflow_model=record,
            signature=signature,
            input_example=example,
            pip_requirements=requirements(*_PACKAGES),
        )
