"""Numbers for processes of one home, given out by nobody."""

import subprocess
import sys
from pathlib import Path

from console.worker_number import WorkerNumber

HOLD = (
    "import sys; from pathlib import Path; from console.worker_number import WorkerNumber;"
    "held = WorkerNumber(Path(sys.argv[1])); print(held.number, flush=True); sys.stdin.read()"
)


def test_each_living_process_has_its_own_and_a_dead_one_leaves_its(tmp_path: Path):
    home = tmp_path / "home"
    words = [sys.executable, "-c", HOLD, str(home)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe) as other:
        assert other.stdout
        assert other.stdout.readline() == b"1\n"
        mine = WorkerNumber(home)
        assert mine.number == 2
        other.kill()
        other.wait()
        third = WorkerNumber(home)
        assert third.number == 1
    mine.leave()
    third.leave()
    fourth = WorkerNumber(home)
    assert fourth.number == 1
    fourth.leave()
