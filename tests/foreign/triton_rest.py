"""tritonclient over REST: every way to send and to get tensors."""

import base64
import itertools
import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton

asked = json.load(sys.stdin)
pictures = np.array([base64.b64decode(one) for one in asked["pictures"]], dtype=np.object_)
client = triton.InferenceServerClient(asked["address"])


def infer(*, sent: bool, got: bool, packed: str | None, accepted: str | None) -> Any:
    """The labels, and how sure the model is, with the tensors in binary or in JSON each way."""
    image = triton.InferInput("image", [len(pictures)], "BYTES")
    # In JSON there are no bytes; the protocol leaves how they are written to the server.
    given = pictures if sent else np.array([one.encode() for one in asked["pictures"]], np.object_)
    image.set_data_from_numpy(given, binary_data=sent)
    names = ("prediction", "index", "probabilities")
    outputs = [triton.InferRequestedOutput(name, binary_data=got) for name in names]
    found = client.infer(
        "colours",
        [image],
        request_id="r1",
        outputs=outputs,
        request_compression_algorithm=packed,
        response_compression_algorithm=accepted,
    )
    assert found.get_response()["id"] == "r1"
    said = [one.decode() if isinstance(one, bytes) else one for one in found.as_numpy("prediction")]
    return {
        "prediction": said,
        "index": found.as_numpy("index").tolist(),
        "probabilities": found.as_numpy("probabilities").astype(float).tolist(),
    }


def refused(model: str, version: str = "") -> list[str] | None:
    """The status and the text of a refusal."""
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(pictures[:1])
    try:
        client.infer(model, [image], model_version=version)
    except triton.InferenceServerException as error:
        return [error.status(), error.message()]
    return None


kinds = itertools.product((True, False), (True, False), (None, "gzip", "deflate"), (None, "gzip"))
every = triton.InferInput("image", [len(pictures)], "BYTES")
every.set_data_from_numpy(pictures)
metadata = client.get_model_metadata("colours")
json.dump(
    {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": client.is_model_ready("colours"),
        "unrouted": client.is_model_ready("colours", "9"),
        "nobody": client.is_model_ready("nobody"),
        "server": client.get_server_metadata()["name"],
        "inputs": [one["name"] for one in metadata["inputs"]],
        "answers": [infer(sent=s, got=g, packed=p, accepted=a) for s, g, p, a in kinds],
        "unnamed": sorted(
            one["name"] for one in client.infer("colours", [every]).get_response()["outputs"]
        ),
        "refusals": [refused("nobody"), refused("colours", "x"), refused("colours", "2")],
    },
    sys.stdout,
)
