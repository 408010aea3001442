"""Locking the current process in before it touches bytes that nobody vouches for.

After `lock_down` the process can compute, open files for reading and write to what it already holds
open. Every other system call is refused: programs, processes, the network, signals, shared memory,
changing a file. The lock is a seccomp filter, kept by every thread and never lifted, with limits on
memory, processor time and the growth of files. Standard library only; needs Linux on x86-64 for
the filter, elsewhere only the limits hold and the result says so.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.domain.errors import Invalid

# System calls by number on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl of Linux): what numpy,
# torch, onnxruntime and the interpreter were seen to use, and their close relatives.
_ALLOWED = {
    "read": 0, "write": 1, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8,
    "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20, "access": 21, "select": 23,
    "sched_yield": 24, "mremap": 25, "mincore": 27, "madvise": 28, "dup": 32, "dup2": 33,
    "nanosleep": 35, "getpid": 39, "exit": 60, "uname": 63, "getcwd": 79, "readlink": 89,
    "gettimeofday": 96, "getrlimit": 97, "getrusage": 98, "sysinfo": 99, "times": 100,
    "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "getpgrp": 111,
    "sigaltstack": 131, "statfs": 137, "fstatfs": 138, "gettid": 186, "time": 201, "futex": 202,
    "sched_getaffinity": 204, "getdents64": 217, "set_tid_address": 218, "restart_syscall": 219,
    "fadvise64": 221, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
    "exit_group": 231, "get_mempolicy": 239, "newfstatat": 262, "readlinkat": 267,
    "faccessat": 269, "pselect6": 270, "ppoll": 271, "set_robust_list": 273, "dup3": 292,
    "preadv": 295, "getcpu": 309, "getrandom": 318, "membarrier": 324, "statx": 332, "rseq": 334,
    "close_range": 436, "faccessat2": 439,
}  # fmt: skip
# Absent, as far as the C library can tell, so that it falls back to calls that are checked below.
_ABSENT = {"clone3": 435, "openat2": 437}
_CLONE, _OPEN, _OPENAT, _PRLIMIT = 56, 2, 257, 302
_CLONE_THREAD = 0x10000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Which argument says what is to be done, and what may be: questions about terminals and lengths,
# copies of descriptors and the flag that a program would not inherit them, names of threads.
_CHOICES: Mapping[int, tuple[int, Sequence[int]]] = {
    16: (1, (0x5401, 0x5413, 0x541B, 0x5450, 0x5451)),  # ioctl
    72: (1, (0, 1, 2, 3, 1030)),  # fcntl
    157: (0, (15, 16)),  # prctl
}
_X86_64, _X32_BIT = 0xC000003E, 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_SECCOMP, _SET_FILTER, _ALL_THREADS = 317, 1, 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What the locked process may use."""

    memory_bytes: int = 8 << 30
    cpu_seconds: int = 300
    file_bytes: int = 1 << 20
    open_files: int = 512


@dataclass(frozen=True, slots=True)
class Lock:
    """Which locks hold; files: the process reads only what it was given (see landlock)."""

    limits: bool
    filter: bool
    sentence: str
    files: bool = False


def why_no_filter() -> str:
    """Why no process can be locked in on a machine of this kind; empty where one can."""
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return ""
    return f"there is no system call filter for {sys.platform} on {platform.machine()}"


def lock_down(limits: Limits) -> Lock:
    """Lock this process for good; the lock says what could not be had here."""
    limited = _limit(limits)
    if why := why_no_filter():
        return Lock(limited, filter=False, sentence=why)
    try:
        _install(_program())
    except OSError as error:
        return Lock(limited, filter=False, sentence=f"the kernel refused the filter: {error}")
    return Lock(limited, filter=True, sentence="no programs, no network, no writing")


def insist(lock: Lock, *, unjailed: bool) -> None:
    """Invalid if the filter is missing and nobody said that it may be."""
    if not lock.filter and not unjailed:
        raise Invalid(
            f"the original cannot be locked in here ({lock.sentence}), so loading it could do"
            " anything that you can do; register on Linux on x86-64, or say --allow-unjailed if you"
            " made this file yourself"
        )


def insist_whole(lock: Lock, *, unjailed: bool) -> None:
    """Invalid if any lock is missing where code that nobody has read is to be run."""
    insist(lock, unjailed=unjailed)
    if not (lock.files and lock.limits) and not unjailed:
        lacks = "which files it may read" if lock.limits else "how much it may use"
        raise Invalid(
            f"nothing can limit {lacks} here, so the code in this file is not run; register on"
            " Linux 5.13 or newer with Landlock, or say --allow-unjailed if you made it yourself"
        )


def _limit(limits: Limits) -> bool:
    try:
        import resource
    except ImportError:  # Windows
        return False
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (lowest, lowest))
        except (ValueError, OSError):  # macOS knows RLIMIT_AS but does not set it
            return False
    return True


def _program() -> bytes:
    """The filter: one instruction of the Berkeley packet filter after the other."""
    refuse = _REFUSE | errno.EPERM
    steps = [
        _step(_LOAD, _ARCH_AT),
        _step(_EQUAL, _X86_64, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_AT_LEAST, _X32_BIT, 0, 1),
        _step(_RETURN, _KILL),
    ]
    for number in _ALLOWED.values():
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ALLOW)]
    for number in _ABSENT.values():
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _REFUSE | errno.ENOSYS)]
    steps += _when(_CLONE, argument=0, test=(_ANY_BIT, _CLONE_THREAD), yes=_ALLOW, no=refuse)
    steps += _when(_OPEN, argument=1, test=(_ANY_BIT, _WRITES), yes=refuse, no=_ALLOW)
    steps += _when(_OPENAT, argument=2, test=(_ANY_BIT, _WRITES), yes=refuse, no=_ALLOW)
    for number, (argument, values) in _CHOICES.items():
        steps += _one_of(number, argument, values, refuse)
    return b"".join([*steps, *_only_asks_for_limits(refuse), _step(_RETURN, refuse)])


def _when(number: int, argument: int, test: tuple[int, int], yes: int, no: int) -> Sequence[bytes]:
    code, value = test
    return (
        _step(_EQUAL, number, 0, 4),
        _step(_LOAD, _ARGUMENTS_AT + 8 * argument),
        _step(code, value, 0, 1),
        _step(_RETURN, yes),
        _step(_RETURN, no),
    )


def _one_of(number: int, argument: int, values: Sequence[int], no: int) -> Sequence[bytes]:
    steps = [_step(_LOAD, _ARGUMENTS_AT + 8 * argument)]
    for value in values:
        steps += [_step(_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]
    steps.append(_step(_RETURN, no))
    return (_step(_EQUAL, number, 0, len(steps)), *steps)


def _only_asks_for_limits(no: int) -> Sequence[bytes]:
    """prlimit64 sets limits, even those of other processes, unless its third argument is null."""
    new_limit = _ARGUMENTS_AT + 8 * 2
    return (
        _step(_EQUAL, _PRLIMIT, 0, 6),
        _step(_LOAD, new_limit),
        _step(_EQUAL, 0, 0, 3),
        _step(_LOAD, new_limit + 4),
        _step(_EQUAL, 0, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, no),
    )


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _install(program: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    if libc.syscall(_SECCOMP, _SET_FILTER, _ALL_THREADS, ctypes.create_string_buffer(header)):
        raise OSError(ctypes.get_errno(), "seccomp")
