"""gRPC with several workers: the kernel spreads connections over them, and each answers alike."""

import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import colours
import grpc
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from waiting import PATIENCE, eventually
from workers import Workers, two_workers

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from serving.api.grpc_messages import SERVICE, messages

pytestmark = pytest.mark.e2e
PICTURE = colours.encode(colours.pictures(np.random.default_rng(1), 1)[0][0])


@pytest.fixture(scope="module")
def served(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Workers, str]]:
    """Two workers, and where both answer over gRPC."""
    url, now = new_database(), datetime.now(UTC)
    database = Database(url)
    bundle = colours.make_bundle(tmp_path_factory.mktemp("bundle"), now)
    colours.record_versions(database, bundle, now)
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("colours", 1, None, now)
        unit.routing_clock.tick()
    database.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAGEGATE_GRPC_PORT", str(port))
        with two_workers(tmp_path_factory.mktemp("grpc") / "home", url) as workers:
            yield workers, f"127.0.0.1:{port}"


def infer(address: str, key: str) -> Any:
    """Ask over a connection of its own."""
    known = messages()
    asked = known["ModelInferRequest"](
        model_name="colours",
        inputs=[{"name": "image", "datatype": "BYTES", "shape": [1]}],
        raw_input_contents=[struct.pack("<I", len(PICTURE)) + PICTURE],
    )
    own = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(address, options=own) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=type(asked).SerializeToString,
            response_deserializer=known["ModelInferResponse"].FromString,
        )
        metadata = (("idempotency-key", key),)
        return call(asked, metadata=metadata, timeout=PATIENCE, wait_for_ready=True)


def by_worker(workers: Workers) -> Counter[str]:
    """How many requests each has answered."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(workers.service.http.get("/metrics").text):
        for sample in family.samples:
            if sample.name == "stagegate_predictions_total":
                found[sample.labels["worker"]] += int(sample.value)
    return found


def test_both_workers_answer_over_grpc(served: tuple[Workers, str]):
    workers, address = served
    keys = iter(range(100_000))

    def both() -> bool:
        infer(address, f"both-{next(keys)}")
        return by_worker(workers).keys() == {"1", "2"}

    assert eventually(both)
    asked = next(keys)
    assert eventually(lambda: by_worker(workers).total() == asked), "each was answered by one"


def test_a_repeat_under_one_key_is_one_answer_whichever_worker_has_it(
    served: tuple[Workers, str],
):
    workers, address = served
    before = by_worker(workers).total()
    ids = {tuple(infer(address, "one").raw_output_contents) for _ in range(20)}
    assert len(ids) == 1
    assert eventually(lambda: by_worker(workers).total() == before + 1)


def test_whoever_asks_again_is_answered_while_a_worker_dies_and_after_another_came(
    served: tuple[Workers, str],
):
    workers, address = served
    workers.kill("2")

    def answered(key: str) -> bool:
        try:
            return bool(infer(address, key).outputs)
        except grpc.RpcError:
            return False  # it waited at the worker that died

    for number in range(20):
        assert eventually(lambda key=f"after-{number}": answered(key))
