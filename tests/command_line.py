"""The command line as a process of its own, in a tenth of the time.

Starting Python and importing the application takes a second or two. So one process imports it
(`python command_line.py REQUESTS ANSWERS`, two open descriptors) and forks for every command;
the child is from there on what `python -m console.cli` would be, with its own streams,
environment and end.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[1]


def stagegate(
    *words: str, home: Path | None = None, said: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """What a command says on each stream, and how it ends."""
    where = ["--home", str(home)] if home else []
    answer = _forker().ask(
        {
            "words": [*where, *words],
            "said": said,
            "folder": os.getcwd(),
            "environment": {**os.environ, **environment},
        }
    )
    return subprocess.CompletedProcess(["stagegate", *where, *words], **answer)


@cache
def _forker() -> "_Forker":
    return _Forker()


class _Forker:
    """The other process, for as long as this one runs."""

    def __init__(self) -> None:
        (there_in, here_out), (here_in, there_out) = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(there_in), str(there_out)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=(there_in, there_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(there_in)
        os.close(there_out)
        self._requests, self._answers = os.fdopen(here_out, "w"), os.fdopen(here_in)
        atexit.register(self._close)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer

    def _close(self) -> None:
        self._requests.close()
        self._answers.close()
        self._process.wait()


def _fork_for_each(requests: TextIO, answers: TextIO) -> None:
    """Returns in the child of every request, and at the end of them ends the process."""
    for line in requests:
        request = json.loads(line)
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as errors,
        ):
            given.write(request["said"].encode())
            given.seek(0)
            child = os.fork()
            if not child:
                _become(request, [given.fileno(), out.fileno(), errors.fileno()])
                return
            _, status = os.waitpid(child, 0)
            texts = [_content(stream) for stream in (out, errors)]
        answer = {
            "returncode": os.waitstatus_to_exitcode(status),
            "stdout": texts[0],
            "stderr": texts[1],
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    sys.exit()


def _become(request: Mapping[str, Any], streams: list[int]) -> None:
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["stagegate", *request["words"]]


def _content(stream: Any) -> str:
    stream.seek(0)
    content: bytes = stream.read()
    return content.decode()


if __name__ == "__main__":
    import console.app
    import console.migrate  # noqa: F401
    from console.cli.main import main

    reading, writing = (int(word) for word in sys.argv[1:])
    _fork_for_each(os.fdopen(reading), os.fdopen(writing, "w"))
    main()
