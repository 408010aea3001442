"""A throw-away PostgreSQL server for the tests: started once, one database a test."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
from waiting import eventually

START_SECONDS = 180


def binaries() -> Path | None:
    """Where initdb is: on the PATH, or in the newest version that Debian has installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


# What a server that is thrown away need not do.
_HASTE = " -c autovacuum=off -c fsync=off -c full_page_writes=off -c synchronous_commit=off"


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """A server of its own; yields the URL of its maintenance database.

    It listens on a socket in a new folder and on no port, so nothing else can be in its way.
    `TEST_PG_URL` names a running server to use instead. PostgreSQL refuses to run as root, so as
    root it runs as the user `postgres`. With `durable` it writes to the disk as in production.
    """
    given = os.environ.get("TEST_PG_URL")
    if given:
        yield given
        return
    where = binaries()
    if where is None:
        raise RuntimeError(
            "no PostgreSQL server found: install the package postgresql, or set TEST_PG_URL"
        )
    # Below /tmp whatever TMPDIR says: the name of a socket may have at most 107 letters, and the
    # user `postgres` must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="stagegate-pg-", dir="/tmp") as folder:
        run = _runner(Path(folder))
        data = f"{folder}/data"
        run(where / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--no-locale",
            "-E", "UTF8")  # fmt: skip
        options = f"-k {folder} -c listen_addresses= -c max_connections=200" + (
            "" if durable else _HASTE
        )
        run(where / "pg_ctl", "-D", data, "-w", "-t", START_SECONDS, "-l", f"{folder}/log",
            "-o", options, "start")  # fmt: skip
        try:
            yield f"postgresql://postgres@/postgres?host={quote(folder, safe='')}"
        finally:
            run(where / "pg_ctl", "-D", data, "-m", "immediate", "stop")


@contextmanager
def template(maintenance_url: str, fill: Callable[[str], object]) -> Iterator[str]:
    """A database that `fill` has filled and nobody can enter; yields its name, to be copied."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        fill(_beside(maintenance_url, name))
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        # What `fill` closed may take a moment to leave, and a database in use cannot be copied.
        inside = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        assert eventually(lambda: connection.execute(inside, [name]).fetchone() is None)
    try:
        yield name
    finally:
        _drop(maintenance_url, name)


@contextmanager
def database(maintenance_url: str, copied: str = "template1") -> Iterator[str]:
    """A fresh database, a copy of this one; yields its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        # Since 15 the default writes the copy to the log, page by page, which takes longer.
        fast = "STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copied}" {fast}')
    try:
        yield _beside(maintenance_url, name)
    finally:
        _drop(maintenance_url, name)


def _beside(maintenance_url: str, name: str) -> str:
    return urlsplit(maintenance_url)._replace(path=f"/{name}").geturl()


def _drop(maintenance_url: str, name: str) -> None:
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _runner(folder: Path) -> Callable[..., None]:
    prefix: list[str] = []
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        prefix = ["runuser", "-u", "postgres", "--"]

    def run(*command: object) -> None:
        words = [*prefix, *map(str, command)]
        with (folder / "said").open("wb") as said:
            done = subprocess.run(
                words, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                timeout=START_SECONDS + 20, check=False,
            )  # fmt: skip
        if done.returncode:
            logs = [path for path in (folder / "said", folder / "log") if path.exists()]
            tail = "\n".join(path.read_text(errors="replace")[-2000:] for path in logs)
            raise RuntimeError(f"{words} ended with {done.returncode}:\n{tail}")

    return run
