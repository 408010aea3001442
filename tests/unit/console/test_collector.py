"""A full collection of a process that answers looks only at what came since it began."""

import gc
import weakref

from console.collector import start_left_out


class Ring:
    """Holds on to itself, so only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_is_left_out_until_the_end_and_what_came_since_is_not():
    before = Ring()
    with start_left_out():
        assert gc.get_freeze_count() > 1000
        old, new = weakref.ref(before), weakref.ref(Ring())
        del before
        gc.collect()
        assert (old() is not None, new()) == (True, None)
    gc.collect()
    assert (old(), gc.get_freeze_count()) == (None, 0)
