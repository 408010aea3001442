"""What a home says of its running service: where it listens, and the key of whoever started it."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from console.client import SERVICE_FILE
from console.owner import FILE as OWNER_FILE
from console.owner import Owner, keep
from console.settings import Settings
from registry.domain.errors import Conflict


@dataclass(frozen=True, slots=True)
class Announcement:
    """Made and taken back by the process that the service's id names."""

    home: Path
    owner: Owner | None

    def leave_key(self) -> None:
        """Let commands on this home act as its owner, if there are accounts."""
        if self.owner:
            keep(self.owner, self.home)

    def announce(self, url: str, **said: object) -> None:
        """Write the address down for the command line."""
        (self.home / SERVICE_FILE).write_text(json.dumps({"url": url, "pid": os.getpid()}))
        structlog.get_logger().info("serving", url=url, pid=os.getpid(), **said)

    def withdraw(self) -> None:
        """Take back what was announced, and the key."""
        for name in (SERVICE_FILE, OWNER_FILE) if self.owner else (SERVICE_FILE,):
            with suppress(FileNotFoundError):
                (self.home / name).unlink()


def url_of(address: Sequence[object]) -> str:
    """The URL of a socket, by its own name."""
    host, port = str(address[0]), address[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def not_listening(settings: Settings) -> Conflict:
    """Why there is nothing to announce."""
    return Conflict(
        f"the service could not listen on {settings.host}:{settings.port}; is the port taken? "
        "The lines above say more; `--port 0` takes a free one"
    )
