"""What a program had said when it was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path


def said_until_killed(lines: int, program: Path, *arguments: str) -> list[str]:
    """What a program had said when it was killed, which was after so many lines."""
    root = str(program.parents[1])
    child = subprocess.Popen(
        [sys.executable, str(program), *arguments],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert child.stdout is not None
    with child.stdout:
        said = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    child.wait()
    return said
