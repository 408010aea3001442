"""The key with which commands on the same home act while its service runs."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from console.caller import login_name
from registry.adapters.private_files import write_private
from registry.domain.people import Identity, Role, is_name

FILE = "owner.key"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever started the service: they hold its files, so they may do everything.

    The key is made at each start and only ever in a file that its owner alone can read.
    """

    identity: Identity
    key: str = field(repr=False)


def new_owner() -> Owner:
    """Whoever runs this process, with a new key."""
    from registry.adapters.tokens import new_api_key

    return Owner(local_owner(), new_api_key())


def local_owner() -> Identity:
    """Whoever runs this process, with the files of the home in their hands."""
    name = login_name()
    return Identity(name if is_name(name) else "owner", Role.ADMIN, lead=True)


def keep(owner: Owner, home: Path) -> None:
    """Leave the key in the home."""
    write_private(home / FILE, json.dumps({"name": owner.identity.name, "key": owner.key}))


def kept_owner(home: Path) -> Owner | None:
    """Whoever started the home's running service, for its own other processes."""
    key = kept_key(home)
    return None if key is None else Owner(local_owner(), key)


def kept_key(home: Path) -> str | None:
    """The key of the home's running service; None if it left none that we may read."""
    try:
        return str(json.loads((home / FILE).read_text())["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
