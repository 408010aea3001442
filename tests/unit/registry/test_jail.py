"""The jail, tried from inside."""

import json
import platform
import subprocess
import sys
import textwrap

import pytest
from waiting import PATIENCE

LINUX = sys.platform == "linux" and platform.machine() == "x86_64"
TRIES = {
    "create": "open('new', 'w')",
    "append": "open('there', 'a')",
    "delete": "os.unlink('there')",
    "rename": "os.rename('there', 'elsewhere')",
    "folder": "os.mkdir('folder')",
    "link": "os.symlink('there', 'link')",
    "mode": "os.chmod('there', 0o777)",
    "truncate": "os.truncate('there', 0)",
    "times": "os.utime('there', (0, 0))",
    "program": "os.execv('/bin/true', ['true'])",
    "child": "os.fork()",
    "run": "subprocess.run(['true'])",
    "network": "socket.create_connection(('127.0.0.1', 9))",
    "listen": "socket.socket()",
    "kill": "os.kill(os.getppid(), 0)",
    "memory file": "os.memfd_create('x')",
    "a signal by the kernel's hand": "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
    "which signal": "fcntl.fcntl(0, 10, 9)",
    "a lock on a file": "fcntl.flock(0, fcntl.LOCK_EX)",
    "limits of others": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "own limits": "resource.prlimit(0, resource.RLIMIT_CPU, (1, 1))",
    "shared memory": "call(29, 0x5151, 4096, 0o1666)",
    "message queue": "call(240, b'stagegate', os.O_CREAT | os.O_RDWR, 0o600, None)",
    "priority": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 10)",
    "affinity": "os.sched_setaffinity(os.getppid(), {0})",
    "terminal input": "fcntl.ioctl(0, 0x5412, b'x')",
    "memory of others": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "environment of others": "open(f'/proc/{os.getppid()}/environ').read()",
    "files of others": "open('../secret').read()",
}
NEED_LANDLOCK = {"memory of others", "environment of others", "files of others"}
SCRIPT = """
import ctypes, fcntl, json, os, resource, socket, subprocess, sys, threading
from pathlib import Path
from registry.adapters.jail import Limits, lock_down
from registry.adapters.landlock import confine

libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused by errno")

files = confine([Path.cwd()])
lock = lock_down(Limits(memory_bytes=2 << 30))
outcome = {"filter": lock.filter, "limits": lock.limits, "files": files}
for name, code in json.loads(sys.argv[1]).items():
    try:
        eval(code)
        outcome[name] = "done"
    except PermissionError:
        outcome[name] = "refused"
    except OSError as error:
        outcome[name] = str(error)
thread = threading.Thread(target=lambda: outcome.update(thread="ran"))
thread.start()
thread.join()
try:
    bytearray(4 << 30)
except MemoryError:
    outcome["bomb"] = "refused"
outcome["read"] = open("there").read()
print(json.dumps(outcome))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("jail") / "inside"
    folder.mkdir()
    (folder.parent / "secret").write_text("secret")
    (folder / "there").write_text("content")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), json.dumps(TRIES)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert [p.name for p in folder.iterdir()] == ["there"]
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(not LINUX, reason="the filter is for Linux on x86-64")
@pytest.mark.parametrize("name", TRIES)
def test_a_locked_process_cannot(name: str, outcome: dict[str, object]):
    if name in NEED_LANDLOCK and not outcome["files"]:
        pytest.skip("this kernel has no Landlock")
    assert outcome[name] == "refused"


@pytest.mark.skipif(not LINUX, reason="the filter is for Linux on x86-64")
def test_a_locked_process_still_computes_reads_and_answers(outcome: dict[str, object]):
    assert outcome["filter"] is True
    assert outcome["limits"] is True
    assert outcome["thread"] == "ran"
    assert outcome["read"] == "content"


def test_memory_is_limited(outcome: dict[str, object]):
    assert outcome["bomb"] == "refused"


def test_where_there_is_no_filter_the_lock_says_so():
    code = (
        "import platform; platform.machine = lambda: 'riscv64'\n"
        "from registry.adapters.jail import Limits, lock_down\n"
        "print(lock_down(Limits()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert "filter=False" in done.stdout
    assert "no system call filter" in done.stdout
