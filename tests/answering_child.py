"""A process that answers `registry.adapters.subprocesses.ask` in the way its question names."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from registry.adapters.subprocesses import Answer, reply
from registry.domain.errors import Invalid


def answer(question: Mapping[str, Any]) -> Answer:  # noqa: C901 - a table of ways to answer
    match question["say"]:
        case "hello":
            home = {"home": os.environ["HOME"], "secret": os.environ.get("SECRET")}
            return Answer(home, {"a": b"one", "b": b""})
        case "much":
            return Answer({}, {"a": bytes(16 << 20)})
        case "refuse":
            raise Invalid("no, because")
        case "fail":
            raise RuntimeError("went wrong\nsecond line")
        case "memory":
            raise MemoryError
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            sys.exit("goodbye")
        case "hang":
            time.sleep(600)
    raise AssertionError(question)


if __name__ == "__main__":
    reply(answer)
