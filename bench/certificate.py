"""What a promotion and its certificate cost after many answers: time, memory, and who waits.

    python -m bench.certificate [--answers 1000000] [--share 0.1] [--seed 0]
        [--stage manual-review|gradual]

On SQLite. The promotion is judged on a snapshot and then written; what others wait for is the time
of the second. In gradual every answer is an exposure, too, and after the promotion a hundredth as
many wrong answers come and take the version back: the certificate holds both. Each step runs in a
process of its own, whose largest size is printed.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from bench.exposures import fill
from bench.gate_evaluation import NOW, a_rollout, answers, fresh
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import evidence
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.certificate import sent
from registry.documents.certificate_reading import read_certificate
from registry.domain.evidence import Verdict
from registry.domain.stages import Stage
from registry.services.certify import certify
from registry.services.find import latest
from registry.services.judge import GateMemory
from registry.services.promote import prepare, promote
from registry.services.tick import intent, tick

PLANS = {
    "manual-review": """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
segments: [site, camera]
stages:
- stage: manual-review
  review: {sample: 0.1, due: 24h}
  gates: [{type: error-rate, at_most: 0.05, per_segment: true}]
  deadline: {after: 300d, then: hold}
- stage: live
""",
    "gradual": """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
visit: 0s
segments: [site, camera]
stages:
- stage: gradual
  steps: [{weight: 25}, {weight: 50}]
  review: {sample: 0.1, due: 24h}
  gates:
  - {type: error-rate, at_most: 0.05, per_segment: true}
  - {type: failures}
  - {type: latency, p99_ratio_at_most: 1.5}
  - {type: split}
- stage: live
""",
}
AFTER = NOW + timedelta(days=200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=list(PLANS), default="manual-review")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url, file = f"sqlite:///{folder}/bench.db", Path(folder) / "certificate.json"
        _alone(_fill, url, args)
        print(f"{args.answers:,} answers, {args.share:.0%} of them reviewed", flush=True)
        harm = (_take_back,) if args.stage == "gradual" else ()
        for step in (_promote, *harm, _certify, _verify):
            _alone(step, url, file)


def _alone(step: Callable[..., None], *arguments: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=step, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{step.__name__} ended with {process.exitcode}")


def _fill(url: str, args: argparse.Namespace) -> None:
    upgrade(url)
    database = Database(url)
    rollout, rng = a_rollout(database, PLANS[args.stage]), np.random.default_rng(args.seed)
    stream = answers(rollout, args.answers, args.share, rng)
    with database.begin() as connection:
        while rows := list(islice(stream, 20_000)):
            connection.execute(sa.insert(evidence), rows)
    if args.stage == "gradual":
        fill(database, args.answers, rng, rollout.id, AFTER - timedelta(days=1))
    database.close()


def _promote(url: str, _: Path) -> None:
    database, began = Database(url), time.perf_counter()
    with database.read() as connection:
        unit = SqlUnitOfWork(connection)
        prepared = prepare(unit, latest(unit, "bears"), AFTER)
    judged = time.perf_counter()
    with database.begin() as connection:
        unit, why = SqlUnitOfWork(connection), {"override": True, "reason": "a bench"}
        promote(unit, "bears", "bob", AFTER, seen=prepared, **why)
    _say("promote", began, f", of which others waited {time.perf_counter() - judged:.3f} s")
    database.close()


def _take_back(url: str, _: Path) -> None:
    database, memory = Database(url), GateMemory()
    with database.read() as connection:
        unit = SqlUnitOfWork(connection)
        rollout = latest(unit, "bears")
        intent(unit, rollout, AFTER, memory)  # as a controller does all the time
    wrong = [replace(one, verdict=Verdict.ERROR, sampled=True) for one in fresh(rollout, 0, AFTER)]
    with database.begin() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(evidence)).scalar_one()
        SqlUnitOfWork(connection).evidence.add(wrong * (rows // 2_000))
    began = time.perf_counter()
    with database.read() as connection:
        seen = intent(SqlUnitOfWork(connection), rollout, AFTER, memory)
    judged = time.perf_counter()
    with database.begin() as connection:
        taken = tick(SqlUnitOfWork(connection), "bears", AFTER, seen)
    if taken is None or taken.stage is not Stage.ROLLED_BACK:
        raise SystemExit("it was not taken back")
    _say("take back", began, f", of which others waited {time.perf_counter() - judged:.3f} s")
    database.close()


def _certify(url: str, file: Path) -> None:
    database, began = Database(url), time.perf_counter()
    with tempfile.TemporaryFile() as written, file.open("wb") as out:
        with database.read() as connection:
            certify(SqlUnitOfWork(connection), "bears", written)
        out.writelines(sent(written)[1])
    _say("certify", began, f", {file.stat().st_size / 1e6:.0f} MB")
    database.close()


def _verify(_: str, file: Path) -> None:
    began = time.perf_counter()
    with file.open("rb") as content:
        read_certificate(content)
    _say("verify", began, "")


def _say(step: str, began: float, more: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = time.perf_counter() - began
    print(f"{step}: {took:.1f} s{more}, {peak:.0f} MB at most", flush=True)


if __name__ == "__main__":
    main()
