"""Who is asking: the name that goes into the audit log and on review decisions."""

import re
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Request

from registry.domain.errors import Invalid

HEADER = "X-Stagegate-Actor"
COOKIE = "stagegate_actor"
_NAME = re.compile(r"[\w.@+ -]{1,128}")


def actor(request: Request) -> str:
    """The name in the header, else in the cookie, else "anonymous"; Invalid if it is odd."""
    return valid_name(
        request.headers.get(HEADER) or unquote(request.cookies.get(COOKIE, "")) or "anonymous"
    )


def valid_name(name: str) -> str:
    """The name itself; Invalid if it holds what no name holds."""
    if not _NAME.fullmatch(name):
        raise Invalid(f"a name ({HEADER}) has letters, digits, spaces and . @ + - _, not {name!r}")
    return name


Actor = Annotated[str, Depends(actor)]
