"""The Open Inference Protocol over gRPC, as a plain client of gRPC sees it."""

import asyncio
import json
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import serving_app
from fastapi import Request
from serving_fakes import FakeRunner, image
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.domain.errors import Forbidden
from registry.domain.plan import Answers, Flags, Review, StagePlan, Step
from registry.domain.stages import Stage
from serving.adapters.fleet import LiveFleet
from serving.adapters.ledger import GroupLedger
from serving.api.grpc_messages import SERVICE, messages
from serving.api.grpc_service import GrpcServer
from serving.api.parts import Serving

pytestmark = pytest.mark.integration
GRADUAL = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=0.0))
SUPERVISED = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
UNIT = ("x-stagegate-attributes", json.dumps({"user_id": "u"}))


async def nobody_asks(_: Request, __: str) -> None:
    """Without accounts everybody may do everything."""


async def only_looking(request: Request, name: str) -> None:
    if name.startswith("POST") and request.headers.get("authorization") != "Bearer sgk_good":
        raise Forbidden("this key may not ask models")


@pytest.fixture
def serving(database: Database, tmp_path: Path) -> Iterator[Serving]:
    runners = {1: FakeRunner("paper"), 2: FakeRunner()}
    made = serving_app.parts(database, str(tmp_path / "p"), runners)
    yield made
    assert isinstance(made.fleet, LiveFleet)
    assert isinstance(made.ledger, GroupLedger)
    made.arrivals.end()
    made.fleet.close()
    made.ledger.close()


class Watched:
    """A database that remembers which threads read it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.readers: list[threading.Thread] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def read(self) -> Any:
        self.readers.append(threading.current_thread())
        return self._database.read()


class Client:
    """Calls verbs by name."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    async def __call__(self, verb: str, *metadata: tuple[str, str], **fields: Any) -> Any:
        known = messages()
        call = self._channel.unary_unary(
            f"/{SERVICE}/{verb}",
            request_serializer=known[f"{verb}Request"].SerializeToString,
            response_deserializer=known[f"{verb}Response"].FromString,
        )
        return await call(known[f"{verb}Request"](**fields), metadata=metadata)

    async def refused(self, verb: str, *metadata: tuple[str, str], **fields: Any) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self(verb, *metadata, **fields)
        return refused.value


def talk(serving: Serving, part: StagePlan, talking: Any, admit: Any = nobody_asks) -> None:
    """Serve, and let a client talk."""

    async def both() -> None:
        server = GrpcServer(serving, admit, (ConnectionError,))
        port = await server.start("127.0.0.1:0")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await talking(Client(channel))
        await server.stop(1)

    serving_app.register(serving.database, part, flags=Flags())
    assert isinstance(serving.fleet, LiveFleet)
    serving.fleet.start()
    asyncio.run(both())


def tensor(*images: bytes, **changes: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "BYTES", "shape": [len(images)], **changes}


def raw(*images: bytes) -> list[bytes]:
    return [b"".join(struct.pack("<I", len(one)) + one for one in images)]


def outputs(answer: Any) -> dict[str, bytes]:
    names = [one.name for one in answer.outputs]
    return dict(zip(names, answer.raw_output_contents, strict=True))


def test_the_server_and_its_models_describe_themselves(serving: Serving):
    async def look(ask: Client) -> None:
        assert (await ask("ServerLive")).live
        assert (await ask("ServerReady")).ready
        assert (await ask("ServerMetadata")).name == "stagegate"
        assert (await ask("ModelReady", name="waste")).ready
        assert (await ask("ModelReady", name="waste", version="2")).ready
        described = await ask("ModelMetadata", name="waste")
        assert list(described.versions) == ["1", "2"]
        assert [(one.name, one.datatype, list(one.shape)) for one in described.inputs] == [
            ("image", "BYTES", [-1])
        ]
        unknown = await ask.refused("ModelMetadata", name="nobody")
        assert unknown.code() == grpc.StatusCode.NOT_FOUND
        assert "registered are waste" in unknown.details()

    talk(serving, GRADUAL, look)


