"""Who may call over gRPC, with real accounts and a plain client of gRPC."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from accounts_app import world

from console.grpc_door import GrpcDoor
from registry.domain.people import Role
from serving.api.grpc_messages import SERVICE, messages
from serving.api.grpc_service import GrpcServer

pytestmark = pytest.mark.integration
INFER = {"model_name": "nobody", "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1]}]}
STRANGER: dict[str, str] = {}
FORGED = {"Authorization": "Bearer sgk_forged"}


async def code(channel: Any, verb: str, headers: Mapping[str, str], **fields: Any) -> str:
    known = messages()
    call = channel.unary_unary(
        f"/{SERVICE}/{verb}",
        request_serializer=known[f"{verb}Request"].SerializeToString,
        response_deserializer=known[f"{verb}Response"].FromString,
    )
    metadata = [(name.lower(), value) for name, value in headers.items()]
    try:
        await call(known[f"{verb}Request"](**fields), metadata=metadata)
    except grpc.aio.AioRpcError as refused:
        return refused.code().name
    return "OK"


def test_a_key_opens_over_grpc_what_its_role_may_do_over_http(tmp_path: Path):
    async def knock(wiring: Any, viewer: Mapping[str, str], reviewer: Mapping[str, str]) -> None:
        server = GrpcServer(wiring.serving, GrpcDoor(wiring, None), (ConnectionError,))
        port = await server.start("127.0.0.1:0")
        infer = {**INFER, "raw_input_contents": [b"\1\0\0\0x"]}
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for who in (STRANGER, FORGED, viewer, reviewer):
                assert await code(channel, "ServerLive", who) == "OK"
            for who, look, ask in (
                (STRANGER, "UNAUTHENTICATED", "UNAUTHENTICATED"),
                (FORGED, "UNAUTHENTICATED", "UNAUTHENTICATED"),
                (viewer, "OK", "PERMISSION_DENIED"),
                (reviewer, "OK", "NOT_FOUND"),  # through the door, to a model that is not there
            ):
                assert await code(channel, "ServerMetadata", who) == look
                assert await code(channel, "ModelInfer", who, **infer) == ask
        await server.stop(1)

    with world(tmp_path) as service:
        service.add("vera", Role.VIEWER)
        service.add("rita", Role.REVIEWER)
        keys = service.key("vera"), service.key("rita")
        asyncio.run(knock(service.app.state.wiring, *keys))
