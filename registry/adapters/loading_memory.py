"""Giving back what loading a graph takes: the weights pass through memory three times.

The C library keeps freed blocks for reuse, the larger the more it has seen, and a service never
asks for so much again. While a graph loads, large blocks are therefore mapped one by one, so that
each goes back as soon as it is freed; afterwards its usual ways are as they come to be by
themselves, since batches need large blocks again and again.
"""

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_LOADING = 1 << 20
_USUAL_MMAP, _USUAL_TRIM = 32 << 20, 64 << 20  # to where both grow by themselves


@contextlib.contextmanager
def giving_back() -> Iterator[None]:
    """While a graph is loaded; without effect where the C library is not glibc."""
    mallopt = _mallopt()
    if mallopt is None:
        yield
        return
    mallopt(_MMAP_THRESHOLD, _LOADING)
    try:
        yield
    finally:
        mallopt(_MMAP_THRESHOLD, _USUAL_MMAP)
        mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)


@functools.cache
def _mallopt() -> Callable[[int, int], int] | None:
    found = getattr(ctypes.CDLL(None), "mallopt", None)
    return None if found is None else lambda option, value: int(found(option, value))
