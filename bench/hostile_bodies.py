"""Whether any body makes the service crash, leak, hang, or store what it did not answer.

    python -m bench.hostile_bodies [--bodies 1000] [--seed 1]

Bodies that mean harm, and random ones, go to each protocol of prediction, with the real decoder of
images behind it. Each has to end as a problem document with a status of 4xx, unless it turns out to
be a picture after all; then it has to be stored once. At the end nothing may be left over: no
request under way, no thread, no open file, no payload that no prediction names.
"""

import argparse
import os
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import serving_app
from serving_fakes import FakeRunner
from starlette.testclient import TestClient
from waiting import eventually

from bench.attacks import ATTACKS, INFER, Attack
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.imaging import ImagePreprocessor
from registry.documents.preprocessing import Preprocessing, Resize
from registry.domain.errors import Invalid
from serving.adapters.archives import hides_archive
from serving.adapters.tables import prediction
from serving.api.parts import Serving

MAX_PIXELS = 1_000_000


@dataclass
class Pictures(FakeRunner):
    """Decodes with the real preprocessor, so that the decoders are what is attacked."""

    decoder: ImagePreprocessor = field(
        default_factory=lambda: ImagePreprocessor(
            Preprocessing(mode="RGB", steps=(Resize(width=1, height=1),)), MAX_PIXELS
        )
    )

    def prepare(self, data: bytes) -> Any:
        if hides_archive(data):  # as serving.adapters.runner has it
            raise Invalid("an archive hides behind the image")
        return np.ones_like(self.decoder.prepare(data))


def assail(client: TestClient, bodies: int, number: int, seen: Counter[str] | None = None) -> None:
    """Send so many attacks; AssertionError names the first that was not refused as it should be."""

    @seed(number)
    @settings(
        max_examples=bodies,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(ATTACKS)
    def one(attack: Attack) -> None:
        answer = client.post(attack.path, content=attack.content, headers=_sendable(attack))
        said = f"{attack.name}: {answer.status_code} {answer.text[:300]}"
        if seen is not None:
            seen[f"{attack.name} {answer.status_code}"] += 1
        if answer.status_code in {200, 202}:
            return
        told = answer.json().get("error" if attack.path == INFER else "detail")
        if not told or not 400 <= answer.status_code < 500:
            raise AssertionError(said)

    one()


def _sendable(attack: Attack) -> Mapping[str, bytes]:
    """Headers as a hostile client would send them, in bytes that are no ASCII either."""
    return {
        name: value.encode("latin-1").translate(None, b"\0\r\n")
        for name, value in attack.headers.items()
    }


@dataclass(frozen=True)
class Holding:
    """What a process has open."""

    threads: frozenset[str]
    files: frozenset[str]

    @classmethod
    def now(cls) -> "Holding":
        """At this moment."""
        files = set()
        for name in Path("/proc/self/fd").iterdir():
            try:
                files.add(os.readlink(name))
            except OSError:  # the one that lists the folder
                continue
        # Pools start their numbered threads when they need them, and have so many at most.
        names = frozenset(t.name.rstrip("0123456789") for t in threading.enumerate())
        return cls(names, frozenset(files))


def left_over(database: Database, payloads: Path) -> frozenset[str]:
    """Payloads that no prediction names, and parts of payloads."""
    with database.read() as connection:
        named = set(connection.execute(sa.select(prediction.c.payload_digest)).scalars())
    stored = {f"sha256:{path.name}" for path in payloads.rglob("*") if path.is_file()}
    return frozenset(stored - named)


def serving_parts(database: Database, payloads: Path) -> Serving:
    """A service whose live version decodes real pictures."""
    serving_app.register(database, None)
    made = serving_app.parts(database, str(payloads), {1: Pictures(), 2: Pictures()})
    return replace(made, draw=lambda: 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/test.db"
        upgrade(url)
        database = Database(url)
        payloads = Path(folder) / "payloads"
        serving = serving_parts(database, payloads)
        with serving_app.client(serving) as client:
            assail(client, 20, args.seed)
            before, size = Holding.now(), _resident()
            assail(client, args.bodies, args.seed, seen)
            eventually(lambda: Holding.now().files <= before.files, 20)
            print("files left open:", len(Holding.now().files - before.files))
            print(f"memory: {size} MB before, {_resident()} MB after")
            print("payloads left over:", len(left_over(database, payloads)))
        database.close()
    for name, count in sorted(seen.items()):
        print(f"{count:6} {name}")
    print(sum(seen.values()), "bodies, none of them the end of anything")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    main()
