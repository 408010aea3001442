"""Where the workers of a home keep what they tell each other."""

from pathlib import Path


def workers_folder(home: Path) -> Path:
    """The folder; it may be deleted while no service runs."""
    return home / "workers"
