"""The Open Inference Protocol, version 2, over gRPC, with the same answers as over REST.

What REST takes from headers comes as metadata of the call: `authorization`, `idempotency-key`,
`prefer`, `x-stagegate-attributes`.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog
from fastapi import Request

from registry.domain.errors import Invalid, StagegateError
from serving.api.grpc_messages import SERVICE, messages
from serving.api.inference import Inference
from serving.api.parts import Serving
from serving.api.tensors import IMAGE, OUTPUTS, ROWS_AT_MOST, Tensor, elements
from serving.api.text import checked_name

_log = structlog.get_logger(__name__)
# Raises unless the caller may do what this route of the REST API does; gives nothing.
Admit = Callable[[Request, str], Awaitable[None]]
Follow = Callable[[str, Mapping[str, str], Mapping[str, str]], AbstractContextManager[Any]]
_MODEL = "/v2/models/{model}"
_VERBS = {
    "ServerLive": "GET /v2/health/live",
    "ServerReady": "GET /v2/health/ready",
    "ServerMetadata": "GET /v2",
    "ModelReady": f"GET {_MODEL}/ready",
    "ModelMetadata": f"GET {_MODEL}",
    "ModelInfer": f"POST {_MODEL}/infer",
}
_CODES = {
    202: "FAILED_PRECONDITION",  # held for a person; the details say where the answer will be
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def unfollowed(*_: object) -> AbstractContextManager[None]:
    """Nobody traces."""
    return nullcontext()


class GrpcServer:
    """Listens beside the HTTP server, in the same loop."""

    def __init__(
        self,
        serving: Serving,
        admit: Admit,
        unavailable: tuple[type[Exception], ...],
        *,
        share_port: bool = False,
        follow: Follow = unfollowed,
    ) -> None:
        """unavailable: errors that mean that the database is away.

        share_port: whether others may listen on the same port, as workers do. follow: around every
        call, with its name, its metadata and what it says of itself, for traces.
        """
        self._serving = serving
        self._inference = Inference(serving)
        self._admit = admit
        self._unavailable = unavailable
        self._share_port = share_port
        self._follow = follow
        self._server: Any = None

    async def start(self, address: str) -> int:
        """Begin to answer; gives the port. Invalid if nothing can listen there."""
        import grpc

        limit = self._serving.max_upload_bytes
        options = [
            ("grpc.max_receive_message_length", limit),
            ("grpc.so_reuseport", int(self._share_port)),
        ]
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        try:
            port: int = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise Invalid(f"gRPC could not listen on {address}; is the port taken?") from error
        await self._server.start()
        return port

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and give those under way this time."""
        await self._server.stop(seconds)

    def _handlers(self) -> Any:
        import grpc

        known = messages()
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                verb: grpc.unary_unary_rpc_method_handler(
                    self._handler(verb),
                    request_deserializer=known[f"{verb}Request"].FromString,
                    response_serializer=known[f"{verb}Response"].SerializeToString,
                )
                for verb in _VERBS
            },
        )

    def _handler(self, verb: str) -> Callable[[Any, Any], Awaitable[Any]]:
        import grpc

        work, make = getattr(self, f"_{verb}"), messages()[f"{verb}Response"]

        async def answer(asked: Any, context: Any) -> Any:
            request = _request(context.invocation_metadata())
            said = {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": verb}
            with self._follow(f"{SERVICE}/{verb}", request.headers, said) as span:
                try:
                    await self._admit(request, _VERBS[verb])
                    return make(**await work(asked, request))
                except Exception as error:  # noqa: BLE001 - gRPC would tell the caller its words
                    code, words = self._refusal(verb, error)
                status = getattr(grpc.StatusCode, code)
                if span:
                    span.set_attribute("rpc.grpc.status_code", status.value[0])
            return await context.abort(status, words)

        return answer

    def _refusal(self, verb: str, error: Exception) -> tuple[str, str]:
        """The code and the words of an error; of one that nobody expected, the log has them."""
        if isinstance(error, StagegateError):
            return _CODES.get(error.status, "INTERNAL"), str(error)
        if isinstance(error, self._unavailable):
            _log.warning("database away", verb=verb, error=str(error).partition("\n")[0])
            return "UNAVAILABLE", "The database cannot be used just now; try again shortly."
        incident = uuid.uuid4().hex[:12]
        _log.error("request failed", incident=incident, verb=verb, exc_info=error)
        said = f"something went wrong here; the service's log has it as incident {incident}"
        return "INTERNAL", said

    async def _ServerLive(self, _: Any, __: Request) -> dict[str, Any]:  # noqa: N802 - its name
        return {"live": True}

    async def _ServerReady(self, _: Any, __: Request) -> dict[str, Any]:  # noqa: N802
        return {"ready": self._inference.is_ready()}

    async def _ServerMetadata(self, _: Any, __: Request) -> dict[str, Any]:  # noqa: N802
        return self._inference.server()

    async def _ModelReady(self, asked: Any, _: Request) -> dict[str, Any]:  # noqa: N802
        named = checked_name(asked.name), _number(asked.version)
        return {"ready": await asyncio.to_thread(self._inference.is_routed, *named)}

    async def _ModelMetadata(self, asked: Any, _: Request) -> dict[str, Any]:  # noqa: N802
        named = checked_name(asked.name), _number(asked.version)
        return await asyncio.to_thread(self._inference.metadata, *named)

    async def _ModelInfer(self, asked: Any, request: Request) -> dict[str, Any]:  # noqa: N802
        images, wanted = _images(asked), [one.name for one in asked.outputs]
        unknown = [name for name in wanted if name not in OUTPUTS]
        if unknown:
            raise Invalid(f"outputs: there is no {unknown[0]!r}; there are {', '.join(OUTPUTS)}")
        version = _number(asked.model_version)
        model = checked_name(asked.model_name)
        said, outputs = await self._inference.infer(request, model, version, images)
        return {**said, "id": asked.id, **_written(outputs, wanted)}


def _request(metadata: Any) -> Request:
    """The metadata of a call as the headers of a request, which the rest of serving reads."""
    headers = [
        (name.encode(), value if isinstance(value, bytes) else value.encode("latin-1", "replace"))
        for name, value in metadata or ()
    ]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers})


