"""Progress bars on a terminal, a line for each step in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def bars(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A function that is told of a step, how much of it is done and how much there is."""
    if quiet:
        yield lambda step, done, total: None
        return
    if not sys.stderr.isatty():
        yield _lines(sys.stderr, time.monotonic)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total)
            progress.update(tasks[step], completed=done)

        yield tell


def _lines(log: TextIO, clock: Callable[[], float]) -> Callable[[str, int, int], None]:
    """Says when a step begins and when it is done; each line is there at once."""
    began: dict[str, float] = {}

    def tell(step: str, done: int, total: int) -> None:
        if step not in began:
            began[step] = clock()
            print(f"{step} ...", file=log, flush=True)
        elif done == total:
            seconds = clock() - began.pop(step)
            print(f"{step}: done in {seconds:.0f} s", file=log, flush=True)

    return tell
