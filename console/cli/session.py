"""What every command shares: the home, where to send requests, and how to print."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from console.client import Client
    from console.settings import Settings
    from registry.domain.people import Role

Colour = Literal["green", "red", "yellow", "cyan", "bright_black"]
JsonDocument = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """The global options of one call of the program."""

    home: Path | None = None
    server: str | None = None
    json: bool = False
    debug: bool = False

    def settings(self, **given: object) -> "Settings":
        """The settings from the environment; `--home` and what is given win over it."""
        from console.settings import load_settings

        return load_settings(home=self.home, **given)

    @contextmanager
    def client(self, *, running: bool = False) -> "Iterator[Client]":
        """A client of `--server`, of this home's running service, or of the app in process.

        With `running` the app in process will not do.
        """
        from console.caller import caller
        from console.client import connect

        found = connect(self.settings(), self.server, caller(), running=running, debug=self.debug)
        with found as client:
            yield client

    def actor(self) -> str:
        """The name for what is done on the home itself, by an engineer if there are accounts.

        Whoever shows a key is its person, also where this shell does not say that accounts are on.
        """
        from console.caller import caller
        from registry.domain.errors import Forbidden
        from registry.domain.people import Role

        who = caller()
        if who.key is not None:
            me = self._holder(who.key, who.name if who.chosen else None)
        elif self.settings().accounts:
            with self.client() as client:
                found = client.get("/v1/me")
            me = (str(found["name"]), Role(found["role"]))
        else:
            return who.name
        name, role = me
        if not role.includes(Role.ENGINEER):
            raise Forbidden(f"this needs the role engineer, and {name} is {role}")
        return name

    def _holder(self, key: str, claimed: str | None) -> "tuple[str, Role]":
        """Whose key of this home it is, and what they may."""
        from console.caller import ACTOR, API_KEY
        from console.migrate import check
        from console.wiring import Wiring
        from registry.domain.errors import Forbidden, Unauthenticated

        settings = self.settings()
        check(settings.database)
        found = Wiring(settings).accounts.of_key(key)
        if found is None:
            raise Unauthenticated(
                f"the key in {API_KEY} is unknown to this home, revoked or expired, or its person "
                "is disabled; ask an admin for a new one, or unset it"
            )
        if claimed not in (None, found.name):
            raise Forbidden(f"the key is {found.name}'s, but {ACTOR} is {claimed!r}; leave it out")
        return found.name, found.role

    def show(self, document: JsonDocument, text: Callable[[], str]) -> None:
        """Print the document for `--json`, else the text made for people."""
        typer.echo(json.dumps(document, indent=2) if self.json else text())


def session(context: typer.Context) -> Session:
    """The global options, from anywhere below the program's root."""
    found = context.find_root().obj
    return found if isinstance(found, Session) else Session()


def paint(text: str, colour: Colour) -> str:
    """The text in a colour on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=colour)


def table(headers: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """Columns under their headers, as wide as their longest cell."""
    cells = [headers, *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([paint(lines[0], "bright_black"), *lines[1:]])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
