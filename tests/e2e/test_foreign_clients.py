"""Other people's clients, as they come from PyPI, get their answers from the running service."""

import base64
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import colours
import numpy as np
import pandas as pd
import pytest
from foreign_clients import Clients, clients
from service_process import Service, running

from bench.api_conformance import register
from registry.domain.errors import Invalid

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
PLAN = """\
apiVersion: stagegate/v1
model: {name: colours, version: 2, baseline: none}
stages:
- stage: manual-review
  gates: [{type: error-rate, at_most: 0.05}]
  deadline: {after: 30d, then: roll-back}
- stage: live
"""


@dataclass(frozen=True)
class World:
    """A service with a live model, where it answers over gRPC, and pictures with their colours."""

    service: Service
    grpc: str
    pictures: list[str]
    truth: list[str]

    @property
    def rest(self) -> str:
        return urlsplit(str(self.service.http.base_url)).netloc


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("foreign")
    url = f"sqlite:///{folder}/test.db"
    register(url, folder)
    images, labels = colours.pictures(np.random.default_rng(5), 4)
    pictures = [base64.b64encode(colours.encode(one)).decode() for one in images]
    truth = [colours.COLOURS[label] for label in labels]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAGEGATE_GRPC_PORT", str(port))
        with running(folder / "home", url) as service:
            yield World(service, f"127.0.0.1:{port}", pictures, truth)


@pytest.fixture(scope="module")
def foreign() -> Clients:
    try:
        return clients()
    except Invalid as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def rest(world: World, foreign: Clients) -> Any:
    return foreign.run("triton_rest.py", {"address": world.rest, "pictures": world.pictures})


@pytest.fixture(scope="module")
def grpc(world: World, foreign: Clients) -> Any:
    return foreign.run("triton_grpc.py", {"address": world.grpc, "pictures": world.pictures})


@pytest.fixture(scope="module")
def generated(world: World, foreign: Clients, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a client says that was generated from the document of this very service."""
    folder = tmp_path_factory.mktemp("generated")
    document = folder / "openapi.json"
    document.write_text(json.dumps(world.service.get("/openapi.json")))
    foreign.generate(document, folder / "stagegate_client")
    address = str(world.service.http.base_url)
    asked = {"address": address, "pictures": world.pictures, "plan": PLAN}
    return foreign.run("generated.py", asked, folder)


def test_tritonclient_gets_the_same_answers_in_binary_and_in_json_packed_or_not(
    rest: Any, world: World
):
    assert len(rest["answers"]) == 24
    for answer in rest["answers"]:
        assert answer["prediction"] == world.truth
        assert [colours.COLOURS[at] for at in answer["index"]] == world.truth
        assert np.argmax(answer["probabilities"], axis=1).tolist() == answer["index"]
        assert np.allclose(answer["probabilities"], rest["answers"][0]["probabilities"])


def test_tritonclient_finds_the_server_and_its_models(rest: Any):
    assert (rest["live"], rest["ready"], rest["model"]) == (True, True, True)
    assert (rest["unrouted"], rest["nobody"]) == (False, False)
    assert (rest["server"], rest["inputs"]) == ("stagegate", ["image"])
    assert {"prediction", "probabilities", "id"} <= set(rest["unnamed"])


def test_tritonclient_is_told_why_it_is_refused(rest: Any):
    nobody, no_number, not_routed = rest["refusals"]
    assert nobody[0] == "404"
    assert "There is no model 'nobody'" in nobody[1]
    assert no_number[0] == "422"
    assert "version" in no_number[1]
    assert not_routed[0] == "409"


def test_tritonclient_gets_the_answers_of_rest_over_grpc(grpc: Any, rest: Any, world: World):
    assert (grpc["live"], grpc["ready"], grpc["model"]) == (True, True, True)
    assert (grpc["server"], grpc["inputs"], grpc["id"]) == ("stagegate", ["image"], "r1")
    assert grpc["prediction"] == world.truth
    assert grpc["index"] == rest["answers"][0]["index"]
    assert np.allclose(grpc["probabilities"], rest["answers"][0]["probabilities"])
    nobody, not_routed = grpc["refusals"]
    assert "NOT_FOUND" in nobody[0]
    assert "There is no model 'nobody'" in nobody[1]
    assert "FAILED_PRECONDITION" in not_routed[0]


def scoring_client(world: World, model: str) -> Any:
    """Our path stands before its own, which it joins to the host and port that it is given."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    host, _, port = world.rest.partition(":")
    return ScoringServerClient(host, f"{port}/models/{model}")


@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # importing it says so
def test_mlflows_client_scores_a_table_of_images(world: World):
    client = scoring_client(world, "colours")
    client.wait_server_ready(timeout=60)
    found = client.invoke(pd.DataFrame({"image": world.pictures})).get_predictions()
    assert found["prediction"].tolist() == world.truth
    assert (
        found[list(colours.COLOURS)].to_numpy().argmax(axis=1).tolist() == found["index"].tolist()
    )


@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # importing it says so
def test_mlflows_client_is_told_why_it_is_refused(world: World):
    with pytest.raises(Exception, match=r"404.*There is no model 'nobody'"):
        scoring_client(world, "nobody").invoke(pd.DataFrame({"image": world.pictures}))


def test_a_generated_client_is_answered(generated: Any, world: World):
    assert generated["models"] == ["colours"]
    whole, in_form, inferred = generated["answered"]
    assert whole == inferred == world.truth
    assert in_form == world.truth[0]
    assert generated["repeated"] == [True, 422, "Invalid input"]
    assert generated["metrics"]


def test_a_generated_client_follows_a_held_request_to_a_persons_answer(generated: Any):
    found = generated["reviewed"]
    assert found["waiting"] == "held"
    assert found["flags"] == ["supervised"]
    assert found["final"] == ["blue", "human"]
    assert found["events"].startswith("event: final\n")
    assert found["sent"]
    assert found["stage"] == "manual-review"


def test_a_generated_client_is_told_why_it_is_refused(generated: Any):
    nobody, broken, gone, empty = generated["refusals"]
    assert nobody[0] == 404
    assert "There is no model 'nobody'" in nobody[1]
    assert broken[0] == 415
    assert gone[0] == 404
    assert empty[0] == 422
    assert "one tensor named 'image'" in empty[1]
