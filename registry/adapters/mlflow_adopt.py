"""Finding the file in a version that somebody registered with plain MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.adapters.mlflow_registry import MlflowRegistry
from registry.adapters.onnx_inline import inlined
from registry.adapters.recognise import recognise
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.formats import Format
from registry.registration import DIGEST_TAG

# Where MLflow's flavors keep the file that they load: the key, and what lies below it.
_FILES = {
    "onnx": ("data", ""),
    "fastai": ("data", ""),
    "pytorch": ("model_data", "model.*"),
}


@dataclass(frozen=True, slots=True)
class Adopted:
    """A file that another program registered; source: its name in MLflow."""

    path: Path
    kind: Format
    flavor: str
    source: str
    description: str


def adopted(mlflow: MlflowRegistry, model: str, number: int | None, folder: Path) -> Adopted:
    """The file of a version, downloaded into the folder; the newest version without a number.

    Only documents are read; nothing of the file is run. Conflict for a version that stagegate
    registered itself, Invalid for flavors that it cannot serve.
    """
    found = _find(mlflow, model, number)
    name = f"{model}@{found.version}"
    if DIGEST_TAG in found.tags:
        raise Conflict(f"{name} was registered by stagegate; there is nothing to adopt")
    place = _download(mlflow, found, folder)
    flavors = _flavors(place, name)
    flavor = next((one for one in _FILES if one in flavors), None)
    if flavor is None:
        has = ", ".join(sorted(flavors)) or "none"
        raise Invalid(
            f"{name} has the flavors {has}; stagegate serves onnx, fastai and pytorch ones. Export "
            "the model to ONNX and register the file with --preprocessing and --labels"
        )
    path = _file(place, flavors[flavor], flavor, name)
    kind = _kind(path, flavor, name)
    if kind is Format.ONNX:
        path.write_bytes(inlined(path, folder / "inlining"))
    return Adopted(path, kind, flavor, f"models:/{model}/{found.version}", found.description or "")


def _find(mlflow: MlflowRegistry, model: str, number: int | None) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        if number is not None:
            return mlflow.client.get_model_version(model, str(number))
        versions = mlflow.client.search_model_versions(f"name='{model}'")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        versions = []
    if not versions:
        wanted = model if number is None else f"{model}@{number}"
        raise NotFound(f"MLflow at {mlflow.tracking_uri} has no {wanted}")
    return max(versions, key=lambda one: int(one.version))


def _download(mlflow: MlflowRegistry, found: Any, folder: Path) -> Path:
    import mlflow.artifacts as artifacts

    uri = mlflow.client.get_model_version_download_uri(found.name, found.version)
    path = artifacts.download_artifacts(
        artifact_uri=uri, dst_path=str(folder), tracking_uri=mlflow.tracking_uri
    )
    return Path(path)


def _flavors(place: Path, name: str) -> Mapping[str, Mapping[str, Any]]:
    import yaml

    try:
        found = dict(yaml.safe_load((place / "MLmodel").read_text())["flavors"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise Invalid(f"{name} holds no MLflow model: its file MLmodel cannot be read") from error
    return {str(one): of for one, of in found.items() if isinstance(of, Mapping)}


def _file(place: Path, flavor: Mapping[str, Any], kind: str, name: str) -> Path:
    """The one file that the flavor's data are."""
    key, pattern = _FILES[kind]
    path = (place / str(flavor.get(key, "data"))).resolve()
    if not path.is_relative_to(place.resolve()):
        raise Invalid(f"{name}: its MLmodel names a file outside of the model, {flavor[key]!r}")
    files = sorted(path.glob(pattern)) if path.is_dir() and pattern else [path]
    if len(files) != 1 or not files[0].is_file():
        raise Invalid(f"{name}: the {kind} flavor names {path.name}, and no such file is there")
    return files[0]


def _kind(path: Path, flavor: str, name: str) -> Format:
    if flavor == "fastai":
        return Format.FASTAI
    kind = recognise(path)
    if kind is Format.STATE_DICT:  # of a whole module; no factory could make sense of it
        raise Invalid(
            f"{name} is a whole pickled module, which runs code when it is opened and needs classes"
            " that only its author has. Save its state_dict, or export it to TorchScript or ONNX, "
            "and register that file"
        )
    return kind
