"""A real bundle behind the engine: real images, a real ONNX graph, a real scorer."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from colours import COLOURS, SIDE, encode, make_bundle, pictures
from serving_fakes import NOW, Measured, a_version
from waiting import PATIENCE

from monitoring.adapters.reference_files import CachedReferences
from registry.adapters.bundle import Bundle
from registry.domain.errors import Conflict, Invalid, TooLarge, UnsupportedInput
from registry.domain.versions import ModelVersion
from serving.adapters.engine import Batching, Engine
from serving.adapters.input_reader import BundleInputs
from serving.adapters.runner import BundleRunner

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"), NOW)


@pytest.fixture
def version(bundle: Bundle) -> ModelVersion:
    return replace(a_version(3, "colours"), labels=COLOURS, digest=bundle.digest)


@pytest.fixture
def runner(bundle: Bundle, version: ModelVersion) -> BundleRunner:
    return BundleRunner(version, bundle.path, replica="here", max_pixels=1_000_000)


def test_photographs_go_through_transforms_graph_and_scorer(runner: BundleRunner):
    with ThreadPoolExecutor(2) as pool:
        engine = Engine("colours@3", 3, runner, pool, Measured(), lambda: NOW, Batching())
        inputs, labels = pictures(np.random.default_rng(11), 30)
        said = [f.result(PATIENCE) for f in [engine.submit(encode(pixels)) for pixels in inputs]]
        noise = np.random.default_rng(1).integers(0, 255, (3, SIDE, SIDE), dtype=np.uint8)
        foreign = engine.submit(encode(noise)).result(PATIENCE)
        engine.close()
        window = engine.drain(NOW)
    assert [raw.label for raw in said] == [COLOURS[label] for label in labels]
    assert all(raw.p_value is not None and raw.p_value > 0.002 for raw in said)
    assert foreign.p_value is not None
    assert foreign.p_value < 0.01
    assert foreign.domain_reason.startswith("unlike")
    assert window is not None
    assert (window.rows, window.model, window.version, window.replica) == (31, "colours", 3, "here")
    assert engine.drain(NOW) is None


def test_a_photograph_stands_beside_the_training_data(bundle: Bundle, version: ModelVersion):
    inputs = BundleInputs(
        lambda _: bundle.path, CachedReferences(lambda _: bundle.path), max_pixels=1_000_000
    )
    white = encode(np.full((3, SIDE, SIDE), 255, dtype=np.uint8))
    placed = {one.name: one for one in inputs.compare(version, white)}
    assert placed["brightness"].outside
    assert placed["brightness"].sentence.startswith("brightness is 255, above all training values")
    usual = encode(pictures(np.random.default_rng(11), 1)[0][0])
    assert [one.name for one in inputs.compare(version, usual) if one.outside] == []


def test_what_is_no_image_or_too_large_or_truncated_is_refused(runner: BundleRunner):
    noise = np.random.default_rng(1).integers(0, 255, (3, 200, 200), dtype=np.uint8)
    picture = encode(noise)
    with pytest.raises(UnsupportedInput):
        runner.prepare(b"digits")
    with pytest.raises(TooLarge):
        runner.prepare(encode(np.zeros((3, 1001, 1000), dtype=np.uint8)))
    with pytest.raises(Invalid):
        runner.prepare(picture[: len(picture) // 2])


def test_a_bundle_that_is_not_the_registered_one_is_not_served(
    bundle: Bundle, version: ModelVersion
):
    other = replace(version, digest="sha256:" + hashlib.sha256(b"other").hexdigest())
    with pytest.raises(Conflict, match="model verify colours@3"):
        BundleRunner(other, bundle.path, replica="here", max_pixels=1_000_000)


def test_a_version_proven_with_other_packages_is_not_served(bundle: Bundle, version: ModelVersion):
    other = replace(version, environment={"onnxruntime": "9.9.0"})
    with pytest.raises(Conflict, match=r"pip install 'onnxruntime>=9.9,<10', or register it again"):
        BundleRunner(other, bundle.path, replica="here", max_pixels=1_000_000)
