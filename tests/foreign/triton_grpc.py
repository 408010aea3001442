"""tritonclient over gRPC."""

import base64
import json
import sys

import numpy as np
import tritonclient.grpc as triton

asked = json.load(sys.stdin)
pictures = np.array([base64.b64decode(one) for one in asked["pictures"]], dtype=np.object_)
client = triton.InferenceServerClient(asked["address"])
image = triton.InferInput("image", [len(pictures)], "BYTES")
image.set_data_from_numpy(pictures)


def refused(model: str, version: str = "") -> list[str] | None:
    """The status and the text of a refusal."""
    try:
        client.infer(model, [image], model_version=version)
    except triton.InferenceServerException as error:
        return [error.status(), error.message()]
    return None


names = ("prediction", "index", "probabilities")
outputs = [triton.InferRequestedOutput(name) for name in names]
found = client.infer("colours", [image], request_id="r1", outputs=outputs)
json.dump(
    {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": client.is_model_ready("colours"),
        "server": client.get_server_metadata().name,
        "inputs": [one.name for one in client.get_model_metadata("colours").inputs],
        "id": found.get_response().id,
        "prediction": [one.decode() for one in found.as_numpy("prediction")],
        "index": found.as_numpy("index").tolist(),
        "probabilities": found.as_numpy("probabilities").astype(float).tolist(),
        "refusals": [refused("nobody"), refused("colours", "2")],
    },
    sys.stdout,
)
