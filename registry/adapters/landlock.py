"""Landlock: naming what the current process may read, before it reads anything else.

The filter of `jail` cannot see which file is opened. Landlock can: afterwards the process reads
only below the given paths, and not the memory or environment of processes outside, whoever owns
them. Root's other powers are given up too, because some of them go around that. Only the calling
thread is bound, so this comes first, while there is no other.
"""

import ctypes
import errno
import importlib.util
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# System calls by number, the same on every architecture, and include/uapi/linux/landlock.h.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_BENEATH = 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES_VERSION = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2  # root's way to files of others, kept
# Where interpreters, libraries and facts about the machine are; none of it is a user's.
_SYSTEM = (
    "/usr", "/lib", "/lib64", "/opt", "/nix/store", "/etc/ld.so.cache", "/etc/localtime",
    "/etc/mime.types", "/etc/fonts", "/etc/ssl/openssl.cnf", "/etc/nsswitch.conf", "/etc/passwd",
    "/proc", "/sys/devices/system", "/sys/fs/cgroup", "/dev/null", "/dev/urandom",
    "/var/cache/fontconfig",
)  # fmt: skip


def confine(readable: Iterable[Path]) -> bool:
    """Bind this process to interpreter, libraries and these paths; whether that was possible."""
    if sys.platform != "linux" or len(os.listdir("/proc/self/task")) != 1:
        return False
    own = [sys.prefix, sys.base_prefix, *filter(None, sys.path), *_packages()]
    try:
        _restrict([*map(Path, (*_SYSTEM, *own)), *readable])
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}:
            return False  # an older kernel, or one that was started without it
        raise
    return True


def _packages() -> Iterator[str]:
    """Packages that may be installed in place, where sys.path does not name them."""
    for name in ("registry", "torch", "torchvision", "fastai", "fastcore", "fasttransform"):
        spec = importlib.util.find_spec(name)
        if spec is not None:
            yield from spec.submodule_search_locations or ()


def _restrict(paths: Iterable[Path]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    handled = struct.pack("Q", _EXECUTE | _READ_FILE | _READ_DIR)
    rules = _checked(libc.syscall(_CREATE, handled, ctypes.c_size_t(len(handled)), 0))
    try:
        for path in {path.resolve() for path in paths if path.exists()}:
            _allow(libc, rules, path)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT, rules, 0))
    finally:
        os.close(rules)
    _give_up_powers(libc)


def _give_up_powers(libc: ctypes.CDLL) -> None:
    header = struct.pack("Ii", _CAPABILITIES_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    _checked(libc.capget(header, held))
    effective, permitted, *_ = struct.unpack("6I", held.raw)
    kept = _DAC_OVERRIDE | _DAC_READ_SEARCH
    left = struct.pack("6I", effective & kept, permitted & kept, 0, 0, 0, 0)
    _checked(libc.capset(header, left))


def _allow(libc: ctypes.CDLL, rules: int, path: Path) -> None:
    access = _EXECUTE | _READ_FILE | (_READ_DIR if path.is_dir() else 0)
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, place)
        _checked(libc.syscall(_ADD, rules, _BENEATH, rule, 0))
    finally:
        os.close(place)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)
