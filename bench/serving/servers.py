"""The servers that are compared: how each is installed, started and asked."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from bench.serving.ours import prepared

_ROOT = Path(__file__).parents[2]
_PATIENCE = 120.0
_COMMON = (
    "torch==2.13.0",
    "numpy==2.4.6",
    "pillow",
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    "python-multipart",
    "pydantic==2.14.3",
)


class Missing(Exception):
    """A server that cannot be had here, and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server. needs: what is installed for it; empty for our own."""

    name: str
    needs: tuple[str, ...] = ()
    module: str = ""
    workloads: tuple[str, ...] = ("w1", "w2", "w3")

    @property
    def form(self) -> str:
        """How it takes an image: ours as the body, the others as uploads."""
        return "form" if self.needs else "raw"

    def path(self, workload: str) -> str:
        """Where it answers."""
        return "/predict" if self.needs else f"/v1/models/{workload}/predict"

    def command(self, cache: Path, workload: str, port: int) -> list[str]:
        """What starts it; makes what that needs, which may take minutes the first time."""
        if not self.needs:
            home = prepared(cache, workload)
            words = ["-m", "console.cli", "--home", str(home), "up", "--port", str(port)]
            return [sys.executable, *words]
        python = _environment(cache / "venvs" / self.name, self.needs)
        return [str(python), "-m", self.module, workload, str(port)]


SERVERS = (
    Server("stagegate"),
    Server("FastAPI", _COMMON, "bench.serving.peers.plain"),
    Server("LitServe", (*_COMMON, "litserve==0.2.19"), "bench.serving.peers.litserve_app"),
)


def _environment(place: Path, needs: Sequence[str]) -> Path:
    """The Python of an environment in which these are installed; Missing if they cannot be."""
    python, done = place / "bin" / "python", place / "installed"
    if done.exists() and done.read_text().split() == list(needs):
        return python
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    installed = subprocess.run(
        [str(_ROOT / ".venv" / "uv-with-links"), "pip", "install", "--quiet", "--python",
         str(python), "--compile-bytecode", *needs],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode:
        last = (installed.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Missing(f"{place.name} could not be installed: {last}")
    done.write_text("\n".join(needs))
    return python


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: its process, and how long it took to get there."""

    pid: int
    url: str
    start_seconds: float


@contextmanager
def running(server: Server, cache: Path, workload: str, port: int, core: str) -> Iterator[Running]:
    """The server on one core, until it is no longer needed; Missing if it does not come up."""
    _require_free(port)
    command = server.command(cache, workload, port)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    log = cache / f"{server.name}-{workload}.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", core, *command], env=environment, cwd=cache,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(base, "/readyz" if not server.needs else "/docs", process, log)
        yield Running(process.pid, base + server.path(workload), time.perf_counter() - began)
    finally:
        _end(process)


def _wait(base: str, path: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            if urlopen(base + path, timeout=5).status == 200:  # noqa: S310 - our own address
                return
        except HTTPError as error:
            if error.code == 404:
                return
        except (URLError, OSError):
            pass
        time.sleep(0.1)
    said = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
    raise Missing(f"it did not come up; it said last: {said}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it and all that it started: some servers leave their workers behind, on their port."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own, and nothing else's
    process.wait()


def _require_free(port: int) -> None:
    """Missing if something goes on listening, which would answer in the server's place."""
    until = time.monotonic() + 10.0  # what was killed just now lets go of its port a moment later
    while _listens(port):
        if time.monotonic() > until:
            raise Missing(f"something listens on port {port} already; end it and try again")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            asked.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def busy_seconds(pid: int) -> float:
    """The processor time of a process and its children so far."""
    ticks = 0
    for one in (pid, *_children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Megabytes that a process and its children hold at the most, each by itself."""
    total = 0
    for one in (pid, *_children(pid)):
        lines = Path(f"/proc/{one}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return total // 1024


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, listed) for each in (child, *_children(child))]
