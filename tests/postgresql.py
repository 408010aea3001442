"""A throw-away PostgreSQL server for the tests: started once, one database a test."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


def binaries() -> Path | None:
    """Where initdb is: on the PATH, or in the newest version that Debian has installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@contextmanager
def server() -> Iterator[str]:
    """A server on a free loopback port; yields the URL of its maintenance database.

    `TEST_PG_URL` names a running server to use instead. PostgreSQL refuses to run as root, so as
    root it runs as the user `postgres`.
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
    with tempfile.TemporaryDirectory(prefix="stagegate-pg-", dir="/tmp") as folder:
        run = _runner(Path(folder))
        port = _free_port()
        data = f"{folder}/data"
        run(where / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--no-locale",
            "-E", "UTF8")  # fmt: skip
        options = (
            f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
            " -c full_page_writes=off -c max_connections=200"
        )
        run(where / "pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            run(where / "pg_ctl", "-D", data, "-m", "immediate", "stop")


@contextmanager
def database(maintenance_url: str) -> Iterator[str]:
    """A fresh database of its own; yields its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield maintenance_url.rsplit("/", 1)[0] + "/" + name
    finally:
        with psycopg.connect(maintenance_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _runner(folder: Path):
    prefix: list[str] = []
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        prefix = ["runuser", "-u", "postgres", "--"]

    def run(*command: object) -> None:
        words = [*prefix, *map(str, command)]
        done = subprocess.run(
            words, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{words} ended with {done.returncode}; see {folder}/log")

    return run


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
