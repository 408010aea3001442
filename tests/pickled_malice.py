"""Pickles that touch a marker file when they are really loaded, and archives around pickles."""

import os
import pickle
import posix
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def payloads(marker: Path) -> Mapping[str, bytes]:
    """Programs in protocol 2, without its header and its end, that leave the marker behind."""
    touch = f"open({str(marker)!r}, 'w').close()"
    found = {
        "os.system": Calls(os.system, f"touch {marker}"),
        "posix.system": Calls(posix.system, f"touch {marker}"),
        "builtins.eval": Calls(eval, touch),
        "builtins.exec": Calls(exec, touch),
        "functools.partial": Calls(_reduce(), exec, [touch, {}]),
    }
    return {name: _body(pickle.dumps(value, 2)) for name, value in found.items()} | {
        "carried code": _body(cloudpickle.dumps(_toucher(marker), 2)) + b")R",
        "an import and getattr": _body(_getattr_call(marker)),
    }


def archive(path: Path, body: bytes, members: Mapping[str, bytes] | None = None) -> Path:
    """A file as torch.save writes it, around a pickle without header and end."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        target.writestr("archive/data.pkl", b"\x80\x02" + body + b".")
        target.writestr("archive/byteorder", b"little")
        target.writestr("archive/version", b"3\n")
        for name, data in (members or {}).items():
            target.writestr(f"archive/{name}", data)
    return path


def inject(export: Path, body: bytes, target: Path) -> Path:
    """A copy of an export that runs this program first and then goes on as before."""
    with zipfile.ZipFile(export) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                data = data[:2] + body + b"0" + data[2:]
            new.writestr(name, data)
    return target


def _body(program: bytes) -> bytes:
    return program[2:-1]


def _reduce() -> Callable[..., Any]:
    import functools

    return functools.reduce


def _toucher(marker: Path) -> Callable[[], None]:
    name = str(marker)

    def touch() -> None:
        open(name, "w").close()

    return touch


def _getattr_call(marker: Path) -> bytes:
    """getattr(subimport("os"), "system")(...): every global in it is one that exports use."""
    program = b"\x80\x02c__builtin__\ngetattr\nccloudpickle.cloudpickle\nsubimport\n"
    program += b"X\x02\x00\x00\x00os\x85RX\x06\x00\x00\x00system\x86R"
    command = f"touch {marker}".encode()
    return program + b"X" + len(command).to_bytes(4, "little") + command + b"\x85R."
