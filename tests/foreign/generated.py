"""A client generated from our OpenAPI document: ask, wait for a person, decide, and be refused."""

import base64
import io
import json
import sys
from typing import Any

from stagegate_client import Client
from stagegate_client.api.models import models_models
from stagegate_client.api.open_inference_protocol import open_inference_protocol_infer
from stagegate_client.api.operations import operations_metrics
from stagegate_client.api.predict import predict_ask
from stagegate_client.api.predictions import (
    predictions_events,
    predictions_payload,
    predictions_show,
)
from stagegate_client.api.review import review_decide, review_take
from stagegate_client.api.rollouts import rollouts_abort, rollouts_get, rollouts_start
from stagegate_client.models import (
    AbortBody,
    DecisionBody,
    FinalPrediction,
    HeldPrediction,
    InferenceError,
    InferRequest,
    PlanBody,
    Problem,
    Rows,
    Upload,
)
from stagegate_client.types import File

asked = json.load(sys.stdin)
pictures = [base64.b64decode(one) for one in asked["pictures"]]
client = Client(base_url=asked["address"], headers={"X-Stagegate-Actor": "ann"}, timeout=120)


def picture(number: int) -> File:
    """One of them, as a file."""
    return File(io.BytesIO(pictures[number]), "picture.png", "image/png")


def ask(number: int, **headers: str) -> Any:
    """The whole response to one picture."""
    return predict_ask.sync_detailed("colours", client=client, body=picture(number), **headers)


def is_kind(found: Any, kind: type) -> Any:
    """What was found, if it is of this kind."""
    assert isinstance(found, kind), found
    return found


def answered():
    """Every picture by a live version: as a body, in a form, over the other protocol."""
    whole = [is_kind(ask(n).parsed, FinalPrediction).prediction for n in range(len(pictures))]
    in_form = predict_ask.sync("colours", client=client, body=Upload(file=picture(0)))
    request = InferRequest.from_dict(
        {
            "inputs": [
                {
                    "name": "image",
                    "datatype": "BYTES",
                    "shape": [len(pictures)],
                    "data": asked["pictures"],
                }
            ]
        }
    )
    tensors = open_inference_protocol_infer.sync("colours", client=client, body=request)
    inferred = next(one for one in tensors.outputs if one.name == "prediction").data
    return [whole, is_kind(in_form, FinalPrediction).prediction, inferred]


def repeated():
    """The same key twice is one prediction, and another picture under it is refused."""
    first, again = (is_kind(ask(0, idempotency_key="one").parsed, FinalPrediction) for _ in "ab")
    other = ask(1, idempotency_key="one")
    return [first.id == again.id, other.status_code, is_kind(other.parsed, Problem).title]


def reviewed():
    """A request that only a person answers, from the question to the answer."""
    started = rollouts_start.sync(client=client, body=PlanBody(plan=asked["plan"]))
    assert not isinstance(started, Problem), started.detail
    said = ask(0, x_stagegate_attributes='{"user_id": "7"}')
    while isinstance(said.parsed, FinalPrediction):  # until the new version is loaded
        said = ask(0, x_stagegate_attributes='{"user_id": "7"}')
    held = is_kind(said.parsed, HeldPrediction)
    assert said.status_code == 202
    assert said.headers["Location"] == f"/v1/predictions/{held.id}"
    waiting = is_kind(predictions_show.sync(held.id, client=client), HeldPrediction)
    item = review_take.sync(client=client, model="colours")
    body = DecisionBody(epoch=item["epoch"], label="blue", final=True)
    decided = review_decide.sync_detailed(item["id"], client=client, body=body)
    assert decided.status_code == 200, decided.content
    final = is_kind(predictions_show.sync(held.id, client=client, wait=60.0), FinalPrediction)
    events = predictions_events.sync(held.id, client=client)
    sent = predictions_payload.sync(held.id, client=client).payload.read()
    stage = rollouts_get.sync("colours", client=client)["stage"]
    aborted = rollouts_abort.sync("colours", client=client, body=AbortBody(reason="enough"))
    assert not isinstance(aborted, Problem), aborted.detail
    return {
        "waiting": waiting.status,
        "flags": [str(flag.code) for flag in held.flags],
        "final": [final.prediction, str(final.decided_by)],
        "events": events,
        "sent": sent == pictures[0],
        "stage": stage,
    }


def refusals():
    """Status and kind of what is refused."""
    rows = predict_ask.sync_detailed("nobody", client=client, body=Rows.from_dict({"inputs": [{}]}))
    broken = predict_ask.sync_detailed("colours", client=client, body=File(io.BytesIO(b"no image")))
    gone = predictions_show.sync_detailed("none", client=client)
    request = InferRequest.from_dict({"inputs": []})
    empty = open_inference_protocol_infer.sync_detailed("colours", client=client, body=request)
    told = [(one.status_code, is_kind(one.parsed, Problem)) for one in (rows, broken, gone)]
    problems = [[status, problem.detail] for status, problem in told]
    return [*problems, [empty.status_code, is_kind(empty.parsed, InferenceError).error]]


json.dump(
    {
        "models": [one["name"] for one in models_models.sync(client=client)["models"]],
        "answered": answered(),
        "repeated": repeated(),
        "refusals": refusals(),
        "reviewed": reviewed(),
        "metrics": "stagegate_predictions_total" in operations_metrics.sync(client=client),
    },
    sys.stdout,
)
