"""A process that comes back goes on under its name; a second one beside it has another."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from console.replica import FILE, Replica

ROOT = Path(__file__).parents[3]
CHILD = """
import sys, threading
from pathlib import Path
from console.replica import Replica
print(Replica(Path(sys.argv[1])).name, flush=True)
threading.Event().wait()
"""


def test_whoever_comes_back_after_a_kill_has_the_name_of_the_dead(tmp_path: Path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    with child.stdout:
        name = child.stdout.readline().strip()
        beside = Replica(tmp_path)
        assert beside.name != name, "two that live must not act for each other"
        beside.leave()
        child.send_signal(signal.SIGKILL)
        child.wait()
    heir = Replica(tmp_path)
    assert (heir.name, len(name)) == (name, 32)
    heir.leave()


def test_a_file_that_was_cut_short_is_written_anew(tmp_path: Path):
    (tmp_path / FILE).write_text("half")
    first = Replica(tmp_path)
    first.leave()
    again = Replica(tmp_path)
    assert first.name == again.name == (tmp_path / FILE).read_text()
    again.leave()


def test_each_worker_of_a_home_has_a_name_and_keeps_it(tmp_path: Path):
    workers = [Replica(tmp_path, number) for number in (None, 1, 2)]
    names = [worker.name for worker in workers]
    for worker in workers:
        worker.leave()
    again = [Replica(tmp_path, number) for number in (None, 1, 2)]
    assert [worker.name for worker in again] == names
    assert len(set(names)) == 3
    for worker in again:
        worker.leave()
