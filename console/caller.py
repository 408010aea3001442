"""Who sends the requests of the command line, and how they show it."""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.api.actor import HEADER
from registry.domain.errors import Invalid

ACTOR = "STAGEGATE_ACTOR"
API_KEY = "STAGEGATE_API_KEY"


@dataclass(frozen=True, slots=True)
class Caller:
    """The name of somebody, whether they chose it, and the key that they hold, if any."""

    name: str
    chosen: bool = False
    key: str | None = field(default=None, repr=False)

    def headers(self, key: str | None = None) -> Mapping[str, str]:
        """What each request says; with a key the service knows the name without being told.

        A name that was chosen goes along nevertheless: the service refuses it if it is not the
        key's, rather than that somebody acts under another name than they think.
        """
        key = self.key or key
        claim = {HEADER: self.name} if self.chosen or key is None else {}
        return claim if key is None else {"Authorization": f"Bearer {key}", **claim}


def caller() -> Caller:
    """Who runs this program: STAGEGATE_ACTOR or their login name, and STAGEGATE_API_KEY."""
    chosen = os.environ.get(ACTOR)
    return Caller(chosen or login_name(), bool(chosen), _key())


def login_name() -> str:
    """The name under which this process runs."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "anonymous"


def _key() -> str | None:
    key = os.environ.get(API_KEY, "").strip()
    if key and not (key.startswith("sgk_") and key.isascii() and key.isprintable()):
        raise Invalid(f"{API_KEY} holds no key: a key begins with sgk_ and has no spaces in it")
    return key or None
