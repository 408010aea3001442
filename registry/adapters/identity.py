"""A name for a home that no other home has, kept in a file there."""

import os
import uuid
from pathlib import Path


def identity(folder: Path) -> str:
    """The name; made when it is first asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "identity"
    if not file.exists():
        mine = folder / f"identity.{uuid.uuid4().hex}"
        mine.write_text(uuid.uuid4().hex)
        try:
            os.link(mine, file)  # fails if another process was first
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return file.read_text()
