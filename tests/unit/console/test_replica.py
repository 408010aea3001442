"""Whoever comes back on a home is the heir of the one that died there; nobody shares a name."""

import os
import shutil
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


def test_whoever_comes_back_after_a_kill_is_the_heir_of_the_dead(tmp_path: Path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    with child.stdout:
        name = child.stdout.readline().strip()
        beside = Replica(tmp_path)
        assert beside.name != name, "two that live must not act for each other"
        assert beside.heir_of is None
        beside.leave()
        child.send_signal(signal.SIGKILL)
        child.wait()
    heir = Replica(tmp_path)
    assert (heir.heir_of, len(name)) == (name, 32)
    assert heir.name not in (name, beside.name)
    heir.leave()


def test_a_copied_home_has_a_name_of_its_own(tmp_path: Path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    original = Replica(home)
    shutil.copytree(home, copy)
    cloned = Replica(copy)
    assert cloned.name != original.name
    assert cloned.heir_of == original.name, "it takes over; the original stands down"
    for one in (original, cloned):
        one.leave()
    assert [Replica(place).heir_of for place in (home, copy)] == [original.name, cloned.name]


def test_a_file_that_was_cut_short_is_written_anew(tmp_path: Path):
    (tmp_path / FILE).write_text("half")
    first = Replica(tmp_path)
    first.leave()
    again = Replica(tmp_path)
    assert (first.heir_of, again.heir_of) == (None, first.name)
    assert (tmp_path / FILE).read_text() == again.name
    again.leave()


def test_each_worker_of_a_home_is_the_heir_of_its_own_number(tmp_path: Path):
    workers = [Replica(tmp_path, number) for number in (None, 1, 2)]
    names = [worker.name for worker in workers]
    for worker in workers:
        worker.leave()
    again = [Replica(tmp_path, number) for number in (None, 1, 2)]
    assert [worker.heir_of for worker in again] == names
    assert len({worker.name for worker in (*workers, *again)}) == 6
    for worker in again:
        worker.leave()
