"""How many connections each worker has open, in memory that all of them see."""

import mmap
import os
import sys
import tempfile
from typing import IO

_AWAY = 2**31 - 1


class Loads:
    """One number for each worker, whoever changes it.

    Nothing is locked: each worker writes its own number, and whoever reads one that is a moment old
    only takes a connection that another could have taken as well.
    """

    def __init__(self, descriptor: int) -> None:
        self._numbers = memoryview(mmap.mmap(descriptor, 0)).cast("i")

    def tell(self, worker: int, connections: int) -> None:
        """This worker has so many."""
        self._numbers[worker - 1] = min(connections, _AWAY - 1)

    def left(self, worker: int) -> None:
        """This worker takes none any more."""
        self._numbers[worker - 1] = _AWAY

    def is_least(self, worker: int) -> bool:
        """Whether no other that takes any has fewer."""
        return self._numbers[worker - 1] <= min(self._numbers)


def shared_memory(workers: int) -> IO[bytes]:
    """The file behind it, which is gone when the last who opened it is; nobody is there yet."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    os.write(file.fileno(), _AWAY.to_bytes(4, sys.byteorder) * workers)
    return file
