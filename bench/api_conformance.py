"""Whether the running service keeps to its OpenAPI document, as schemathesis sees it.

    python -m bench.api_conformance [--examples 100] [--seed 1]

Starts a service on a database of its own with a small real model in manual review, and runs every
phase and check of schemathesis against it, as `schemathesis.toml` says. Exits as schemathesis does.
"""

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import colours
from service_process import running

from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork

CONFIG = Path(__file__).parents[1] / "schemathesis.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/test.db"
        register(url, Path(folder))
        with running(Path(folder) / "home", url) as service:
            done = subprocess.run(command(str(service.http.base_url), args), check=False)
    sys.exit(done.returncode)


def command(url: str, args: argparse.Namespace) -> list[str]:
    """The call of schemathesis."""
    return [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG),
        "run", f"{url}/openapi.json", "--seed", str(args.seed),
        "--max-examples", str(args.examples), "--phases", "coverage,fuzzing,stateful",
    ]  # fmt: skip


def register(url: str, folder: Path) -> None:
    """Two versions of a model that tells colours; the first is live."""
    upgrade(url)
    database, now = Database(url), datetime.now(UTC)
    colours.record_versions(database, colours.make_bundle(folder, now), now)
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("colours", 1, None, now)
        unit.routing_clock.tick()
    database.close()


if __name__ == "__main__":
    main()
