"""Bodies that were compressed for the way, as clients of the Open Inference Protocol may do."""

import asyncio
import zlib

from registry.domain.errors import Invalid, TooLarge, UnsupportedInput

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


async def unpacked(body: bytes, encoding: str | None, limit: int) -> bytes:
    """The body as it was; TooLarge before it takes more memory than `limit`, Invalid if broken."""
    how = (encoding or "identity").strip().lower()
    if how == "identity":
        return body
    if how not in {"gzip", "deflate"}:
        raise UnsupportedInput(f"Content-Encoding: send gzip, deflate or none, not {how[:64]!r}")
    return await asyncio.to_thread(_unpacked, body, how, limit)


def _unpacked(body: bytes, how: str, limit: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        data = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise Invalid(f"the body is not {how}, as Content-Encoding says: {error}") from error
    if len(data) > limit:
        raise TooLarge(f"The body is larger than the {limit} bytes that are accepted.")
    if not unpacking.eof or unpacking.unused_data:
        raise Invalid(f"the body is not {how} in one whole piece: pack it all at once")
    return data
