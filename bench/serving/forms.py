"""The forms in which servers want a request, and where their answers hold the probabilities."""

import base64
import json
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.serving.bodies import KINDS

_BOUNDARY = b"b0"
_KEY = re.compile(rb'"f\d+": ')
_TENSOR_HEAD = 200  # longer than any; what is left of it is filled with blanks


@dataclass(frozen=True, slots=True)
class Form:
    """One of them. headers: those beside its type and length; found: reads a whole answer."""

    path: str
    wrap: Callable[[str, bytes], bytes]
    found: Callable[[Any], Sequence[float]]
    image_type: str = ""
    headers: str = ""

    def type_of(self, workload: str) -> str:
        """The type of the body."""
        kind = KINDS[workload]
        return kind if workload == "w1" or not self.image_type else self.image_type

    def headers_of(self, workload: str) -> str:
        """Further headers, each ended; rows need none."""
        return "" if workload == "w1" else self.headers


def _as_it_is(workload: str, body: bytes) -> bytes:
    del workload
    return body


def _upload(workload: str, body: bytes) -> bytes:
    if workload == "w1":
        return body
    head = b'Content-Disposition: form-data; name="file"; filename="x"\r\nContent-Type: %s\r\n\r\n'
    part = head % KINDS[workload].encode() + body
    return b"--%s\r\n%s\r\n--%s--\r\n" % (_BOUNDARY, part, _BOUNDARY)


def _frame(workload: str, body: bytes) -> bytes:
    if workload == "w1":
        return body.replace(b'"inputs"', b'"dataframe_records"', 1)
    start = b'{"dataframe_split":{"columns":["image"],"data":[["'
    return start + base64.b64encode(body) + b'"]]}}'


def _tensor(workload: str, body: bytes) -> bytes:
    if workload == "w1":
        numbers = _KEY.sub(b"", body)[len(b'{"inputs":[{') : -len(b"}]}")]
        head = b'{"inputs":[{"name":"x","shape":[1,20],"datatype":"FP32","data":[%s]}]}'
        return head % numbers
    named = b'{"name":"x","shape":[1,1],"datatype":"BYTES","parameters":{"binary_data_size":%d}}'
    head = b'{"inputs":[%s]}' % (named % (len(body) + 4))
    return head.ljust(_TENSOR_HEAD) + struct.pack("<I", len(body)) + body


FORMS = {
    "ours": Form(
        "/v1/models/{workload}/predict",
        _as_it_is,
        lambda said: [p for _, p in sorted(said["probabilities"].items())],
    ),
    "upload": Form(
        "/predict",
        _upload,
        lambda said: said["probabilities"],
        f"multipart/form-data; boundary={_BOUNDARY.decode()}",
    ),
    "uploads": Form(
        "/predict",
        _upload,
        lambda said: said[0]["probabilities"],
        f"multipart/form-data; boundary={_BOUNDARY.decode()}",
    ),
    "frame": Form(
        "/invocations",
        _frame,
        lambda said: said["predictions"][0]["probabilities"],
        "application/json",
    ),
    "tensor": Form(
        "/v2/models/net/infer",
        _tensor,
        lambda said: said["outputs"][0]["data"],
        "application/octet-stream",
        f"Inference-Header-Content-Length: {_TENSOR_HEAD}\r\n",
    ),
}


def read_answer(form: str, answer: bytes) -> list[float]:
    """The probabilities in an answer."""
    return [float(p) for p in FORMS[form].found(json.loads(answer))]
