"""How much memory a process may have, as Linux and containers say it."""

import subprocess
import sys
from pathlib import Path

import pytest

from console import memory


@pytest.mark.parametrize(
    ("container", "processes", "share"),
    [("max", 2, 8 << 30), (str(4 << 30), 2, 2 << 30), (str(1 << 62), 4, 4 << 30)],
)
def test_each_process_has_its_share_of_the_machine_or_container(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    container: str,
    processes: int,
    share: int,
):
    machine, status, limit = (tmp_path / name for name in ("meminfo", "status", "memory.max"))
    machine.write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    status.write_text("VmPeak: 9 kB\nVmData:\t  102400 kB\n")
    limit.write_text(container + "\n")
    monkeypatch.setattr(memory, "_MACHINE", machine)
    monkeypatch.setattr(memory, "_STATUS", status)
    monkeypatch.setattr(memory, "_CONTAINER", (limit, tmp_path / "nowhere"))
    assert memory._share(processes) == share
    assert memory._share(1000) == (100 << 20) + memory.ROOM, "a little more than it has already"
    machine.unlink()
    assert memory._share(1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems limit it otherwise, or not")
def test_beyond_the_limit_memory_is_refused_and_the_process_lives():
    code = (
        "from console.memory import limit_memory\n"
        "assert limit_memory(1 << 30, 1) == 1 << 30\n"
        "try:\n    bytearray(2 << 30)\nexcept MemoryError:\n    print('refused')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "refused\n"
