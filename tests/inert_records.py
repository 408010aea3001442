"""Records as the inert unpickler makes them, written by hand."""

from typing import Any

from registry.adapters.inert_pickle import Record


def record(name: str, *arguments: Any, **state: Any) -> Record:
    kind = type("Record", (Record,), {"__slots__": (), "name": name, "made": []})
    made = kind(*arguments)
    made.state = state
    return made


def kind(name: str) -> type[Record]:
    return type("Record", (Record,), {"__slots__": (), "name": name})


def listed(*items: Any) -> Record:
    return record("fastcore.foundation.L", items=list(items))
