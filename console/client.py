"""A client of the HTTP contract: over the network, or to the same app in this process."""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from console.caller import Caller
from console.owner import kept_key, local_owner
from registry.domain.errors import StagegateError, Unavailable

if TYPE_CHECKING:
    import httpx

    from console.settings import Settings

SERVICE_FILE = "service.json"
TIMEOUT_SECONDS = 60.0


class Refused(StagegateError):
    """The service refused the request."""

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        self.problem = dict(problem)
        self.status = status
        self.title = str(problem.get("title") or f"HTTP {status}")
        self.reasons = tuple(str(reason) for reason in problem.get("reasons", ()))
        super().__init__(str(problem.get("detail") or self.title))


class Wire(Protocol):
    """Carries one request to the app and brings its response back."""

    def send(self, method: str, path: str, **request: Any) -> "httpx.Response":
        """Send a request as httpx would; Unavailable if nobody answers."""


class Client:
    """Requests in, documents out; a refusal is raised as `Refused` with its reasons."""

    def __init__(self, wire: Wire, headers: Mapping[str, str]) -> None:
        self._wire = wire
        self._headers = dict(headers)

    def get(self, path: str, timeout: float = TIMEOUT_SECONDS, **params: object) -> Any:
        """The document at a path; None when there is nothing (204)."""
        given = {key: value for key, value in params.items() if value is not None}
        return _document(self.request("GET", path, params=given, timeout=timeout))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The document that answers a JSON body."""
        return _document(self.request("POST", path, json=body or {}))

    def delete(self, path: str) -> Any:
        """The document that answers a removal; None when there is nothing (204)."""
        return _document(self.request("DELETE", path))

    def upload(self, path: str, content: bytes, media_type: str, headers: Mapping[str, str]) -> Any:
        """The document that answers a raw body."""
        sent = {"Content-Type": media_type, **headers}
        return _document(self.request("POST", path, content=content, headers=sent))

    def download(self, path: str) -> bytes:
        """The bytes at a path."""
        return bytes(self.request("GET", path).content)

    def request(self, method: str, path: str, **request: Any) -> "httpx.Response":
        """The response of one request; Refused for a status of 400 and more."""
        request["headers"] = {**self._headers, **request.get("headers", {})}
        response = self._wire.send(method, path, **request)
        if response.status_code >= 400:
            raise Refused(_problem(response), response.status_code)
        return response


@contextmanager
def connect(
    settings: "Settings",
    server: str | None,
    caller: Caller,
    *,
    running: bool = False,
    debug: bool = False,
) -> Iterator[Client]:
    """A client of the server named, of this home's running service, or of the app in process.

    With `running` only a service will do: in process no model is loaded. Without `debug` the app
    in process keeps its log to itself.
    """
    own = None if server else service_url(settings)
    url = server or own
    if running and not url:
        raise Unavailable(
            f"no service runs for {settings.home}; start it with `stagegate up`, or name another "
            "one with --server"
        )
    with ExitStack() as stack:
        wire = _Network(stack, url) if url else _InProcess(stack, settings, caller, debug)
        # The key in this home is for this home's service only, never for another that was named.
        yield Client(wire, caller.headers(kept_key(settings.home) if own else None))


def service_url(settings: "Settings") -> str | None:
    """Where the service of this home listens; None if it is not running."""
    try:
        found = json.loads((settings.home / SERVICE_FILE).read_text())
        os.kill(int(found["pid"]), 0)
        return str(found["url"])
    except PermissionError:  # it runs, as somebody else
        return str(found["url"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


class _Network:
    def __init__(self, stack: ExitStack, url: str) -> None:
        import httpx

        self._url = url
        self._http = stack.enter_context(httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS))

    def send(self, method: str, path: str, **request: Any) -> "httpx.Response":
        import httpx

        try:
            return self._http.request(method, path, **request)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Unavailable(
                f"{self._url} is no address of a service; use http://HOST:PORT"
            ) from error
        except httpx.HTTPError as error:
            raise Unavailable(
                f"{self._url} does not answer ({error}); is the service up? `stagegate up` runs it"
            ) from error


class _InProcess:
    """The application in this process; whoever holds the home's files may do everything in it."""

    def __init__(self, stack: ExitStack, settings: "Settings", caller: Caller, debug: bool) -> None:
        import httpx
        from anyio.from_thread import start_blocking_portal

        from console.app import create_app
        from console.in_process import ActingAs
        from console.migrate import check

        _log_to_stderr(logging.DEBUG if debug else logging.CRITICAL)
        check(settings.database)
        app = create_app(settings)
        self._portal = stack.enter_context(start_blocking_portal())
        lifespan = app.router.lifespan_context(app)
        stack.enter_context(self._portal.wrap_async_context_manager(lifespan))
        known = local_owner() if settings.accounts and caller.key is None else None
        transport = httpx.ASGITransport(app=ActingAs(app, lambda: known))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://in-process")

    def send(self, method: str, path: str, **request: Any) -> "httpx.Response":
        async def ask() -> "httpx.Response":
            return await self._http.request(method, path, **request)

        return self._portal.call(ask)


def _log_to_stderr(level: int) -> None:
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _document(response: "httpx.Response") -> Any:
    return response.json() if response.content else None


def _problem(response: "httpx.Response") -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {"detail": f"HTTP {response.status_code}: {response.text[:200]}"}
    return found if isinstance(found, dict) else {"detail": str(found)}
