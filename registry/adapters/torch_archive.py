"""The zip archives of torch.save: opened only if they hold what torch.save writes, and copied.

PyTorch's own reader finds more in a file than Python's does: members in capital letters, a program
that stands before the zip. So a copy is made of the checked members alone, and only the copy is
ever opened. Standard library only.
"""

import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from registry.domain.errors import Invalid

MAX_PICKLE_BYTES = 64 << 20
MAX_MEMBERS = 20_000
MAX_CONTENTS_BYTES = 4 << 20
EXPORT_YOURSELF = (
    "Export the model to ONNX yourself, where it was trained (torch.onnx.export), and register"
    " that file instead"
)
_MEMBERS = frozenset(
    {"data.pkl", "byteorder", "version", ".format_version", ".storage_alignment"}
    | {".data/serialization_id"}
)


class _Contents(io.BufferedReader):
    """A file of which zipfile reads no table of contents that would fill the memory."""

    def read(self, size: Any = -1, /) -> bytes:
        """Bytes of it; Invalid if more are wanted at once than any table of contents has."""
        if size > MAX_CONTENTS_BYTES:
            raise Invalid(
                f"the archive's table of contents has {size >> 20} MiB; what PyTorch saves has far"
                " less, so this is no model"
            )
        return super().read(size)


def names_in(path: Path) -> tuple[str, ...]:
    """The members of any zip archive; Invalid if it is damaged or has far too many."""
    try:
        with _Contents(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            return tuple(archive.namelist())
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        said = f"{path.name} is truncated or damaged ({error}); copy it again"
        raise Invalid(said) from error


def rewrite(source: Path, target: Path) -> None:
    """The archive again, with nothing in the file but the members that were checked."""
    with open_members(source) as members, zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as new:
        for name in ("data.pkl", *members.notes, *members.storages):
            with new.open(f"archive/{name}", "w", force_zip64=True) as copy:
                members.copy(name, copy)


@dataclass(frozen=True, slots=True)
class Members:
    """An archive whose members are all ones that torch.save writes, without their folder."""

    archive: zipfile.ZipFile
    prefix: str
    names: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the archive says of its own format."""
        return tuple(name for name in ("byteorder", "version") if name in self.names)

    @property
    def storages(self) -> tuple[str, ...]:
        """The data of tensors."""
        return tuple(name for name in self.names if _is_storage(name))

    def read(self, name: str) -> bytes:
        """The bytes of a member."""
        return self.archive.read(self.prefix + name)

    def copy(self, name: str, target: IO[bytes]) -> None:
        """Copy a member, checking its sum."""
        with self.archive.open(self.prefix + name) as member:
            shutil.copyfileobj(member, target, 1 << 20)


@contextmanager
def open_members(path: Path) -> Iterator[Members]:
    """The checked members of a torch.save archive."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise Invalid(_not_a_zip(path))
        names_in(path)
        try:
            with zipfile.ZipFile(file) as archive:
                yield _check_members(archive)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            said = f"{path.name} is truncated or damaged ({error}); copy it again"
            raise Invalid(said) from error


def _check_members(archive: zipfile.ZipFile) -> Members:
    """Invalid if it does not look like torch.save wrote it."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names) or len(names) > MAX_MEMBERS:
        raise Invalid(f"the archive names members twice or holds too many ({len(names)})")
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise Invalid(f"this is a TorchScript archive, not a fastai export. {EXPORT_YOURSELF}")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise Invalid("the archive has compressed members, which torch.save never writes")
    prefix = f"{names[0].partition('/')[0]}/" if names else ""
    foreign = [name for name in names if not _is_member(name, prefix)]
    if foreign:
        raise Invalid(f"the archive holds {foreign[0]!r}, which torch.save never writes")
    sizes = {info.filename: info.file_size for info in infos}
    if sum(sizes.values()) > archive.start_dir:
        raise Invalid("the archive's members overlap, which torch.save never writes")
    if sizes.get(f"{prefix}data.pkl", MAX_PICKLE_BYTES + 1) > MAX_PICKLE_BYTES:
        raise Invalid(f"the archive has no pickle, or one over {MAX_PICKLE_BYTES >> 20} MiB")
    if f"{prefix}byteorder" in names and archive.read(f"{prefix}byteorder") != b"little":
        raise Invalid("the archive was written on a big-endian machine; export it on another")
    return Members(archive, prefix, tuple(name.removeprefix(prefix) for name in names))


def _is_member(name: str, prefix: str) -> bool:
    own = name.removeprefix(prefix)
    return name.startswith(prefix) and (own in _MEMBERS or _is_storage(own))


def _is_storage(name: str) -> bool:
    return re.fullmatch(r"data/[0-9]+", name) is not None


def _not_a_zip(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(1)
    if head == b"\x80":
        return (
            f"{path.name} is a bare or legacy pickle, which stagegate does not read: save it again"
            " with Learner.export() of fastai 2.8, or torch.save without"
            f" _use_new_zipfile_serialization=False. {EXPORT_YOURSELF}"
        )
    return f"{path.name} is not a fastai export (no zip archive). {EXPORT_YOURSELF}"
