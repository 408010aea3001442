"""Running the service: database checked, then one process that answers, or several workers."""

import logging
import os
import sys

import structlog

from console.accounts import admins
from console.announcement import Announcement, not_listening
from console.client import service_url
from console.exposure import exposure, is_local, require_decision
from console.memory import limit_memory
from console.migrate import check, current, upgrade
from console.owner import new_owner
from console.request_id import with_name
from console.settings import Settings
from registry.domain.errors import Conflict


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
    _warn(settings)
    announcement = Announcement(settings.home, new_owner() if settings.accounts else None)
    if settings.engine == "ray":
        from console.ray_service import serve_by_ray

        serve_by_ray(settings, announcement)
    elif settings.workers > 1:
        from console.supervisor import supervise

        supervise(settings, announcement)
    else:
        _answer_alone(settings, announcement)


def _answer_alone(settings: Settings, announcement: Announcement) -> None:
    from console.answering import SoleServer

    def listening(url: str) -> None:
        announcement.leave_key()
        announcement.announce(url)

    limit_memory(settings.memory_bytes, 1)
    server = SoleServer(settings, announcement.owner, listening, announcement.withdraw)
    try:
        server.run()
    except SystemExit as error:  # how uvicorn says that it could not start
        raise not_listening(settings) from error
    if not server.started:
        raise not_listening(settings)


def _warn(settings: Settings) -> None:
    """Say what may be wrong with who can get in."""
    log = structlog.get_logger()
    if not settings.accounts and not is_local(settings.host):
        log.warning(exposure(settings))
    if settings.accounts and not admins(settings):
        log.warning("nobody can log in yet: `stagegate user add NAME --role admin` adds somebody")


def prepare_database(settings: Settings) -> None:
    """Make the embedded database of a new home; refuse any other that is at a wrong revision."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold secrets
    url = settings.database
    if url.startswith("sqlite") and current(url) is None:
        upgrade(url)
    check(url)


def configure_logging(settings: Settings, **said: object) -> None:
    """Structured lines on stderr, for people or as JSON; other libraries' lines join them.

    said: what every line of ours says besides.
    """
    level = getattr(logging, settings.log_level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        with_name,
        lambda _, __, line: {**line, **said},
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
