"""How soon another process does what the controller did that was killed.

    python -m bench.takeover [--kills 10] [--database sqlite|postgresql|both]

Two services share one database. The one that leads is killed (SIGKILL); what is printed is the time
until the other leads both loops that callers depend on, the one that gives late answers and the one
that takes harm back. Then a new one is started beside it, and the next round begins.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from service_process import running
from waiting import eventually

from bench.review_claims import databases
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import lease

LOOPS = ("controller", "rollouts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    args = parser.parse_args()
    for kind in ["sqlite", "postgresql"] if args.database == "both" else [args.database]:
        with databases(kind) as (url, folder):
            upgrade(url)
            seconds = _kills(url, folder, args.kills)
            print(
                f"{kind}: {len(seconds)} kills, p50 {np.quantile(seconds, 0.5):.2f} s, "
                f"longest {max(seconds):.2f} s until another process led", flush=True,
            )  # fmt: skip


def _kills(url: str, folder: Path, kills: int) -> list[float]:
    database, found = Database(url), []
    with ExitStack() as stack:
        leading = stack.enter_context(running(folder / "home-0", url))
        eventually(lambda: len(_holders(database)) == len(LOOPS))
        for number in range(1, kills + 1):
            other = stack.enter_context(running(folder / f"home-{number}", url))
            before = _holders(database)
            leading.kill()
            died = time.monotonic()
            if not eventually(lambda old=before: not _holders(database) & old, 60):
                raise SystemExit("nobody took over within a minute")
            found.append(time.monotonic() - died)
            leading = other
    database.close()
    return found


def _holders(database: Database) -> set[str]:
    with database.read() as connection:
        rows = connection.execute(sa.select(lease.c.holder).where(lease.c.name.in_(LOOPS)))
        return set(rows.scalars())


if __name__ == "__main__":
    main()
