"""The command line in a process of its own, as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path


def stagegate(
    home: Path, working: Path, *words: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment, command = call(home, working, *words, **settings)
    return subprocess.run(
        command, cwd=working, env=environment, capture_output=True, text=True, timeout=800
    )


def call(
    home: Path, working: Path, *words: str, **settings: str
) -> tuple[dict[str, str], list[str]]:
    """The environment and the words of a call, for whoever starts it otherwise."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("STAGEGATE", "MLFLOW"))},
        "HOME": str(working),
        "XDG_CACHE_HOME": str(working / "cache"),
        "STAGEGATE_ACTOR": "ada",
    }
    words = ("--home", str(home), "--json", *words)
    return environment | settings, [sys.executable, "-m", "console.cli", *words]
