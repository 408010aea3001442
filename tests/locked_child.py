"""A process that locks itself in as the converter does and then really loads harmful pickles.

Asked through registry.adapters.subprocesses for what came of each, and what could be done at all.
"""

import base64
import os
import pickle
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from registry.adapters.jail import Limits, insist_whole, lock_down
from registry.adapters.landlock import confine
from registry.adapters.subprocesses import Answer, reply


def answer(question: Mapping[str, Any]) -> Answer:
    files = confine([Path.cwd()])
    lock = lock_down(Limits())
    insist_whole(type(lock)(lock.limits, lock.filter, lock.sentence, files), unjailed=False)
    outcomes = {name: attempt(load(text)) for name, text in question["programs"].items()}
    secret, port, parent = Path(question["secret"]), question["port"], os.getppid()
    deeds: Mapping[str, Callable[[], object]] = {
        "reads a file outside": secret.read_bytes,
        "lists a folder outside": lambda: os.listdir(secret.parent),
        "writes outside": secret.with_name("written").touch,
        "writes at home": Path("written").touch,
        "removes a file": secret.unlink,
        "calls a server": lambda: socket.create_connection(("127.0.0.1", port), 5),
        "starts a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - the question is whether it can
        "starts a process": os.fork,
        "signals its parent": lambda: os.kill(parent, 0),
        "reads its parent's environment": Path(f"/proc/{parent}/environ").read_bytes,
        "lifts its limits": lift,
    }
    could = [name for name, deed in deeds.items() if attempt(deed) == "done"]
    return Answer({"outcomes": outcomes, "could": could, "environment": sorted(os.environ)})


def load(text: str) -> Callable[[], object]:
    program = b"\x80\x02" + base64.b64decode(text) + b"."
    return lambda: pickle.loads(program)  # noqa: S301 - in a locked process


def lift() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, 2 * hard))


def attempt(deed: Callable[[], object]) -> str:
    try:
        deed()
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        return type(error).__name__
    return "done"


if __name__ == "__main__":
    reply(answer)
