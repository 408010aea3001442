"""`stagegate key`: with what programs act as people."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from console.cli.groups import Group
from console.cli.session import session, table
from registry.domain.errors import Invalid
from registry.domain.people import Role

key_app = typer.Typer(
    cls=Group,
    help="Keys with which programs act as people, in the header `Authorization: Bearer KEY`.",
    no_args_is_help=True,
)

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


@key_app.command("list")
def list_(context: typer.Context) -> None:
    """List the keys by their first characters."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/keys")
    here.show(found, lambda: _keys(found["keys"]))


@key_app.command()
def create(
    context: typer.Context,
    person: Annotated[str, typer.Argument(help="Whose key it is: the name that acts.")],
    role: Annotated[
        Role | None, typer.Option(help="What it may do at most; the person's role if not given.")
    ] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="After how long it ends: 90d or 12h; never if not given.")
    ] = None,
) -> None:
    """Make a key and print it; it is nowhere to be had afterwards."""
    here = session(context)
    end = datetime.now(UTC) + _length(expires) if expires else None
    body = {
        "person": person,
        "role": role.value if role else None,
        "label": label,
        "expires_at": end.isoformat() if end else None,
    }
    with here.client() as client:
        found = client.post("/v1/keys", body)
    # The key alone goes to standard output, so that a script can take it from there.
    typer.echo(_told(found), err=True)
    here.show(found, lambda: str(found["key"]))


@key_app.command()
def revoke(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(help="First characters of the key, as `list` prints.")],
) -> None:
    """End a key at once."""
    here = session(context)
    with here.client() as client:
        found = client.post(f"/v1/keys/{quote(prefix, safe='')}:revoke")
    here.show(found, lambda: f"{found['prefix']} of {found['person']} works no more.")


def _length(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([hd])", text)
    if not match or int(match[1]) == 0:
        raise Invalid(f"{text!r} is no time that a key can last; write 90d or 12h")
    return int(match[1]) * _UNITS[match[2]]


def _told(key: dict[str, Any]) -> str:
    end = f"until {key['expires_at'][:10]}" if key["expires_at"] else "until it is revoked"
    return (
        f"A key of {key['person']} as {key['role']}, {end}. Keep it: it is shown this once. "
        "Programs use it in STAGEGATE_API_KEY."
    )


def _keys(keys: list[dict[str, Any]]) -> str:
    if not keys:
        return "No key yet; `stagegate key create PERSON` makes one."
    rows: list[tuple[object, ...]] = [
        (
            one["prefix"], one["person"], one["role"], one["label"] or None,
            (one["used_at"] or "never")[:10], _state(one),
        )
        for one in keys
    ]  # fmt: skip
    return table(("key", "person", "role", "for", "used", "state"), rows)


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at'][:10]}"
    if not key["expires_at"]:
        return "works"
    over = datetime.fromisoformat(key["expires_at"]) <= datetime.now(UTC)
    return f"{'expired' if over else 'until'} {key['expires_at'][:10]}"