def _number(version: str) -> int | None:
    if not version:
        return None
    if not (version.isascii() and version.isdigit() and 0 < int(version[:12]) < 2**31):
        raise Invalid(f"version: a number is expected, not {version[:64]!r}")
    return int(version[:12])


def _images(asked: Any) -> tuple[bytes, ...]:
    """The images of a request, from raw contents or from those of its tensor."""
    names = ", ".join(repr(one.name) for one in asked.inputs) or "none"
    if len(asked.inputs) != 1 or asked.inputs[0].name != IMAGE:
        raise Invalid(f"inputs: one tensor named {IMAGE!r} is expected, not {names}")
    tensor, raw = asked.inputs[0], asked.raw_input_contents
    if tensor.datatype != "BYTES":
        raise Invalid(f"{IMAGE}: the datatype is BYTES, not {tensor.datatype!r}")
    if len(raw) > 1:
        raise Invalid(f"raw_input_contents: one tensor has one part, not {len(raw)}")
    images = tuple(elements(raw[0]) if raw else tensor.contents.bytes_contents)
    shape = list(tensor.shape)
    if shape not in ([len(images)], [len(images), 1]) or not 0 < len(images) <= ROWS_AT_MOST:
        raise Invalid(
            f"{IMAGE}: the shape is [n] with n from 1 to {ROWS_AT_MOST}; it is {shape}, and the "
            f"data hold {len(images)}"
        )
    return images


def _written(outputs: Sequence[Tensor], wanted: Sequence[str]) -> dict[str, Any]:
    given = [one for one in outputs if not wanted or one.name in wanted]
    return {
        "outputs": [one.document() for one in given],
        "raw_output_contents": [one.binary() for one in given],
    }
