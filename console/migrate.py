"""Bringing the database to the revision that this code expects, and checking that it is there."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from registry.adapters.database.engine import Database, normal_url
from registry.domain.errors import StagegateError

if TYPE_CHECKING:
    from alembic.config import Config


class WrongRevision(StagegateError):
    """The database is at another revision than this code; run `stagegate db upgrade`."""

    title = "Wrong database revision"


def upgrade(url: str) -> str:
    """Run every revision that is still missing; gives the revision reached."""
    from alembic import command

    if url.startswith("sqlite:///"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold hashes of passwords
    command.upgrade(_config(url), "head")
    return head()


def downgrade(url: str, revision: str) -> None:
    """Go back to an older revision."""
    from alembic import command

    command.downgrade(_config(url), revision)


def current(url: str) -> str | None:
    """The revision of the database; None if it has never been set up."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return None  # looking must not make a file
    database = Database(url)
    try:
        return _revision(database)
    finally:
        database.close()


@cache
def head() -> str:
    """The revision that this code expects."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory.from_config(_config("sqlite://")).get_current_head()
    if revision is None:
        raise WrongRevision("this installation has no migrations; install stagegate again")
    return revision


def check(url: str) -> None:
    """WrongRevision, with the command that mends it, unless the database is up to date."""
    _judge(current(url))


def check_open(database: Database) -> None:
    """The same of a database that this process has open, through its own connections."""
    _judge(_revision(database))


def _revision(database: Database) -> str | None:
    from alembic.migration import MigrationContext

    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _judge(found: str | None) -> None:
    expected = head()
    if found == expected:
        return
    if found is None:
        raise WrongRevision("the database is empty; run `stagegate db upgrade`")
    known = _known_revisions()
    if found not in known:
        raise WrongRevision(
            f"the database is at revision {found}, which this version does not know: a newer "
            "stagegate has used it; upgrade stagegate, or use another STAGEGATE_DATABASE_URL"
        )
    raise WrongRevision(
        f"the database is at revision {found}, this version needs {expected}; "
        "run `stagegate db upgrade`"
    )


def _known_revisions() -> set[str]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config("sqlite://"))
    return {script.revision for script in scripts.walk_revisions()}


def _config(url: str) -> "Config":
    from alembic.config import Config

    import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = normal_url(url)
    return config
