"""Running the service: database checked, models warmed, address announced, then answering."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from socket import socket
from types import FrameType

import structlog
import uvicorn

from console.accounts import admins
from console.app import create_app
from console.client import SERVICE_FILE, service_url
from console.exposure import exposure, is_local, require_decision
from console.migrate import check, current, upgrade
from console.owner import FILE as OWNER_FILE
from console.owner import Owner, keep, new_owner
from console.patient_protocol import PatientProtocol
from console.settings import Settings
from registry.domain.errors import Conflict

DRAIN_SECONDS = 10


def run(settings: Settings) -> None:
    """Serve until a signal ends it, answering what was admitted before.

    Raises WrongRevision when the database does not fit, Conflict when this home is served already.
    """
    require_decision(settings)
    running = service_url(settings)
    if running:
        raise Conflict(
            f"this home is already served at {running}; stop that service, or use another --home"
        )
    # Effects that hang are tried again; waiting minutes for one helps nobody.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    configure_logging(settings)
    prepare_database(settings)
    owner = new_owner() if settings.accounts else None
    _warn(settings)
    app = create_app(settings, serve=True, owner=owner)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the application looks at them, if there is a proxy to trust
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    waiting = app.state.wiring.serving.arrivals
    server = _Server(config, settings.home, owner, waiting.close)
    try:
        server.run()
    except SystemExit as error:  # how uvicorn says that it could not start
        raise Conflict(_not_listening(settings)) from error
    if not server.started:
        raise Conflict(_not_listening(settings))


def _warn(settings: Settings) -> None:
    """Say what may be wrong with who can get in."""
    log = structlog.get_logger()
    if not settings.accounts and not is_local(settings.host):
        log.warning(exposure(settings))
    if settings.accounts and not admins(settings):
        log.warning("nobody can log in yet: `stagegate user add NAME --role admin` adds somebody")


def _not_listening(settings: Settings) -> str:
    return (
        f"the service could not listen on {settings.host}:{settings.port}; is the port taken? "
        "The lines above say more; `--port 0` takes a free one"
    )


def prepare_database(settings: Settings) -> None:
    """Make the embedded database of a new home; refuse any other that is at a wrong revision."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold secrets
    url = settings.database
    if url.startswith("sqlite") and current(url) is None:
        upgrade(url)
    check(url)


def configure_logging(settings: Settings) -> None:
    """Structured lines on stderr, for people or as JSON; other libraries' lines join them."""
    level = getattr(logging, settings.log_level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor]
    if settings.log_format == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain: the rich form prints local variables, and with them what callers sent.
        plain = structlog.dev.plain_traceback
        last = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, force=True)


class _Server(uvicorn.Server):
    """Tells the home where it listens while it does, and callers who wait when it stops."""

    def __init__(
        self, config: uvicorn.Config, home: Path, owner: Owner | None, stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._home = home
        self._owner = owner
        self._stopping = stopping

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, then write the address down for the command line."""
        await super().startup(sockets)
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if self._owner:
            keep(self._owner, self._home)
        (self._home / SERVICE_FILE).write_text(json.dumps({"url": url, "pid": os.getpid()}))
        structlog.get_logger().info("serving", url=url, pid=os.getpid())

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take the address away, then drain."""
        for name in (SERVICE_FILE, OWNER_FILE) if self._owner else (SERVICE_FILE,):
            with suppress(FileNotFoundError):
                (self._home / name).unlink()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the first signal and, unlike uvicorn, end with status 0 afterwards."""
        super().handle_exit(sig, frame)
        self._stopping()
        self._captured_signals = [s for s in self._captured_signals if s != signal.SIGTERM]
