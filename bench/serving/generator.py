"""A closed loop of C connections, each of which sends its next request when its answer is whole.

`python -m bench.serving.generator URL WORKLOAD CONCURRENCY SECONDS` prints a JSON document. It
reads as little of an answer as it can: its own limit, against a server that only echoes, stands
beside the results.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import uvloop

from bench.serving.bodies import stream
from bench.serving.forms import FORMS

_PATIENCE = 60.0


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(
        self, head: bytes, body: Callable[[], bytes], seen: list[float], bad: list[bytes]
    ) -> None:
        self._head, self._body, self._seen, self._bad = head, body, seen, bad
        self._came = b""
        self._sent_at = 0.0
        self.stopped = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._came = came = self._came + data if self._came else data
        end = came.find(b"\r\n\r\n")
        if end < 0 or not _is_whole(came, end):
            return
        self._came = b""
        self._seen.append(time.perf_counter() - self._sent_at)
        if not came.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            self._bad.append(came[:200])
        if self.stopped:
            self.done.set_result(None)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._bad.append(b"connection lost")
            self.done.set_result(None)

    def _send(self) -> None:
        body = self._body()
        self._sent_at = time.perf_counter()
        # asyncio gives a protocol the type of a transport that may not write
        self._transport.write(self._head % len(body) + body)  # type: ignore[attr-defined]


def _is_whole(came: bytes, end: int) -> bool:
    head = came[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:  # chunked
        return came.endswith(b"0\r\n\r\n")
    stop = head.find(b"\r", at)
    length = int(head[at + 15 : stop if stop > 0 else end])
    return len(came) >= end + 4 + length


async def press(
    url: str, workload: str, concurrency: int, seconds: float, first: int = 0, form: str = "ours"
) -> dict:
    """Requests a second and milliseconds at the middle and the 99th percentile."""
    parts, asked, bodies = urlsplit(url), FORMS[form], stream(workload, first)
    head = (
        f"POST {asked.path.format(workload=workload)} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: {asked.type_of(workload)}\r\n{asked.headers_of(workload)}"
        "Content-Length: %d\r\n\r\n"
    ).encode()

    def body() -> bytes:
        return asked.wrap(workload, bodies())

    seen: list[float] = []
    bad: list[bytes] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    callers = [
        (await loop.create_connection(lambda: Caller(head, body, seen, bad),
                                      parts.hostname, parts.port))[1]
        for _ in range(concurrency)
    ]  # fmt: skip
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.stopped = True
    await asyncio.wait([caller.done for caller in callers], timeout=_PATIENCE)
    took = time.perf_counter() - began
    seen.sort()
    return {
        "rate": len(seen) / took,
        "p50": 1000 * seen[len(seen) // 2] if seen else None,
        "p99": 1000 * seen[int(len(seen) * 0.99)] if seen else None,
        "requests": len(seen),
        "bad": len(bad),
        "first_bad": bad[0].decode("latin-1") if bad else None,
    }


if __name__ == "__main__":
    address, name, callers_wanted, how_long = sys.argv[1:5]
    start = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    envelope = sys.argv[6] if len(sys.argv) > 6 else "ours"
    found = uvloop.run(press(address, name, int(callers_wanted), float(how_long), start, envelope))
    sys.stdout.write(json.dumps(found) + "\n")
