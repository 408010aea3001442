"""Reading a torch.save archive as data: every object becomes a record, nothing is ever called.

A pickle is a program. Here its only way out, the look-up of a global, always gives an empty
record type of ours, so "call this with these arguments" merely notes the name and the arguments.
Tensors stay references to bytes in the archive. Standard library only.
"""

import io
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from registry.adapters.known_globals import is_known, is_made_type, is_usual_call
from registry.adapters.torch_archive import EXPORT_YOURSELF, open_members
from registry.domain.errors import Invalid


class Record:
    """What the pickle wanted made: the global's name, its arguments, its state and its items."""

    __slots__ = ("args", "items", "kwargs", "state")
    name = "?"
    made: ClassVar[list["Record"]] = []
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    state: Any
    items: list[Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> "Record":
        """Note what was called, and with what; REDUCE and NEWOBJ end here."""
        record = object.__new__(cls)
        record.args, record.kwargs, record.state, record.items = args, kwargs, None, []
        cls.made.append(record)
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __call__(self, *args: Any, **kwargs: Any) -> "Record":
        """Note that the program called something that it had made."""
        called = CalledRecord(self, *args, **kwargs)
        self.made.append(called)
        return called

    def append(self, item: Any) -> None:
        """Take one item of a list."""
        self.items.append(item)

    def extend(self, items: Any) -> None:
        """Take items of a list."""
        self.items.extend(items)

    def add(self, item: Any) -> None:
        """Take one item of a set."""
        self.items.append(item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute of the state; slots and dictionary are looked through alike."""
        for part in self.state if isinstance(self.state, tuple) else (self.state,):
            if isinstance(part, Mapping) and key in part:
                return part[key]
        return default

    def children(self) -> Iterator[Any]:
        """Everything that hangs below this record."""
        yield from self.args
        yield from self.kwargs.values()
        yield self.state
        yield from self.items


# How cloudpickle makes a class of a notebook or script; the names of those classes begin with it.
CARRIED_CLASS, CARRIED = "cloudpickle.cloudpickle._make_skeleton_class", "carried"


class CalledRecord(Record):
    """The pickle called something that it had made itself; `args[0]` is that."""

    __slots__ = ()
    name = "what the file itself carries"


@dataclass(frozen=True, slots=True)
class StorageReference:
    """A tensor's bytes: member `data/<key>` of the archive, `count` elements of `kind`."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a pickle would use if it ran; the worst first."""

    unknown: tuple[str, ...]
    unusual_calls: tuple[str, ...]
    known: Mapping[str, int]

    def refuse_unknown(self) -> None:
        """Invalid, naming every global and every call that no fastai export needs."""
        if self.unknown:
            raise Invalid(
                f"the file refers to {', '.join(self.unknown)}, which no export that stagegate can"
                f" read needs; nothing of it was run. {EXPORT_YOURSELF}, or, if you know who made"
                " it, let it make its layers by code of its own, in a locked process: --run-code"
            )
        if self.unusual_calls:
            raise Invalid(
                f"the file would call {', '.join(self.unusual_calls)} while it is being read, which"
                f" no fastai export does; nothing of it was run. {EXPORT_YOURSELF}"
            )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "unknown": list(self.unknown),
            "unusual_calls": list(self.unusual_calls),
            "known": dict(self.known),
        }


@dataclass(frozen=True, slots=True)
class InertArchive:
    """The tree of records of one archive, and the bytes that its tensors refer to."""

    root: Any
    report: Report
    members: Mapping[str, bytes] = field(repr=False)

    def storage(self, reference: StorageReference) -> bytes:
        """The bytes behind a tensor."""
        try:
            return self.members[reference.key]
        except KeyError:
            raise Invalid(
                f"the archive has no tensor data {reference.key!r}; it is truncated or altered"
            ) from None


def read_archive(path: Path) -> InertArchive:
    """The tree of a torch.save archive; Invalid for anything else, with the way out."""
    with open_members(path) as members:
        program = members.read("data.pkl")
        storages = {name.removeprefix("data/"): members.read(name) for name in members.storages}
    root, report = _load(program)
    return InertArchive(root, report, storages)


class _InertUnpickler(pickle.Unpickler):
    def __init__(self, program: bytes) -> None:
        super().__init__(io.BytesIO(program))
        self.seen: Counter[str] = Counter()
        self.types: dict[str, Any] = {}
        self.made: list[Record] = []  # also what the program drops again

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        self.seen[name] += 1
        if name not in self.types:
            made = self._type(name)
            self.types[name] = self._class_maker(made) if name == CARRIED_CLASS else made
        return self.types[name]

    def _type(self, name: str) -> type[Record]:
        return type("Record", (Record,), {"__slots__": (), "name": name, "made": self.made})

    def _class_maker(self, noted: type[Record]) -> Any:
        """What stands for the making of a class that the file carries: a type for its objects."""

        def make(*args: Any, **kwargs: Any) -> type[Record]:
            record = noted(*args, **kwargs)
            return self._type(f"{CARRIED}.{record.args[1] if len(args) > 1 else '?'}")

        return make

    def persistent_load(self, pid: Any) -> StorageReference:
        tag, kind, key, _, count = pid
        if tag != "storage" or not (isinstance(kind, type) and issubclass(kind, Record)):
            raise Invalid(f"the archive refers to {tag!r} where a tensor's storage is expected")
        return StorageReference(kind.name, str(key), int(count))


def _load(program: bytes) -> tuple[Any, Report]:
    unpickler = _InertUnpickler(program)
    failure: Exception | None = None
    root = None
    try:
        root = unpickler.load()
    except Invalid:
        raise
    except Exception as error:  # noqa: BLE001 - a hostile program may fail in any way it likes
        failure = error
    report = _report(unpickler)
    if failure is not None:
        report.refuse_unknown()
        raise Invalid(
            f"the archive's pickle cannot be read ({type(failure).__name__}: {failure})."
            f" {EXPORT_YOURSELF}"
        ) from failure
    return root, report


def _report(unpickler: _InertUnpickler) -> Report:
    seen = unpickler.seen
    return Report(
        unknown=tuple(sorted(name for name in seen if not is_known(name))),
        unusual_calls=tuple(sorted({r.name for r in unpickler.made if not _is_usual(r)})),
        known={name: count for name, count in sorted(seen.items()) if is_known(name)},
    )


def _is_usual(record: Record) -> bool:
    if isinstance(record, CalledRecord):
        return is_made_type(record.args[0], record.args[0].args)
    return is_usual_call(record.name, (*record.args, *record.kwargs.values()))


def walk(root: Any) -> Iterator[Any]:
    """Every record and container below a node, each once, parents first."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, Record):
            waiting.extend(node.children())
        elif isinstance(node, Mapping):
            waiting.extend(node.keys())
            waiting.extend(node.values())
        elif isinstance(node, (list, tuple, set, frozenset)):
            waiting.extend(node)
