"""Adopting what somebody registered with plain MLflow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.adapters.mlflow_adopt import adopted
from registry.adapters.mlflow_registry import MlflowRegistry
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.formats import Format
from registry.registration import DIGEST_TAG

# MLflow warns of its own use of its libraries.
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> MlflowRegistry:
    place = tmp_path_factory.mktemp("mlflow")
    return MlflowRegistry(f"sqlite:///{place}/mlflow.db", (place / "artifacts").as_uri())


def put(mlflow: MlflowRegistry, model: str, folder: Path, **tags: str) -> int:
    """What `mlflow.register_model("runs:/ID/model", model)` does."""
    client = mlflow.client
    experiment = client.get_experiment_by_name("plain")
    identity = (
        experiment.experiment_id
        if experiment
        else client.create_experiment("plain", mlflow.artifact_root)
    )
    run = client.create_run(identity)
    client.log_artifacts(run.info.run_id, str(folder), "model")
    if not client.search_registered_models(f"name='{model}'"):
        client.create_registered_model(model)
    source = f"{run.info.artifact_uri}/model"
    made = client.create_model_version(model, source, run.info.run_id, tags=tags)
    return int(made.version)


def an_onnx_graph() -> Any:
    from onnx import TensorProto, helper, numpy_helper

    shape = ["n", 3, 8, 8]
    value = helper.make_tensor_value_info
    node = helper.make_node("Add", ["x", "w"], ["y"])
    weights = numpy_helper.from_array(np.ones((3, 8, 8), np.float32), "w")
    graph = helper.make_graph(
        [node], "g", [value("x", TensorProto.FLOAT, shape)],
        [value("y", TensorProto.FLOAT, shape)], [weights],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def a_model(folder: Path, flavors: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text(f"flavors:\n{flavors}")
    return folder


def test_the_file_of_an_onnx_model_is_found_as_mlflow_itself_wrote_it(
    mlflow: MlflowRegistry, tmp_path: Path
):
    import mlflow.onnx as flavor
    import onnx
    from onnx import numpy_helper

    flavor.save_model(an_onnx_graph(), str(tmp_path / "model"), pip_requirements=[])
    put(mlflow, "plain", tmp_path / "model")
    number = put(mlflow, "plain", tmp_path / "model")
    found = adopted(mlflow, "plain", None, tmp_path / "here")
    assert (found.kind, found.flavor, found.source) == (
        Format.ONNX, "onnx", f"models:/plain/{number}",
    )  # fmt: skip
    (weights,) = onnx.load_model_from_string(found.path.read_bytes()).graph.initializer
    assert not weights.external_data, "all of it is in one file, which MLflow's is not"
    assert numpy_helper.to_array(weights).sum() == 3 * 8 * 8
    assert adopted(mlflow, "plain", 1, tmp_path / "there").source == "models:/plain/1"


@pytest.mark.parametrize(
    ("flavors", "files", "said"),
    [
        ("  sklearn: {}\n  python_function: {}", (), "has the flavors python_function, sklearn"),
        ("  onnx: {data: ../../secret.onnx}", (), "names a file outside of the model"),
        ("  onnx: {data: model.onnx}", (), "no such file is there"),
        ("  pytorch: {model_data: data}", ("data/model.pth",), "whole pickled module"),
        ("  - nothing", (), "holds no MLflow model"),
    ],
)
def test_what_cannot_be_served_says_why_and_what_to_do(
    mlflow: MlflowRegistry, tmp_path: Path, flavors: str, files: tuple[str, ...], said: str
):
    import torch

    folder = a_model(tmp_path / "model", flavors)
    for name in files:
        (folder / name).parent.mkdir(parents=True)
        torch.save(torch.nn.Linear(2, 2), folder / name)
    number = put(mlflow, "odd", folder)
    with pytest.raises(Invalid, match=said):
        adopted(mlflow, "odd", number, tmp_path / "here")


def test_a_graph_that_reaches_out_of_its_folder_is_refused(mlflow: MlflowRegistry, tmp_path: Path):
    import onnx

    (tmp_path / "secret").write_bytes(bytes(3 * 8 * 8 * 4))
    folder = a_model(tmp_path / "model", "  onnx: {data: model.onnx}")
    graph = an_onnx_graph()
    (weights,) = graph.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret")
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    number = put(mlflow, "reaching", folder)
    with pytest.raises(Invalid, match="outside of its folder"):
        adopted(mlflow, "reaching", number, tmp_path / "here")


def test_what_is_ours_or_nowhere_is_not_adopted(mlflow: MlflowRegistry, tmp_path: Path):
    number = put(mlflow, "ours", a_model(tmp_path / "m", "  onnx: {}"), **{DIGEST_TAG: "sha256:1"})
    with pytest.raises(Conflict, match="was registered by stagegate"):
        adopted(mlflow, "ours", number, tmp_path / "here")
    for model, wanted in (("nobody", None), ("ours", 99)):
        with pytest.raises(NotFound, match="has no "):
            adopted(mlflow, model, wanted, tmp_path / "here")
