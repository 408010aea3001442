"""`stagegate db`: the revision of the database."""

import typer

from console.cli.groups import Group
from console.cli.session import session

db_app = typer.Typer(
    cls=Group, help="Bring the database to this version's revision.", no_args_is_help=True
)


@db_app.command()
def upgrade(context: typer.Context) -> None:
    """Run the migrations that are still missing."""
    from console.migrate import upgrade as run

    here = session(context)
    reached = run(here.settings().database)
    here.show({"revision": reached}, lambda: f"The database is at revision {reached}.")


@db_app.command()
def current(context: typer.Context) -> None:
    """Print the revision that the database is at."""
    from console.migrate import current as read

    here = session(context)
    found = read(here.settings().database)
    here.show({"revision": found}, lambda: found or "The database has not been set up.")


@db_app.command()
def check(context: typer.Context) -> None:
    """Exit 1 unless the database is at the revision that this version needs."""
    from console.migrate import check as verify
    from console.migrate import head

    here = session(context)
    verify(here.settings().database)
    here.show({"revision": head(), "up_to_date": True}, lambda: "The database is up to date.")
