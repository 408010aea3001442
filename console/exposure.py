"""Whether a service that believes everybody is out of the reach of strangers."""

import ipaddress

from console.settings import Settings
from registry.domain.errors import Invalid


def is_local(host: str) -> bool:
    """Whether only programs on this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name of this machine in some network
        return False


def exposure(settings: Settings) -> str:
    """What everybody who reaches the service may do; empty where accounts are on."""
    if settings.accounts:
        return ""
    place = f"{settings.host}:{settings.port}"
    return f"accounts are off: whoever reaches {place} may do everything, under any name"


def require_decision(settings: Settings) -> None:
    """Invalid if strangers could reach a service whose accounts nobody has decided to leave off."""
    if settings.accounts or is_local(settings.host) or "auth" in settings.model_fields_set:
        return
    raise Invalid(
        f"{exposure(settings)}. Set STAGEGATE_AUTH=on, or STAGEGATE_AUTH=off if something else "
        "keeps strangers out, or listen on 127.0.0.1"
    )
