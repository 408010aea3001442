"""Under which names a service that believes everybody may be reached by a browser.

A page of another site can have its own name lead to an address on this machine or in this network
(DNS rebinding), and is then of the same origin as the service. Its Host header still says that
name, which is one with a dot: nobody outside can make other names, or addresses, lead anywhere.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry.domain.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names with a dot that may be used, in lower case."""

    named: frozenset[str] = frozenset()

    def check(self, header: str | None) -> None:
        """Forbidden if a Host header has a name that another site may have made lead here."""
        if header is None or not self._is_foreign(name := _name(header)):
            return
        raise Forbidden(
            f"this service is not known as {name[:253]!r}; if that is its name, set "
            f"STAGEGATE_ALLOWED_HOSTS={name[:253]}"
        )

    def _is_foreign(self, name: str) -> bool:
        if "." not in name.rstrip(".") or name.endswith(".localhost") or name in self.named:
            return False
        return not _is_address(name)


def hosts(*, allowed: Iterable[str], public_url: str = "", listening: str = "") -> Hosts:
    """The names that are set, in any of the settings that have one."""
    names = (*allowed, urlsplit(public_url).hostname or "", listening)
    return Hosts(frozenset(name.lower() for name in names if name))


def _name(header: str) -> str:
    """The name without its port; all of it if it is no name at all."""
    try:
        return (urlsplit(f"//{header}").hostname or header).lower()
    except ValueError:  # half an IPv6 address
        return header.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
