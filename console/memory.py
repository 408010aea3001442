"""How much memory a process that answers may have.

A model that asks for more is refused it and fails, as one that raises does. Without a limit the
kernel would end the process, with all that others have under way in it.
"""

import resource
from pathlib import Path

import structlog

ROOM = 1 << 30  # what a process gets for models at least, however little its share is
_STATUS, _MACHINE = Path("/proc/self/status"), Path("/proc/meminfo")
_CONTAINER = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_log = structlog.get_logger()


def limit_memory(given: int, processes: int) -> int | None:
    """Set the limit: what was given, else this process's share; gives it, None where none can be.

    processes: how many share this machine's memory, this one included.
    """
    limit = given or _share(processes)
    if limit is None:
        return None
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    lowest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (lowest, hard))
    except (ValueError, OSError) as error:
        _log.warning("memory is not limited", error=str(error))
        return None
    return lowest


def _share(processes: int) -> int | None:
    machine, taken = in_kibibytes(_MACHINE, "MemTotal"), in_kibibytes(_STATUS, "VmData")
    if machine is None or taken is None:
        return None  # no Linux
    least = min([machine, *_of_container()])
    return max(least // processes, taken + ROOM)


def in_kibibytes(file: Path, name: str) -> int | None:
    """The bytes in a line of one of Linux's tables; None if there is none."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) * 1024 if found else None


def _of_container() -> list[int]:
    """What a container may have; a number beyond all memory, or `max`, means no limit."""
    said = [file.read_text().strip() for file in _CONTAINER if file.exists()]
    return [int(one) for one in said if one.isdigit()]
