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
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from bench.serving.answering import expected
from bench.serving.bodies import stream
from bench.serving.forms import FORMS, read_answer
from bench.serving.ours import prepared

_ROOT = Path(__file__).parents[2]
_PATIENCE = 120.0
_TOLERANCE = 1e-3
_MODEL = ("torch==2.13.0", "numpy==2.4.6", "pillow")
_FASTAPI = (
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    "python-multipart",
    "pydantic==2.14.3",
)


class Missing(Exception):
    """A server that cannot be had here, and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server. needs: what is installed for it; empty for our own. form: how it is asked.

    home: another home than the workload's own.
    """

    name: str
    form: str = "ours"
    module: str = ""
    needs: tuple[str, ...] = ()
    python: str = sys.executable
    workers: int = 1
    home: str = ""

    def command(self, cache: Path, workload: str, port: int) -> list[str]:
        """What starts it; makes what that needs, which may take minutes the first time."""
        if self.needs:
            place = cache / "venvs" / self.name.replace(" ", "-")
            python = _environment(place, self.needs, self.python)
            return [str(python), "-m", self.module, workload, str(port)]
        home = self.home or str(prepared(cache, workload))
        if self.module:
            return [sys.executable, "-m", self.module, workload, str(port), home]
        words = ["-m", "console.cli", "--home", home, "up", "--port", str(port)]
        return [sys.executable, *words, "--workers", str(self.workers)]


# Triton's own process holds an interpreter that finds neither the standard library of another build
# nor, with numpy 2, the size of an answer.
OURS = Server("stagegate")
ALONE = Server("engine alone", module="bench.serving.alone")
SERVERS = (
    OURS,
    ALONE,
    Server("FastAPI", "upload", "bench.serving.peers.plain", (*_MODEL, *_FASTAPI)),
    Server(
        "LitServe", "upload", "bench.serving.peers.litserve_app",
        (*_MODEL, *_FASTAPI, "litserve==0.2.19"),
    ),
    Server(
        "BentoML", "uploads", "bench.serving.peers.bentoml_app", (*_MODEL, "bentoml==1.4.39"),
    ),
    Server(
        "Ray Serve", "upload", "bench.serving.peers.ray_app",
        (*_MODEL, *_FASTAPI, "ray[serve]==2.60.0"),
    ),
    Server(
        "MLflow", "frame", "bench.serving.peers.mlflow_app", (*_MODEL, "mlflow==3.17.2"),
    ),
    Server(
        "PyTriton", "tensor", "bench.serving.peers.pytriton_app",
        ("torch==2.13.0", "numpy==1.26.4", "pillow", "nvidia-pytriton==0.5.7"),
        python="/usr/bin/python3",
    ),
)  # fmt: skip


def _environment(place: Path, needs: Sequence[str], made_by: str) -> Path:
    """The Python of an environment in which these are installed; Missing if they cannot be."""
    python, done = place / "bin" / "python", place / "installed"
    if done.exists() and done.read_text().split() == list(needs):
        return python
    tools = _ROOT / ".venv"
    _done(place, tools / "bin" / "uv", "venv", "--clear", "--python", made_by, place)
    _done(
        place, tools / "uv-with-links", "pip", "install", "--python", python,
        "--compile-bytecode", *needs,
    )  # fmt: skip
    done.write_text("\n".join(needs))
    return python


def _done(place: Path, *words: str | Path) -> None:
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Missing(f"{place.name} could not be installed: {last}")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: its process, and how long it took to get there."""

    pid: int
    url: str
    start_seconds: float


@contextmanager
def running(server: Server, cache: Path, workload: str, port: int, cores: str) -> Iterator[Running]:
    """The server on these cores, until it is no longer needed; Missing if it does not come up."""
    _require_free(port)
    command = server.command(cache, workload, port)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", **_QUIET}
    log = cache / f"{server.name}-{workload}.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command], env=environment, cwd=cache,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(base, server.form, workload, process, log)
        yield Running(process.pid, base, time.perf_counter() - began)
    finally:
        _end(process)


_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}


def _wait(
    base: str, form: str, workload: str, process: "subprocess.Popen[bytes]", log: Path
) -> None:
    """Return at the first answer, which must be right."""
    body = stream(workload, int.from_bytes(os.urandom(5)))()
    wanted = expected(workload, body)
    asked = Request(base + FORMS[form].path.format(workload=workload), method="POST")  # noqa: S310
    asked.data = FORMS[form].wrap(workload, body)
    asked.add_header("Content-Type", FORMS[form].type_of(workload))
    for line in FORMS[form].headers_of(workload).splitlines():
        asked.add_header(*line.split(": "))
    until, last = time.monotonic() + _PATIENCE, ""
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own address
                return _require_right(read_answer(form, answer.read()), wanted)
        except HTTPError as error:
            last = f"{error.code} {error.read()[:200].decode(errors='replace')}"
        except (URLError, OSError, HTTPException):
            pass
        time.sleep(0.05)
    last = last or (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
    raise Missing(f"it did not come up; it said last: {last}")


def _require_right(found: Sequence[float], wanted: Sequence[float]) -> None:
    if len(found) != len(wanted) or max(map(_gap, found, wanted)) > _TOLERANCE:
        raise Missing(f"it answers {found} where the network says {wanted}")


def _gap(one: float, other: float) -> float:
    return abs(one - other)


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
