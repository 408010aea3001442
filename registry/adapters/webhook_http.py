"""Sending messages to endpoints: all at once, each within a limit, trusting none of them."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from registry.domain.webhooks import Answer, Delivery, Endpoint, headers

if TYPE_CHECKING:
    import ssl

    import httpx

TIMEOUT_SECONDS = 15.0  # the specification asks for 15 to 30; our queue is ordered, so the shorter


def send_all(
    due: Sequence[tuple[Endpoint, Delivery]],
    now: Callable[[], datetime],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> tuple[Answer, ...]:
    """Post each delivery to its endpoint; what was answered, in the same order.

    Redirects are not followed and bodies are not read: the status says it all, and an endpoint
    that answers for ever costs nothing. Each attempt ends after `timeout_seconds` in all.
    """
    return asyncio.run(_send_all(due, now, timeout_seconds))


async def _send_all(
    due: Sequence[tuple[Endpoint, Delivery]], now: Callable[[], datetime], timeout_seconds: float
) -> tuple[Answer, ...]:
    import httpx

    async with httpx.AsyncClient(
        follow_redirects=False, timeout=timeout_seconds, verify=_trust()
    ) as client:
        sending = (_send(client, *one, now(), timeout_seconds) for one in due)
        return tuple(await asyncio.gather(*sending))


@cache
def _trust() -> "ssl.SSLContext":
    """Whom we believe; to read that anew for every message would take longer than to send it."""
    import httpx

    return httpx.create_ssl_context()


async def _send(
    client: "httpx.AsyncClient",
    endpoint: Endpoint,
    delivery: Delivery,
    now: datetime,
    timeout_seconds: float,
) -> Answer:
    import httpx

    signed = headers(endpoint.secrets(now), delivery.message_id, delivery.body, now)
    content = delivery.body.encode()
    try:
        async with asyncio.timeout(timeout_seconds):
            await _refuse_metadata_addresses(httpx.URL(endpoint.url))
            request = client.stream("POST", endpoint.url, headers=signed, content=content)
            async with request as response:
                return _answer(response)
    except TimeoutError:
        return Answer(None, f"no answer within {timeout_seconds:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # or an odd name
        return Answer(None, str(error)[:300] or type(error).__name__)


async def _refuse_metadata_addresses(url: "httpx.URL") -> None:
    """Link-local addresses serve a cloud's credentials, and never a receiver of webhooks."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    for *_, address in found:
        one = ipaddress.ip_address(str(address[0]).partition("%")[0])
        one = getattr(one, "ipv4_mapped", None) or one  # ::ffff:169.254.169.254 is that address
        if one.is_link_local or one.is_multicast or one.is_unspecified:
            raise OSError(f"{url.host} is at {one}, where no webhook may go")


def _answer(response: "httpx.Response") -> Answer:
    wait = response.headers.get("retry-after", "")
    seconds = int(wait) if wait.isdecimal() and len(wait) < 7 else None
    return Answer(
        response.status_code,
        f"HTTP {response.status_code}",
        None if seconds is None else timedelta(seconds=seconds),
    )
