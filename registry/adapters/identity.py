"""A name for a home that no other home has, kept in a file there."""

import uuid
from pathlib import Path

from registry.adapters.private_files import keep_private


def identity(folder: Path) -> str:
    """The name; made when it is first asked for."""
    return keep_private(folder / "identity", uuid.uuid4().hex)
