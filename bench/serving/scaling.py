"""`python -m bench.serving.scaling [--workers N ...]`: one worker against several.

All processors are everybody's here, the generator's too: it takes little of W3, so that W3 shows
what workers give; W1 shows what they cost where the generator needs a processor for itself.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from bench.serving.compare import press
from bench.serving.make_models import main as make_models
from bench.serving.servers import OURS, running

_PORT = 18_740


def main() -> None:
    """Print the medians."""
    reads = argparse.ArgumentParser(description=__doc__)
    reads.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    reads.add_argument("--workloads", nargs="+", default=["w1", "w2", "w3"])
    reads.add_argument("--cores", default="0,1")
    reads.add_argument("--seconds", type=float, default=5.0)
    reads.add_argument("--rounds", type=int, default=3)
    reads.add_argument("--callers", type=int, default=64)
    reads.add_argument("--cache", type=Path, default=Path("build/bench"))
    options = reads.parse_args()
    cache = options.cache.absolute()
    make_models(cache / "models")
    seen: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for workload in options.workloads:
            for workers in options.workers:
                server = replace(OURS, workers=workers)
                with running(server, cache, workload, _PORT, options.cores) as up:
                    press(up.url, workload, options.callers, 1.0, "ours")  # all workers are up
                    found = press(up.url, workload, options.callers, options.seconds, "ours")
                seen[workload, workers].append(found["rate"])
    write = sys.stdout.write
    write("| |" + "".join(f" {n} workers |" for n in options.workers) + "\n")
    write("|-|" + "-|" * len(options.workers) + "\n")
    for workload in options.workloads:
        cells = (f" {statistics.median(seen[workload, n]):,.0f} |" for n in options.workers)
        write(f"| {workload.upper()} |{''.join(cells)}\n")


if __name__ == "__main__":
    main()
