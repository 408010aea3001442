"""How much memory an export of corrections takes, by how many there are.

    python -m bench.review_export [--items 20000]

Every item is decided and has an image of its own; every thousandth image has been deleted. The
export runs as a process of its own, whose peak is given.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from bench.review_claims import fill
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from serving.adapters.payloads import PayloadStore
from serving.adapters.review_tables import review_item

GONE = 1000  # one in so many
EXPORT = """
import resource, sys
from console.cli.main import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=20_000)
    for items in (200, parser.parse_args().items):
        with tempfile.TemporaryDirectory() as place:
            home = Path(place) / "home"
            _decide(home, items)
            began = time.monotonic()
            said, peak = _export(home, Path(place) / "set")
            print(
                f"{said['rows']:,} corrections, {said['images']:,} images, "
                f"{len(said['deleted'])} deleted: "
                f"{time.monotonic() - began:.0f} s, at most {peak} MB",
                flush=True,
            )


def _decide(home: Path, items: int) -> None:
    home.mkdir()
    url = f"sqlite:///{home}/stagegate.db"
    upgrade(url)
    database, store = Database(url), PayloadStore((home / "payloads").as_uri())
    fill(database, items, 0)
    outcome = {"prediction": "metal", "index": 1, "probabilities": None}
    with database.begin() as connection:
        names = connection.execute(sa.select(review_item.c.id)).scalars().all()
        for number, name in enumerate(names):
            data = b"\x89PNG\r\n\x1a\n" + np.random.default_rng(number).bytes(1000)
            gone = number % GONE == 0
            digest = "sha256:" + sha256(data).hexdigest() if gone else store.put(data)
            new = {"payload_digest": digest, "state": "decided", "outcome": outcome}
            new |= {"source": "single", "decided_at": sa.text("created_at")}
            row = sa.update(review_item).where(review_item.c.id == name)
            connection.execute(row.values(payload_type="image/png", **new))
    database.close()


def _export(home: Path, folder: Path) -> tuple[dict[str, object], int]:
    words = ["--home", str(home), "--json", "review", "export", "waste", "-o", str(folder)]
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, *words], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    return json.loads(done.stdout), int(done.stderr.splitlines()[-1])


if __name__ == "__main__":
    main()
