"""Running one of our modules in a process of its own and reading its answer with suspicion.

The answer comes through a pipe: a length, a JSON document, then the blobs that it announces.
Nothing is unpickled, nothing may be larger than agreed, and nothing may take longer.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

import registry
from registry.adapters.quiet import SILENCE
from registry.domain.errors import Invalid, StagegateError

MAX_DOCUMENT_BYTES = 8 << 20
_CHUNK = 1 << 20
_FAREWELL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process sent back."""

    document: Mapping[str, Any]
    blobs: Mapping[str, bytes] = field(default_factory=dict, repr=False)


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    refused: str | None = None
    document: dict[str, Any] = {}
    blobs: list[tuple[str, Annotated[int, Field(ge=0)]]] = []


def ask(
    module: str, question: Mapping[str, Any], scratch: Path, seconds: float, most_bytes: int
) -> Answer:
    """Run `python -m module`, send it the question, return its answer; Invalid with its reason.

    `most_bytes`: how large the blobs may be together. `scratch` becomes the process's home and
    place for caches; it inherits no other environment that could matter, no terminal and no open
    files.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with tempfile.TemporaryFile(dir=scratch) as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", module, str(writing)],
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            pass_fds=(writing,),
            env=_environment(scratch),
            cwd=scratch,
            start_new_session=True,
        )
        os.close(writing)
        try:
            most = MAX_DOCUMENT_BYTES + most_bytes
            data = _exchange(process, json.dumps(question).encode(), reading, seconds, most)
            _say_farewell(process)
        finally:
            os.close(reading)
            process.kill()  # whatever happened, it is gone afterwards
            process.wait()
        if not data:
            raise StagegateError(_how_it_ended(module, process.returncode, _tail(errors)))
    return parse(data)


def reply(answer: Callable[[Mapping[str, Any]], Answer]) -> None:
    """The other end: read the question, answer it, send a refusal as a refusal."""
    descriptor = int(sys.argv[1])
    question = json.loads(sys.stdin.buffer.read())
    try:
        result = answer(question)
        head = {
            "document": result.document,
            "blobs": [[n, len(b)] for n, b in result.blobs.items()],
        }
        blobs = tuple(result.blobs.values())
    except StagegateError as refusal:
        head, blobs = {"refused": str(refusal)}, ()
    except MemoryError:
        head, blobs = {"refused": "it needs more memory than this step may use"}, ()
    except Exception as error:  # noqa: BLE001 - a hostile file may make anything fail
        said = str(error).strip().partition("\n")[0][:400]
        head, blobs = {"refused": f"it cannot be converted ({type(error).__name__}: {said})"}, ()
    text = json.dumps(head).encode()
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(len(text).to_bytes(8, "big") + text)
        for blob in blobs:
            pipe.write(blob)


def _environment(scratch: Path) -> dict[str, str]:
    root = str(Path(registry.__path__[0]).parent)
    kept = {n: os.environ[n] for n in ("PATH", "LANG", "SYSTEMROOT", "TZ") if n in os.environ}
    return kept | {
        "PYTHONPATH": root,
        "PYTHONSAFEPATH": "1",  # its working directory holds files that were not checked yet
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "XDG_CACHE_HOME": str(scratch),
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "MPLBACKEND": "agg",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait starve the others
        **SILENCE,
    }


def _exchange(
    process: "subprocess.Popen[bytes]", question: bytes, reading: int, seconds: float, most: int
) -> bytearray:
    if process.stdin is not None:
        try:
            process.stdin.write(question)
            process.stdin.close()
        except BrokenPipeError:
            return bytearray()  # it died at its start; how is said by its exit status
    deadline = time.monotonic() + seconds
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise Invalid(f"it was still being read after {seconds:.0f} s; that is too long")
            chunk = os.read(reading, _CHUNK)
            if not chunk:
                return data
            data += chunk
            if len(data) > most:
                raise Invalid(f"its answer becomes larger than {most >> 20} MiB")


def _say_farewell(process: "subprocess.Popen[bytes]") -> None:
    """Its answer is complete; a process that lingers is ended by the caller."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_FAREWELL_SECONDS)


def _tail(errors: Any) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - 400))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it left no message"


def _how_it_ended(module: str, status: int, message: str) -> str:
    if status == -signal.SIGXCPU:
        how = "used more processor time than it may"
    elif status < 0:
        how = f"was stopped by {signal.Signals(-status).name}"
    else:
        how = f"ended with status {status} and no answer"
    return f"{module} {how}: {message}"


def parse(data: bytes | bytearray) -> Answer:
    """The answer in these bytes; Invalid if they are anything else."""
    length = int.from_bytes(data[:8], "big")
    if length > min(MAX_DOCUMENT_BYTES, len(data) - 8):
        raise Invalid("the answer of the process is cut off or out of proportion")
    try:
        head = _Head.model_validate_json(data[8 : 8 + length])
    except ValueError as error:
        raise Invalid(f"the answer of the process is not what was agreed: {error}") from error
    if head.refused is not None:
        raise Invalid(head.refused)
    blobs, at = {}, 8 + length
    for name, size in head.blobs:
        blobs[name] = bytes(memoryview(data)[at : at + size])
        at += size
    if at != len(data):
        raise Invalid("the answer of the process has another length than it announces")
    return Answer(head.document, blobs)
