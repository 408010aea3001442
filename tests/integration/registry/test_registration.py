"""From a fastai export to a version that MLflow can run, by the command that users type."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pickled_malice import archive, inject, payloads
from registering import stagegate

from registry.adapters.bundle import open_bundle
from registry.adapters.conversion import FastaiOriginal, JailedConverter
from registry.adapters.inert_pickle import read_archive
from registry.domain.errors import Invalid

pytestmark = pytest.mark.integration
IN_PROCESS = pytest.mark.filterwarnings("ignore")  # MLflow warns of its own use of its libraries
LINUX = sys.platform == "linux" and platform.machine() == "x86_64"


@dataclass(frozen=True)
class Home:
    """A home in which `waste` was registered, and where the command was run."""

    path: Path
    working: Path
    document: Mapping[str, Any]

    @property
    def bundle(self) -> Path:
        return Path(self.document["bundle_uri"].removeprefix("file://"))


@pytest.fixture(scope="module")
def home(fastai_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    path, working = tmp_path_factory.mktemp("stagegate"), tmp_path_factory.mktemp("working")
    assert stagegate(path, working, "db", "upgrade").returncode == 0
    done = stagegate(
        path, working, "model", "register", "waste", str(fastai_world / "export.pkl"),
        "--training-data", str(fastai_world / "training"),
        "--calibration-data", str(fastai_world / "calibration"),
        "--trust-pickle", "--tag", "team=sorting", "--description", "first",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Home(path, working, json.loads(done.stdout))


def test_the_converted_model_answers_like_the_original(home: Home):
    parity = home.document["parity"]
    names = [check["name"] for check in parity["checks"]]
    assert parity["passed"]
    assert parity["max_abs_diff"] <= 1e-5
    assert {"learn.get_preds", "learn.predict", "alone and in a batch", "asked twice"} <= set(names)
    assert all(check["rows"] > 0 for check in parity["checks"])


def test_the_export_was_read_in_a_jail(home: Home):
    if sys.platform == "linux":
        assert home.document["jail"]["conversion"]["filter"]
        assert home.document["jail"]["original"]["filter"]
    assert open_bundle(home.bundle).manifest.jail == home.document["jail"]
    assert home.document["globals"]["unknown"] == []


def test_the_record_says_what_it_was_made_with(home: Home):
    environment = home.document["environment"]
    assert {"python", "torch", "torchvision", "fastai", "numpy", "onnxruntime", "platform"} <= set(
        environment
    )
    assert home.document["labels"] == ["cardboard", "glass", "paper"]
    assert home.document["tags"] == {"team": "sorting"}
    assert home.document["author"] == "ada"


def test_the_bundle_is_whole_and_has_the_recorded_digest(home: Home):
    bundle = open_bundle(home.bundle)
    assert bundle.digest == home.document["digest"]
    assert {
        "model.onnx",
        "preprocessing.json",
        "proof.json",
        "profile.json",
        "requirements.txt",
        "scorer.npz",
    } == set(bundle.manifest.files)
    assert [block.name for block in bundle.manifest.blocks][-1] == "penultimate"


def test_nothing_is_written_outside_the_home(home: Home):
    assert [str(p) for p in home.working.rglob("*")] == []


def test_list_show_and_verify_read_the_version(home: Home):
    listed = json.loads(stagegate(home.path, home.working, "model", "list").stdout)
    assert [(v["model"], v["version"], v["stage"]) for v in listed["versions"]] == [
        ("waste", 1, "registered")
    ]
    shown = json.loads(stagegate(home.path, home.working, "model", "show", "waste@1").stdout)
    assert shown["digest"] == home.document["digest"]
    verified = json.loads(stagegate(home.path, home.working, "model", "verify", "waste@1").stdout)
    assert verified["verified"]
    assert verified["parity"]["max_abs_diff"] <= 1e-5


def test_verify_names_a_file_that_was_changed(home: Home):
    graph = home.bundle / "model.onnx"
    original = graph.read_bytes()
    graph.write_bytes(original[:-1] + b"?")
    try:
        done = stagegate(home.path, home.working, "model", "verify", "waste@1")
    finally:
        graph.write_bytes(original)
    assert done.returncode == 1
    assert "model.onnx was changed after registration" in done.stdout + done.stderr


@IN_PROCESS
def test_mlflow_shows_which_data_a_version_was_registered_with(home: Home, fastai_world: Path):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home.path}/mlflow.db")
    used = client.get_run(home.document["run_id"]).inputs.dataset_inputs
    by_role = {tag.value: one.dataset for one in used for tag in one.tags}
    assert by_role.keys() == {"training", "calibration"}
    training = by_role["training"]
    assert json.loads(training.source) == {"uri": (fastai_world / "training").resolve().as_uri()}
    assert json.loads(training.profile)["inputs"] == 30
    assert training.digest != by_role["calibration"].digest


@IN_PROCESS
def test_mlflow_has_an_input_to_try_a_version_with_that_is_nobodys(home: Home):
    import mlflow.pyfunc
    from mlflow.models import Model

    saved = home.bundle.parents[1]
    example = Model.load(str(saved)).load_input_example(str(saved))
    assert list(example.columns) == ["image"]
    said = mlflow.pyfunc.load_model(str(saved)).predict(example)
    assert said["prediction"][0] in home.document["labels"]
    asked = json.loads((saved / "serving_input_example.json").read_text())
    assert "dataframe_split" in asked


def test_mlflow_itself_loads_and_runs_the_version(home: Home, fastai_world: Path):
    code = (
        "import json, sys, pathlib, mlflow, pandas as pd\n"
        "client = mlflow.MlflowClient()\n"
        "client.set_registered_model_alias('waste', 'live', '1')\n"
        "model = mlflow.pyfunc.load_model('models:/waste@live')\n"
        "paths = sys.argv[1:]\n"
        "data = [pathlib.Path(p).read_bytes() for p in paths]\n"
        "frames = [model.predict(x) for x in (pd.DataFrame({'image': data}), data, paths,"
        " pd.DataFrame({'image': paths}))]\n"
        "version = client.get_model_version('waste', '1')\n"
        "run = client.get_run(version.run_id)\n"
        "print(json.dumps({'frames': [f.to_dict('list') for f in frames], 'tags': version.tags,"
        " 'metrics': run.data.metrics, 'params': run.data.params, 'status': run.info.status,"
        " 'torch': 'torch' in sys.modules}))\n"
    )
    photographs = sorted(str(p) for p in (fastai_world / "calibration").rglob("*.jpg"))[::4]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *photographs],
        cwd=home.working,
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{home.path}/mlflow.db",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "HOME": str(home.working),
        },
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    first, *others = said["frames"]
    assert all(other == first for other in others)
    assert list(first) == ["prediction", "index", "cardboard", "glass", "paper"]
    rows = zip(first["cardboard"], first["glass"], first["paper"], strict=True)
    for row, index, name in zip(rows, first["index"], first["prediction"], strict=True):
        assert sum(row) == pytest.approx(1, abs=1e-6)
        assert row.index(max(row)) == index
        assert home.document["labels"][index] == name
    assert said["tags"]["stagegate.digest"] == home.document["digest"]
    assert said["metrics"]["parity_max_abs_diff"] <= 1e-5
    assert said["params"]["format"] == "fastai"
    assert said["status"] == "FINISHED"
    assert not said["torch"]


def test_without_trust_in_the_pickle_nothing_happens(home: Home, fastai_world: Path):
    done = stagegate(
        home.path, home.working, "model", "register", "other", str(fastai_world / "export.pkl"),
        "--training-data", str(fastai_world / "training"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "--trust-pickle" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "test_convnext"])
def test_backbones_answer_like_fastai_with_the_same_pixels(name: str, fastai_world: Path):
    rows, inputs, batch, single, changed = json.loads(
        (fastai_world / "backbones.json").read_text()
    )[name]
    assert rows >= 20
    assert (inputs, changed) == (0, 0)
    assert max(batch, single) <= 1e-5


@pytest.mark.parametrize("name", ["os.system", "builtins.exec", "an import and getattr"])
def test_a_payload_in_a_working_export_is_found(name: str, fastai_world: Path, tmp_path: Path):
    marker = tmp_path / "marker"
    evil = inject(fastai_world / "export.pkl", payloads(marker)[name], tmp_path / "evil.pkl")
    with pytest.raises(Invalid, match="nothing of it was run"):
        read_archive(evil).report.refuse_unknown()
    assert not marker.exists()


def test_an_untouched_export_uses_nothing_unknown(fastai_world: Path):
    read_archive(fastai_world / "export.pkl").report.refuse_unknown()


def test_the_jailed_converter_refuses_an_export_with_a_payload(fastai_world: Path, tmp_path: Path):
    marker = tmp_path / "marker"
    body = payloads(marker)["carried code"]
    evil = inject(fastai_world / "export.pkl", body, tmp_path / "evil.pkl")
    with pytest.raises(Invalid, match=r"what the file itself carries.*nothing of it was run"):
        JailedConverter(tmp_path / "scratch").convert(evil)
    assert not marker.exists()


@pytest.mark.skipif(not LINUX, reason="the filter is for Linux on x86-64")
def test_payloads_cannot_escape_from_the_process_that_really_loads_them(
    fastai_world: Path, tmp_path: Path
):
    marker = tmp_path / "marker"
    system, execute = (payloads(marker)[name] for name in ("os.system", "builtins.exec"))
    evil = inject(fastai_world / "export.pkl", execute, tmp_path / "evil.pkl")
    evil = inject(evil, system, tmp_path / "twice.pkl")
    photograph = next((fastai_world / "calibration").rglob("*.jpg"))
    # os.system comes first and only returns a status; loading goes on, to what exec raises.
    with pytest.raises(Invalid, match=f"Operation not permitted: '{marker}'"):
        FastaiOriginal(tmp_path / "scratch").answers(evil, [photograph], 1, None)
    assert not marker.exists()


def test_where_it_cannot_be_locked_in_the_original_is_not_loaded(tmp_path: Path):
    marker = tmp_path / "marker"
    evil = archive(tmp_path / "evil.pkl", payloads(marker)["os.system"])
    question = {"path": str(evil), "images": [], "single": 0, "allow_unjailed": False}
    code = (
        "import json, platform, sys\n"
        "from registry.adapters.fastai_reference import answer\n"
        "from registry.domain.errors import Invalid\n"
        "platform.machine = lambda: 'riscv64'\n"
        "try:\n    answer(json.loads(sys.argv[1]))\n"
        "except Invalid as refusal:\n    print(refusal)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps(question)],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert "--allow-unjailed" in done.stdout, done.stderr
    assert not marker.exists()
