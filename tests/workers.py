"""A service with several workers: which process is which, and connections to one of them."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from service_process import Service, running
from waiting import PATIENCE, eventually


@dataclass(frozen=True)
class Workers:
    """Two workers behind one port, a client of either by its number, and the service as a whole."""

    service: Service
    one: httpx.Client
    other: httpx.Client

    @property
    def url(self) -> str:
        """Where all of them listen."""
        return str(self.service.http.base_url)

    def pids(self) -> Mapping[str, int]:
        """The processes that run now, by their number."""
        return children(self.service.process.pid)

    def kill(self, number: str) -> None:
        """End one worker at once, and wait until there is another in its place that answers."""
        dead = self.pids()[number]
        os.kill(dead, signal.SIGKILL)
        assert eventually(lambda: self.pids().get(number, dead) != dead), "nobody started it again"
        with connected(self.url, number):
            pass


def children(parent: int) -> Mapping[str, int]:
    """The workers of a process by their number."""
    found = {}
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "--number" in words:
            found[words[words.index("--number") + 1]] = int(pid)
    return found


def is_gone(pid: int) -> bool:
    """Whether a process has ended, whoever it belongs to by now."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@contextmanager
def connected(url: str, number: str) -> Iterator[httpx.Client]:
    """A client whose one connection leads to the worker of this number."""
    limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
    with ExitStack() as stack:
        opened: list[httpx.Client] = []  # those to others stay open: they lead the next one away

        def reached() -> bool:
            client = httpx.Client(base_url=url, timeout=PATIENCE, limits=limits)
            opened.append(stack.enter_context(client))
            try:
                return bool(client.get("/healthz").json().get("worker") == number)
            except httpx.TransportError:
                return False  # it was killed meanwhile

        assert eventually(reached), f"worker {number} took no connection"
        yield opened[-1]


@contextmanager
def two_workers(home: Path, database_url: str) -> Iterator[Workers]:
    """A service with two workers, both of which answer."""
    with ExitStack() as stack:
        service = stack.enter_context(running(home, database_url, "--workers", "2"))
        url = str(service.http.base_url)
        one, other = (stack.enter_context(connected(url, number)) for number in "12")
        yield Workers(service, one, other)
