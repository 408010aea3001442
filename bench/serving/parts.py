"""`python -m bench.serving.parts [--cache DIR]`: what a request's parts take, in one process.

The graph alone in ONNX Runtime, one thread; the transforms; the out-of-domain scores; the live
window. Means, and what a server could reach at the most.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from bench.serving.alone import Runner, bundle_in
from bench.serving.bodies import examples
from bench.serving.make_models import main as make_models
from bench.serving.ours import prepared
from monitoring.adapters.reference_files import load_reference
from monitoring.domain.reference import Reference
from monitoring.services.live_window import WindowRecorder

_SECONDS = 2.0
_BATCHES = {"w1": (1, 32), "w2": (1, 32), "w3": (1, 8)}


def main() -> None:
    """Print a table."""
    reads = argparse.ArgumentParser(description=__doc__)
    reads.add_argument("--workloads", nargs="+", default=["w1", "w2", "w3"])
    reads.add_argument("--cache", type=Path, default=Path("build/bench"))
    options = reads.parse_args()
    make_models(options.cache / "models")
    print("| | batch | graph ms | graph alone, inputs/s | + transforms | scores ms | window ms |")
    print("|-|-|-|-|-|-|-|")
    for workload in options.workloads:
        _table(workload, prepared(options.cache.absolute(), workload))


def _table(workload: str, home: Path) -> None:
    folder = bundle_in(home)
    runner, reference = Runner(folder), load_reference(folder)
    bodies = examples(workload)
    if workload == "w1":
        bodies = [msgspec.json.encode(msgspec.json.decode(body)) for body in bodies]
    for size in _BATCHES[workload]:
        print(f"| {workload.upper()} | {size} |{_row(runner, reference, bodies[:size])}")


def _row(runner: Runner, reference: Reference, bodies: Sequence[bytes]) -> str:
    recorder = WindowRecorder(reference, "bench", 1, "bench")
    scorer, now, size = reference.scorer, datetime.now(UTC), len(bodies)
    assert scorer is not None  # noqa: S101 - our own homes are registered with calibration data
    batch = np.stack([runner.prepare(body) for body in bodies])
    observations, _ = runner.run(batch)
    scored = scorer.score(observations)
    graph = _mean(lambda: runner.run(batch))
    ready = _mean(lambda: [runner.prepare(body) for body in bodies])
    scores = _mean(lambda: scorer.score(observations))
    window = _mean(lambda: recorder.observe(observations, scored, now))
    return (
        f" {1000 * graph:.3f} | {size / graph:,.0f} | {size / (graph + ready):,.0f} |"
        f" {1000 * scores:.3f} ({scores / graph:.1%}) | {1000 * window:.3f} |"
    )


def _mean(work: Callable[[], object]) -> float:
    """Seconds of one call; some gather what others then do."""
    began, calls = time.perf_counter(), 0
    while time.perf_counter() < began + _SECONDS:
        work()
        calls += 1
    return (time.perf_counter() - began) / calls


if __name__ == "__main__":
    main()
