"""Requests and answers of the Open Inference Protocol, version 2, with binary tensors.

Specification: github.com/kserve/open-inference-protocol (inference_rest.md) and the binary tensor
data extension of Triton. An image is one element of a BYTES tensor named `image`; in JSON, where
bytes cannot stand, it is written as base64.
"""

import base64
import binascii
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.domain.errors import Invalid
from serving.api.json_body import read_json

HEADER = "Inference-Header-Content-Length"
IMAGE = "image"
ROWS_AT_MOST = 64
OUTPUTS = ("prediction", "index", "probabilities", "id", "version", "decided_by")
_KINDS = {"INT64": "<i8", "FP32": "<f4"}


@dataclass(frozen=True, slots=True)
class InferRequest:
    """The images of a request, and which outputs it asks for, each in binary or in JSON."""

    id: str | None
    images: tuple[bytes, ...]
    outputs: Mapping[str, bool]
    binary: bool


@dataclass(frozen=True, slots=True)
class Tensor:
    """One output: values of a datatype, row by row."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[Any]

    def document(self) -> dict[str, Any]:
        """What its description says."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    def binary(self) -> bytes:
        """Its values as bytes: little-endian numbers, or texts each after its length."""
        if self.datatype == "BYTES":
            texts = [str(value).encode() for value in self.values]
            return b"".join(struct.pack("<I", len(text)) + text for text in texts)
        return np.asarray(self.values, dtype=_KINDS[self.datatype]).tobytes()


def read_request(body: bytes, header: str | None) -> InferRequest:
    """The request in a body; Invalid names the field that is wrong."""
    head, rest = _split(body, header)
    document = _json(head)
    inputs = _list(document, "inputs")
    named = [one for one in inputs if one.get("name") == IMAGE]
    if len(inputs) != 1 or len(named) != 1:
        names = ", ".join(repr(one.get("name")) for one in inputs) or "none"
        raise Invalid(f"inputs: one tensor named {IMAGE!r} is expected, not {names}")
    asked = document.get("outputs")
    outputs = _list(document, "outputs") if asked is not None else []
    unknown = [one.get("name") for one in outputs if one.get("name") not in OUTPUTS]
    if unknown:
        raise Invalid(f"outputs: there is no {unknown[0]!r}; there are {', '.join(OUTPUTS)}")
    everything = bool(_parameters(document).get("binary_data_output"))
    identity = document.get("id")
    return InferRequest(
        id=None if identity is None else str(identity),
        images=_images(named[0], rest),
        outputs={
            str(one.get("name")): bool(_parameters(one).get("binary_data", everything))
            for one in outputs
        },
        binary=everything,
    )


def write_answer(
    document: Mapping[str, Any], tensors: Sequence[Tensor], request: InferRequest
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON if binary data follow it."""
    described, data = [], []
    for tensor in tensors:
        if request.outputs and tensor.name not in request.outputs:
            continue
        one = tensor.document()
        if request.outputs.get(tensor.name, request.binary):
            data.append(tensor.binary())
            one["parameters"] = {"binary_data_size": len(data[-1])}
        else:
            one["data"] = list(tensor.values)
        described.append(one)
    head = json.dumps({**document, "outputs": described}).encode()
    return head + b"".join(data), len(head) if data else None


def _split(body: bytes, header: str | None) -> tuple[bytes, bytes]:
    if header is None:
        return body, b""
    if not header.isascii() or not header.isdigit() or int(header) > len(body):
        raise Invalid(f"{HEADER}: {header[:32]!r} is no length within the body")
    return body[: int(header)], body[int(header) :]


def _json(head: bytes) -> dict[str, Any]:
    document = read_json(head)
    if not isinstance(document, dict):
        raise Invalid("the body must be a JSON object with inputs")
    return document


def _list(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Invalid(f"{name}: a list of tensors is expected")
    return found


def _parameters(node: Mapping[str, Any]) -> Mapping[str, Any]:
    found = node.get("parameters", {})
    if not isinstance(found, dict):
        raise Invalid("parameters: an object is expected")
    return found


def _images(tensor: Mapping[str, Any], rest: bytes) -> tuple[bytes, ...]:
    shape = tensor.get("shape")
    sizes = shape if isinstance(shape, list) and all(type(n) is int for n in shape) else []
    if len(sizes) not in {1, 2} or sizes[1:] not in ([], [1]) or not 0 < sizes[0] <= ROWS_AT_MOST:
        raise Invalid(f"{IMAGE}: the shape is [n] with n from 1 to {ROWS_AT_MOST}, not {shape}")
    if tensor.get("datatype") != "BYTES":
        raise Invalid(f"{IMAGE}: the datatype is BYTES, not {tensor.get('datatype')!r}")
    size = _parameters(tensor).get("binary_data_size")
    images = tuple(_from_json(tensor) if size is None else _from_binary(rest, size))
    if len(images) != sizes[0]:
        raise Invalid(f"{IMAGE}: the shape says {sizes[0]} images, the data hold {len(images)}")
    return images


def _from_json(tensor: Mapping[str, Any]) -> Iterator[bytes]:
    data = tensor.get("data")
    if not isinstance(data, list):
        raise Invalid(f"{IMAGE}: data is a list of images in base64")
    for i, text in enumerate(data):
        yield from_base64(text[0] if isinstance(text, list) and len(text) == 1 else text, i)


def from_base64(text: object, row: int) -> bytes:
    """The image in a text; Invalid names the row if it is none."""
    try:
        return base64.b64decode(str(text) if isinstance(text, str) else "?", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Invalid(f"{IMAGE}: row {row} is not base64; write the image's bytes so") from error


def _from_binary(rest: bytes, size: object) -> Iterator[bytes]:
    if type(size) is not int or size != len(rest):
        raise Invalid(
            f"{IMAGE}: binary_data_size is {size!r}, but {len(rest)} bytes follow the JSON"
        )
    yield from elements(rest)


def elements(data: bytes) -> Iterator[bytes]:
    """The elements of a BYTES tensor in binary, each after its length; Invalid if one lies."""
    at = 0
    while at < len(data):
        end = at + 4
        length = int.from_bytes(data[at:end], "little")
        if end + length > len(data):
            raise Invalid(f"{IMAGE}: an element announces more bytes than there are")
        yield data[end : end + length]
        at = end + length
