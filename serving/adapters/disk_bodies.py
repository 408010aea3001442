"""Bodies on a disk: whole under their names, and safe from a crash before anybody hears of them.

Waiting for the disk costs far more than writing. So bodies that come at the same time are written
one after the other and wait once for all, where the system has a call for that. It takes along
what others have just written to the same file system; a few bodies wait by themselves.
"""

import ctypes
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

_ASIDE = ".forgotten"
_TOGETHER_FROM = 4
# Here one call reports errors of what it has written, and waits until that is on the disk.
_SYSTEMS = frozenset({"ext4", "xfs", "btrfs"})
_LINUX = (5, 8)

Body = tuple[str, bytes]
"""A path and what is to be there."""


def keep(path: str, data: bytes) -> None:
    """Write a body, unless it is there; either way it is on the disk afterwards.

    One that is there may be another's, who has not waited for the disk yet.
    """
    there = _opened_whole(path, len(data))
    if there is not None:
        try:
            os.fsync(there)
        finally:
            os.close(there)
        _sync_folder(os.path.dirname(path))
        return
    begun = _partial(path)
    try:
        file = _new_file(begun)
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(file)
        os.replace(begun, path)
        _sync_folder(os.path.dirname(path))
    except BaseException:
        with suppress(OSError):
            os.unlink(begun)
        raise


def keep_together(
    bodies: Sequence[Body], sync_all: Callable[[], None] | None
) -> list[OSError | None]:
    """The same for many: for each, why it could not be written.

    sync_all: waits for all of them; where it fails, each file is asked by itself, since the error
    may be another's.
    """
    if sync_all is None or len(bodies) < _TOGETHER_FROM:
        return [_tried(partial(keep, *body)) for body in bodies]
    begun = [_begun(*body) for body in bodies]
    files = [one for one in begun if isinstance(one, _File)]
    try:
        together = _tried(sync_all) is None
        ended = {one: None if together else _tried(one.sync) for one in files}
        return [ended[one] if isinstance(one, _File) else one for one in begun]
    finally:
        for one in files:
            os.close(one.number)


def syncs_together(folder: str) -> Callable[[], None] | None:
    """What waits for all that was written to a folder's file system from now on, if it can."""
    if sys.platform != "linux" or _kernel() < _LINUX or _system_of(folder) not in _SYSTEMS:
        return None
    call, number = ctypes.CDLL(None, use_errno=True).syncfs, os.open(folder, os.O_RDONLY)

    def sync_all() -> None:
        if call(number):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)

    return sync_all


def forget(path: str, sent_before: float) -> bool:
    """Take the body aside, and only then look when it was last sent.

    Whoever sends it meanwhile either did so before, which is seen here, or finds it gone and writes
    it anew. What a process that died has left aside is judged in the same way.
    """
    aside = path + _ASIDE
    with suppress(FileNotFoundError):
        os.rename(path, aside)
    try:
        if os.stat(aside).st_mtime >= sent_before:
            os.rename(aside, path)
            return False
        os.unlink(aside)
        _sync_folder(os.path.dirname(path))
    except FileNotFoundError:
        return True
    return True


def name_of(path: str) -> str:
    """The name of a body, also while it is taken aside."""
    return path.rsplit("/", 1)[1].removesuffix(_ASIDE)


def is_aside(path: str) -> bool:
    """Whether somebody has taken it aside to delete it."""
    return path.endswith(_ASIDE)


@dataclass(frozen=True, slots=True)
class _File:
    """A body under its name that may not be on the disk. number: of the open file."""

    path: str
    number: int
    is_new: bool

    def sync(self) -> None:
        """Wait for this one; a new one that is not on the disk must not be taken for one."""
        try:
            os.fsync(self.number)
            _sync_folder(os.path.dirname(self.path))
        except OSError:
            if self.is_new:
                with suppress(OSError):
                    os.unlink(self.path)
            raise


def _begun(path: str, data: bytes) -> "_File | OSError":
    """A body under its name; the file stays open, so that its errors can be asked for."""
    try:
        there = _opened_whole(path, len(data))
        if there is not None:
            return _File(path, there, is_new=False)
        return _File(path, _written(path, data), is_new=True)
    except OSError as error:
        return error


def _written(path: str, data: bytes) -> int:
    begun = _partial(path)
    number = _new_file(begun)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(number, left) :]
        os.replace(begun, path)
    except OSError:
        os.close(number)
        with suppress(OSError):
            os.unlink(begun)
        raise
    return number


def _tried(work: Callable[[], None]) -> OSError | None:
    try:
        work()
    except OSError as error:
        return error
    return None


def _opened_whole(path: str, size: int) -> int | None:
    """The body that is there, open and sent now; None where it is to be written.

    That is also where a crash has torn it, and where `forget` has it in its hands just now.
    """
    try:
        now = time.time_ns()  # the kernel's own clock for files is some milliseconds behind
        os.utime(path, ns=(now, now))
        number = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if os.fstat(number).st_size == size:
        return number
    os.close(number)
    return None


def _new_file(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        _sync_folder(os.path.dirname(folder))
        return os.open(path, flags, 0o644)


def _partial(path: str) -> str:
    """Where a body is written: a reader must never see half of it under its own name."""
    return f"{path}.{uuid.uuid4().hex}"


def _sync_folder(path: str) -> None:
    """A name is safe when its folder is; the row that names the body will be."""
    _sync(path)


def _sync(path: str) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


def _system_of(folder: str) -> str:
    """The kind of file system that a folder is on; empty if that cannot be told."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            lines = [line.split() for line in mounts]
    except OSError:
        return ""
    return next((line[line.index("-") + 1] for line in lines if line[2] == wanted), "")
