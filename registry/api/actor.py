"""Who is asking: the name that goes into the audit log and on review decisions."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Request

from registry.domain.errors import Forbidden, Unauthenticated
from registry.domain.people import Identity, Role, valid_name

HEADER = "X-Stagegate-Actor"
COOKIE = "stagegate_actor"
# Where authentication leaves the Identity that it found; None when it found nobody.
SCOPE_KEY = "stagegate.identity"


def identity(request: Request) -> Identity:
    """Who was authenticated; where accounts are off, whoever the caller claims to be.

    Without accounts everybody may do everything.
    """
    if SCOPE_KEY not in request.scope:
        return Identity(_claimed(request), Role.ADMIN, lead=True)
    found = request.scope[SCOPE_KEY]
    if not isinstance(found, Identity):
        raise Unauthenticated
    return found


def actor(request: Request) -> str:
    """The name of who is asking."""
    return identity(request).name


def lead(request: Request) -> str:
    """The name of a lead; Forbidden for everybody else."""
    found = identity(request)
    if not found.lead:
        raise Forbidden(
            f"{found.name} is not a lead; an admin can change that with "
            f"`stagegate user change {found.name!r} --lead`"
        )
    return found.name


def _claimed(request: Request) -> str:
    """The name in the header, else in the cookie, else "anonymous"; Invalid if it is odd."""
    return valid_name(
        request.headers.get(HEADER) or unquote(request.cookies.get(COOKIE, "")) or "anonymous"
    )


Who = Annotated[Identity, Depends(identity)]
Actor = Annotated[str, Depends(actor)]
Lead = Annotated[str, Depends(lead)]
