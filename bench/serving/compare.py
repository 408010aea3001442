"""`python -m bench.serving.compare [--seconds S] [--rounds R] [--cache DIR]`: all side by side.

Each round starts each server anew on core 0 and presses it from core 1 at every concurrency, one
server after the other, so that what else the machine does falls on all alike. Medians over the
rounds, and the processor time of each request, which says the same with less noise.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.serving.make_models import main as make_models
from bench.serving.servers import SERVERS, Missing, Server, busy_seconds, memory, running

_PORT = 18_700
_Key = tuple[str, str, int]


def main() -> None:
    """Run everything and print the tables."""
    options = _options()
    make_models(options.cache / "models")
    seen: dict[_Key, list[dict[str, Any]]] = defaultdict(list)
    absent: dict[str, str] = {}
    wanted = options.servers
    for round_ in range(options.rounds):
        for workload in options.workloads:
            for server in SERVERS:
                if server.name not in absent and (wanted is None or server.name in wanted):
                    _one(server, workload, options, round_, seen, absent)
    _write(seen, absent, options)


def _options() -> argparse.Namespace:
    reads = argparse.ArgumentParser(description=__doc__)
    reads.add_argument("--seconds", type=float, default=3.0)
    reads.add_argument("--rounds", type=int, default=3)
    reads.add_argument("--workloads", nargs="+", default=["w1", "w2", "w3"])
    reads.add_argument("--callers", nargs="+", type=int, default=[1, 8, 64])
    reads.add_argument("--servers", nargs="+", help="only these, by their names")
    reads.add_argument("--cache", type=Path, default=Path("build/bench"))
    found = reads.parse_args()
    found.cache = found.cache.absolute()
    return found


def _one(
    server: Server,
    workload: str,
    options: argparse.Namespace,
    round_: int,
    seen: dict[_Key, list[dict[str, Any]]],
    absent: dict[str, str],
) -> None:
    try:
        with running(server, options.cache, workload, _PORT, "0") as up:
            for callers in options.callers:
                before = busy_seconds(up.pid)
                found = press(up.url, workload, callers, options.seconds, server.form)
                used = busy_seconds(up.pid) - before
                found |= {
                    "cpu_ms": 1000 * used / max(1, found["requests"]),
                    "memory": memory(up.pid),
                    "start": up.start_seconds,
                }
                seen[server.name, workload, callers].append(found)
                _say(f"{round_} {server.name} {workload} c={callers}: {json.dumps(found)}")
    except Missing as error:
        absent[server.name] = str(error)
        _say(f"{server.name}: {error}")


def press(url: str, workload: str, callers: int, seconds: float, form: str) -> dict[str, Any]:
    """What the generator found, on core 1; Missing if a request failed."""
    first = str(int.from_bytes(os.urandom(5)))
    words = [url, workload, str(callers), str(seconds), first, form]
    pressed = subprocess.run(
        ["taskset", "-c", "1", sys.executable, "-m", "bench.serving.generator", *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(pressed.stdout)
    if found["bad"]:
        raise Missing(f"{found['bad']} of {found['requests']} failed, first {found['first_bad']}")
    return found


def _write(
    seen: dict[_Key, list[dict[str, Any]]], absent: dict[str, str], options: argparse.Namespace
) -> None:
    _say(f"\n{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for workload in options.workloads:
        _say(f"\n### {workload.upper()}: requests a second (p50 / p99 in ms; processor ms)\n")
        heads = "".join(f" c={callers} |" for callers in options.callers)
        _say(f"| |{heads} memory MB | start s |")
        _say("|-|" + "-|" * (len(options.callers) + 2))
        for server in SERVERS:
            rows = [seen.get((server.name, workload, c), []) for c in options.callers]
            if any(rows):
                cells = "".join(f" {_cell(row)} |" for row in rows)
                last = [one for row in rows for one in row]
                _say(
                    f"| {server.name} |{cells} {_middle(last, 'memory'):.0f} |"
                    f" {_middle(last, 'start'):.1f} |"
                )
    for name, why in absent.items():
        _say(f"\n{name} was not measured: {why}")


def _cell(row: list[dict[str, Any]]) -> str:
    if not row:
        return "-"
    rate, p50, p99, cpu = (_middle(row, name) for name in ("rate", "p50", "p99", "cpu_ms"))
    return f"{rate:,.0f} ({p50:.1f} / {p99:.0f}; {cpu:.2f})"


def _middle(row: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one[name] for one in row)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