def test_a_call_that_is_cancelled_waits_for_no_person(serving: Serving):
    async def until(claim: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not claim():
                await asyncio.sleep(0.01)

    async def leave(ask: Client) -> None:
        fields = {"model_name": "waste", "inputs": [tensor(image())]}
        fields["raw_input_contents"] = raw(image())
        waiting = asyncio.create_task(ask("ModelInfer", UNIT, ("prefer", "wait=120"), **fields))
        await until(lambda: serving.arrivals.waited_for)
        waiting.cancel()
        await until(lambda: not serving.arrivals.waited_for)

    talk(serving, SUPERVISED, leave)


def test_a_look_at_a_model_holds_up_nobody_else_while_the_database_is_slow(serving: Serving):
    watched: Any = Watched(serving.database)

    async def look(ask: Client) -> None:
        watched.readers.clear()
        assert (await ask("ModelReady", name="waste")).ready
        assert (await ask("ModelMetadata", name="waste")).name == "waste"
        assert len(watched.readers) >= 2
        assert threading.current_thread() not in watched.readers, "the loop's own thread waited"

    talk(replace(serving, database=watched), GRADUAL, look)


def test_images_are_answered_whether_they_come_raw_or_as_contents(serving: Serving):
    images = (image("metal"), image("glass"))

    async def infer(ask: Client) -> None:
        key = ("idempotency-key", "k")
        given = {"model_name": "waste", "id": "r7"}
        first = await ask("ModelInfer", UNIT, key, **given, inputs=[tensor(*images)], raw_input_contents=raw(*images))  # fmt: skip # noqa: E501
        assert (first.model_name, first.model_version, first.id) == ("waste", "2", "r7")
        found = outputs(first)
        assert found["prediction"] == raw(b"metal", b"glass")[0]
        spread = np.frombuffer(found["probabilities"], "<f4").reshape(2, 3)
        assert list(spread.argmax(1)) == list(np.frombuffer(found["index"], "<i8"))
        contents = tensor(*images, contents={"bytes_contents": images})
        again = await ask("ModelInfer", UNIT, key, **given, inputs=[contents])
        assert again == first
        one = await ask("ModelInfer", UNIT, **given, inputs=[contents], outputs=[{"name": "index"}])
        assert list(outputs(one)) == ["index"]

    talk(serving, GRADUAL, infer)


def test_what_goes_wrong_has_the_code_and_the_words_of_it(serving: Serving):
    one = image()

    async def infer(ask: Client) -> None:
        for fields, code, words in (
            ({"inputs": []}, "INVALID_ARGUMENT", "one tensor"),
            ({"inputs": [tensor(one, datatype="FP32")]}, "INVALID_ARGUMENT", "BYTES"),
            ({"inputs": [tensor(one, shape=[2])]}, "INVALID_ARGUMENT", "the shape is"),
            ({"raw_input_contents": [b"\xff\xff\xff\xff"]}, "INVALID_ARGUMENT", "announces more"),
            ({"raw_input_contents": raw(b"no image")}, "INVALID_ARGUMENT", "no image"),
            ({"outputs": [{"name": "logits"}]}, "INVALID_ARGUMENT", "no 'logits'"),
            ({"model_version": "x"}, "INVALID_ARGUMENT", "a number is expected"),
            ({"model_version": "1"}, "FAILED_PRECONDITION", "leave the version out"),
            ({"model_name": "nobody"}, "NOT_FOUND", "nobody"),
            ({"model_name": "a\0b"}, "INVALID_ARGUMENT", "no text"),
            ({"model_name": ""}, "INVALID_ARGUMENT", "1 to 256"),
        ):
            asked = {"model_name": "waste", "inputs": [tensor(one)], "raw_input_contents": raw(one)}
            refused = await ask.refused("ModelInfer", UNIT, **(asked | fields))
            assert refused.code().name == code, refused.details()
            assert words in refused.details()

    talk(serving, GRADUAL, infer)


def test_a_held_request_says_where_its_answer_will_be(serving: Serving):
    async def infer(ask: Client) -> None:
        given = {"inputs": [tensor(image())], "raw_input_contents": raw(image())}
        held = await ask.refused("ModelInfer", model_name="waste", **given)
        assert held.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert "/v1/predictions/" in held.details()

    talk(serving, SUPERVISED, infer)


def test_a_key_that_may_only_look_asks_no_model(serving: Serving):
    async def infer(ask: Client) -> None:
        given: dict[str, Any] = {
            "model_name": "waste",
            "inputs": [tensor(image())],
            "raw_input_contents": raw(image()),
        }
        assert (await ask("ModelReady", name="waste")).ready
        refused = await ask.refused("ModelInfer", UNIT, **given)
        assert refused.code() == grpc.StatusCode.PERMISSION_DENIED
        assert await ask("ModelInfer", UNIT, ("authorization", "Bearer sgk_good"), **given)

    talk(serving, GRADUAL, infer, only_looking)


async def broken(_: Request, __: str) -> None:
    raise ValueError("SELECT secret FROM person")


def test_an_unexpected_error_has_a_number_and_tells_no_secret(serving: Serving):
    async def look(ask: Client) -> None:
        refused = await ask.refused("ServerMetadata")
        assert refused.code() == grpc.StatusCode.INTERNAL
        assert "incident" in refused.details()
        assert "secret" not in refused.details()

    talk(serving, GRADUAL, look, broken)
