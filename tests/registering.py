"""The command line in a process of its own, as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path


def stagegate(home: Path, working: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("STAGEGATE", "MLFLOW"))},
        "HOME": str(working),
        "XDG_CACHE_HOME": str(working / "cache"),
        "STAGEGATE_ACTOR": "ada",
    }
    return subprocess.run(
        [sys.executable, "-m", "console.cli", "--home", str(home), "--json", *words],
        cwd=working,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
    )
