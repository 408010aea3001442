"""The messages of the Open Inference Protocol, version 2, over gRPC.

Specification: github.com/kserve/open-inference-protocol (open_inference_grpc.proto). They are made
in a pool of descriptors of their own: tritonclient registers messages of the same names in
protobuf's common pool, and a process may hold both. Fields that we make nothing of (`parameters`)
are left out; protobuf passes over what it does not know.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

PACKAGE = "inference"
SERVICE = "inference.GRPCInferenceService"
_Field = tuple[int, str, str]
_TENSOR: tuple[_Field, ...] = (
    (1, "name", "string"),
    (2, "datatype", "string"),
    (3, "shape", "int64*"),
)
_MODEL: tuple[_Field, ...] = ((1, "name", "string"), (2, "version", "string"))
_ASKED: tuple[_Field, ...] = (
    (1, "model_name", "string"),
    (2, "model_version", "string"),
    (3, "id", "string"),
)
# Number, name, type of each field; * stands for repeated.
_MESSAGES: Mapping[str, tuple[_Field, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ((1, "live", "bool"),),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ((1, "ready", "bool"),),
    "ModelReadyRequest": _MODEL,
    "ModelReadyResponse": ((1, "ready", "bool"),),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (*_MODEL, (3, "extensions", "string*")),
    "ModelMetadataRequest": _MODEL,
    "TensorMetadata": _TENSOR,
    "ModelMetadataResponse": (
        (1, "name", "string"),
        (2, "versions", "string*"),
        (3, "platform", "string"),
        (4, "inputs", "TensorMetadata*"),
        (5, "outputs", "TensorMetadata*"),
    ),
    "InferTensorContents": ((8, "bytes_contents", "bytes*"),),
    "InferInputTensor": (*_TENSOR, (5, "contents", "InferTensorContents")),
    "InferRequestedOutputTensor": ((1, "name", "string"),),
    "ModelInferRequest": (
        *_ASKED,
        (5, "inputs", "InferInputTensor*"),
        (6, "outputs", "InferRequestedOutputTensor*"),
        (7, "raw_input_contents", "bytes*"),
    ),
    "InferOutputTensor": _TENSOR,
    "ModelInferResponse": (
        *_ASKED,
        (5, "outputs", "InferOutputTensor*"),
        (6, "raw_output_contents", "bytes*"),
    ),
}


@cache
def messages() -> Mapping[str, Any]:
    """The classes of all messages, by name."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(name="stagegate.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, label, kind in fields:
            _describe(message.field.add(name=label, number=number), kind)
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _MESSAGES
    }


def _describe(field: Any, kind: str) -> None:
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    bare = kind.rstrip("*")
    if bare in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{bare}"
    else:
        field.type = getattr(field, f"TYPE_{bare.upper()}")
