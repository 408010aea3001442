"""`stagegate user`: who may log in, and what they may do."""

import secrets
import sys
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from console.cli.groups import Group
from console.cli.session import JsonDocument, session, table
from registry.domain.errors import Invalid
from registry.domain.people import Role, valid_account_name, valid_password

user_app = typer.Typer(
    cls=Group, help="The people who may log in when STAGEGATE_AUTH is on.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Their name, in whatever case.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it, once.")]


@user_app.command("list")
def list_(context: typer.Context) -> None:
    """List everybody."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/people")
    here.show(found, lambda: _people(found["people"]))


@user_app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name that they log in with and act under.")],
    role: Annotated[
        Role,
        typer.Option(
            help="viewer looks; reviewer also predicts and reviews; engineer also changes "
            "rollouts; admin also manages people and keys."
        ),
    ],
    lead: Annotated[
        bool, typer.Option("--lead", help="Settles what reviewers dispute; every admin does.")
    ] = False,
    from_stdin: FromStdin = False,
    generate: Generate = False,
    without: Annotated[
        bool, typer.Option("--no-password", help="They log in elsewhere, or only own keys.")
    ] = False,
) -> None:
    """Add somebody; the password is asked for unless an option says where it comes from."""
    here = session(context)
    name = valid_account_name(name)
    password = None if without else _password(name, from_stdin=from_stdin, generate=generate)
    body = {"name": name, "role": role.value, "lead": lead, "password": password}
    with here.client() as client:
        found = client.post("/v1/people", body)
    _show(context, found, f"{name} is {_roles(found)}.", password if generate else None)


@user_app.command()
def change(
    context: typer.Context,
    name: Name,
    role: Annotated[Role | None, typer.Option(help="Their role from now on.")] = None,
    lead: Annotated[
        bool | None, typer.Option("--lead/--no-lead", help="Whether they are a lead.")
    ] = None,
) -> None:
    """Give somebody another role; it counts from their next request."""
    if role is None and lead is None:
        raise typer.BadParameter("say what changes: --role, --lead or --no-lead")
    body = {"role": role.value if role else None, "lead": lead}
    found = _post(context, name, "change", body)
    _show(context, found, f"{found['name']} is {_roles(found)}.")


@user_app.command("password")
def password_(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Their name; without one, your own password.")
    ] = None,
    from_stdin: FromStdin = False,
    generate: Generate = False,
) -> None:
    """Set somebody's password, or your own after the present one; the sessions end.

    With --password-stdin your own present password is the first line, the new one the second.
    """
    if name is None:
        _own_password(context, from_stdin=from_stdin, generate=generate)
        return
    password = _password(name, from_stdin=from_stdin, generate=generate)
    found = _post(context, name, "password", {"password": password})
    said = f"{found['name']} has a new password, and is logged out everywhere."
    _show(context, found, said, password if generate else None)


@user_app.command()
def disable(context: typer.Context, name: Name) -> None:
    """Shut somebody out at once: sessions end, keys are revoked."""
    found = _post(context, name, "disable")
    _show(context, found, f"{found['name']} is out: no login, no session and no key works.")


@user_app.command()
def enable(context: typer.Context, name: Name) -> None:
    """Let somebody log in again; they need new keys."""
    found = _post(context, name, "enable")
    _show(context, found, f"{found['name']} may log in again, as {_roles(found)}.")


def _own_password(context: typer.Context, *, from_stdin: bool, generate: bool) -> None:
    with session(context).client() as client:
        name = str(client.get("/v1/me")["name"])
        present = _present(from_stdin=from_stdin)
        password = _password(name, from_stdin=from_stdin, generate=generate)
        found = client.post("/v1/me:password", {"present": present, "password": password})
    said = f"{found['name']}, you have a new password, and are logged out everywhere."
    _show(context, found, said, password if generate else None)


def _present(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    _need_terminal()
    return str(typer.prompt("Your present password", hide_input=True))


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise Invalid(
            "there is no terminal to ask for the password; use --password-stdin or --generate"
        )


def _post(
    context: typer.Context, name: str, verb: str, body: Mapping[str, Any] | None = None
) -> JsonDocument:
    with session(context).client() as client:
        found: JsonDocument = client.post(f"/v1/people/{quote(name, safe='')}:{verb}", body)
        return found


def _show(
    context: typer.Context, found: JsonDocument, sentence: str, generated: str | None = None
) -> None:
    """The sentence, and a password that was made here: nobody can look it up again."""
    document = dict(found) | ({"password": generated} if generated else {})
    more = f"\nTheir password, shown this once: {generated}" if generated else ""
    session(context).show(document, lambda: sentence + more)


def _password(name: str, *, from_stdin: bool, generate: bool) -> str:
    if from_stdin and generate:
        raise typer.BadParameter("--password-stdin and --generate exclude each other")
    if generate:
        return secrets.token_urlsafe(18)
    if from_stdin:
        return valid_password(sys.stdin.readline().rstrip("\r\n"), name)
    _need_terminal()
    return valid_password(
        typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True), name
    )


def _people(people: list[dict[str, Any]]) -> str:
    if not people:
        return "Nobody yet; `stagegate user add NAME --role admin` adds the first."
    rows: list[tuple[object, ...]] = [
        (
            one["name"], _roles(one), " and ".join(one["login"]) or "keys only",
            f"disabled {one['disabled_at'][:10]}" if one["disabled_at"] else "may log in",
        )
        for one in people
    ]  # fmt: skip
    return table(("name", "role", "logs in with", "state"), rows)


def _roles(person: JsonDocument) -> str:
    extra = ", lead" if person["lead"] and person["role"] != Role.ADMIN else ""
    return f"{person['role']}{extra}"
