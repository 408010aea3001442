"""Secrets in files of the home that only their owner reads."""

import os
import uuid
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write a file anew, readable by its owner only, whole at every moment."""
    mine = _draft(file, text)
    mine.replace(file)


def keep_private(file: Path, text: str) -> str:
    """Write a file unless it is there; gives what it holds, whoever was first."""
    if not file.exists():
        mine = _draft(file, text)
        try:
            os.link(mine, file)  # fails if another process was first
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return file.read_text()


def _draft(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    return mine
