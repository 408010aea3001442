"""`python -m bench.serving.flat [--rows N] [--models N] ...`: does cost grow with what is stored?

W1, which leans on the log the most: with N logged predictions against none, and with N registered
models of which five are loaded against one. The servers take turns within each round. The full
log takes about 900 bytes a row; it is deleted afterwards.
"""

import argparse
import shutil
import sqlite3
import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.serving.compare import press
from bench.serving.make_models import main as make_models
from bench.serving.ours import prepared
from bench.serving.servers import OURS, Server, running

_WORKLOAD, _PORT, _LOADED = "w1", 18_720, 5
_PART = 200_000
# Ids grow with time, as those of version 7 do; answers and numbers differ from row to row.
_FILL = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end)
INSERT INTO prediction (
    id, model, version, stage, reason, attributes, payload_digest, payload_type, status,
    model_answer, answer, decided_by, flags, p_value, threshold, random_number,
    inclusion_probability, request_digest, created_at, final_at, fallback_answer, amended_answer)
SELECT
    printf('00%06x-%04x-7%03x-8%03x-%012x', i >> 16, i & 65535, i % 4096, i % 4093, i * 2654435761),
    :model, 1, 'live', 'no rollout is active, so live version 1 answers', '{}',
    'sha256:' || lower(hex(randomblob(32))), 'application/json', 'final', said, said, 'model', '[]',
    abs(random() % 1000) / 1000.0, 0.01, abs(random() % 1000000) / 1000000.0, 0.0,
    'sha256:' || lower(hex(randomblob(32))), moment, moment, 'null', 'null'
FROM (SELECT i, printf(
        '{"prediction":"label%d","index":%d,"probabilities":{"label0":%.16f,"label1":%.16f,"label2":%.16f}}',
        i % 3, i % 3, i % 997 / 997.0, i % 991 / 991.0, i % 983 / 983.0) AS said,
    strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 days', (i * 2592000.0 / :rows) || ' seconds')
        || '000' AS moment FROM n)
"""


def main() -> None:
    """Print the medians."""
    options = _options()
    make_models(options.cache / "models")
    plain = prepared(options.cache, _WORKLOAD)
    empty, full, many = (options.cache / f"home-{_WORKLOAD}-{x}" for x in ("none", "full", "many"))
    try:
        for home in (empty, full, many):
            _copy(plain, home)
        _fill(full, options.rows)
        _register(many, options.models)
        homes = {
            "no prediction, 1 model": empty,
            f"{options.rows:,} predictions": full,
            f"{options.models} models, {_LOADED} loaded": many,
        }
        _compare(homes, options)
    finally:
        for home in (empty, full, many):
            shutil.rmtree(home, ignore_errors=True)


def _options() -> argparse.Namespace:
    reads = argparse.ArgumentParser(description=__doc__)
    reads.add_argument("--rows", type=int, default=10_000_000)
    reads.add_argument("--models", type=int, default=100)
    reads.add_argument("--seconds", type=float, default=5.0)
    reads.add_argument("--rounds", type=int, default=5)
    reads.add_argument("--callers", nargs="+", type=int, default=[8, 64])
    reads.add_argument("--cache", type=Path, default=Path("build/bench"))
    found = reads.parse_args()
    found.cache = found.cache.absolute()
    return found


def _copy(plain: Path, home: Path) -> None:
    """The home without its inputs and what was logged in it."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(plain, home, ignore=shutil.ignore_patterns("payloads", "*-wal", "*-shm"))
    with sqlite3.connect(home / "stagegate.db") as connection:
        connection.execute("DELETE FROM prediction")


def _fill(home: Path, rows: int) -> None:
    connection = sqlite3.connect(home / "stagegate.db")
    connection.execute("PRAGMA synchronous=OFF")
    for first in range(0, rows, _PART):
        end = min(first + _PART, rows)
        with connection:
            named = {"first": first, "end": end, "rows": rows, "model": _WORKLOAD}
            connection.execute(_FILL, named)
        _say(f"\r{end:,} predictions")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    _say(f"\nthe database has {(home / 'stagegate.db').stat().st_size / 1e9:.1f} GB\n")


def _register(home: Path, models: int) -> None:
    """More models of the same bundle; the first few of them live, too."""
    connection = sqlite3.connect(home / "stagegate.db")
    with connection:
        for number in range(1, models):
            name = f"model{number}"
            _again(connection, "model_version", name)
            if number < _LOADED:
                _again(connection, "live_version", name)
        connection.execute("UPDATE routing_clock SET value = value + 1")
    connection.close()


def _again(connection: sqlite3.Connection, table: str, name: str) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")][1:]
    listed = ", ".join(columns)
    connection.execute(
        f"INSERT INTO {table} (model, {listed}) SELECT ?, {listed} FROM {table} WHERE model = ?",  # noqa: S608
        (name, _WORKLOAD),
    )


def _compare(homes: dict[str, Path], options: argparse.Namespace) -> None:
    seen: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, home in homes.items():
            server: Server = replace(OURS, home=str(home))
            with running(server, options.cache, _WORKLOAD, _PORT, "0") as up:
                for callers in options.callers:
                    found = press(up.url, _WORKLOAD, callers, options.seconds, "ours")
                    seen[name, callers].append(found)
    _say("| |" + "".join(f" c={c}: requests/s (p99 ms) |" for c in options.callers))
    _say("\n|-|" + "-|" * len(options.callers) + "\n")
    for name in homes:
        cells = (
            f" {_middle(seen[name, c], 'rate'):,.0f} ({_middle(seen[name, c], 'p99'):.0f}) |"
            for c in options.callers
        )
        _say(f"| {name} |{''.join(cells)}\n")


def _middle(row: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one[name] for one in row)


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
