"""Folders to work in that do not outlive their maker: what a killed one left, the next removes.

A folder is locked while its maker lives, and the kernel takes the lock from whoever dies. So a
folder of ours that nobody has locked is nobody's, however long ago it was made.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder below `parent`, removed at the end unless it was given another name.

    prefix: of its name. It must be ours alone: other folders of this name are taken for those of
    makers who died, and removed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(parent, prefix)
    folder, lock = _made(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def folder_beside(target: Path) -> AbstractContextManager[Path]:
    """A folder on the same disk as one that is still to be made, which may get its name."""
    return scratch_folder(target.parent, f".{target.name}.stagegate-")


def _remove_left_behind(parent: Path, prefix: str) -> None:
    for entry in os.scandir(parent):
        if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
            _remove_if_nobodys(Path(entry.path))


def _remove_if_nobodys(folder: Path) -> None:
    with contextlib.suppress(OSError):  # gone, not ours to open, locked, or no locks here
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """A locked folder; another one if it was taken for nobody's before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):  # a disk without locks: nobody can remove it either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)
