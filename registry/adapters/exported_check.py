"""Looking into a .pt2 archive before torch.export.load does, which can be made to run code.

Three ways are known in torch 2.13: example inputs that are any pickle, weights that say they are
pickles, and symbolic expressions that are evaluated. A file is refused unless all of its members
are ones that torch.export.save writes, without any of the three. Standard library only.
"""

import io
import json
import pickletools
import re
import zipfile
from pathlib import Path
from typing import Any

from registry.domain.errors import Invalid

MAX_MEMBERS, MAX_JSON_BYTES = 20_000, 64 << 20
_NOTES = frozenset(
    {"archive_format", "archive_version", "byteorder", "version", ".data/version"}
    | {".data/serialization_id", ".format_version", ".storage_alignment"}
)
_DATA = re.compile(r"data/(?:weights/weight|constants/tensor)_\d+")
_CONFIGURATION = re.compile(r"data/(?:weights|constants)/\w+_config\.json")
_PLACE = re.compile(r"(?:weight|tensor)_\d+")
_EXPRESSION = re.compile(
    r"(?:Symbol\('[su]\d+'(?:, (?:positive|integer|nonnegative)=True)*\)"
    r"|Integer\(-?\d+\)|[0-9+\-*/(), ]|Mod|FloorDiv|Max|Min|Add|Mul|Pow)*"
)
_TARGET = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+"
    r"|_operator\.(?:getitem|add|sub|mul|floordiv|truediv|mod|ge|le|eq|ne|gt|lt|neg|pow)"
)
_REBUILDS = frozenset(
    {"torch._utils _rebuild_tensor_v2", "collections OrderedDict"}
    | {f"torch {kind}Storage" for kind in ("Float", "Long", "Byte", "Int", "Bool", "Double")}
)
_CALLS = frozenset({"STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4", "OBJ"})


def check_exported(path: Path) -> None:
    """Invalid unless the archive holds only what torch.export.save writes, and no code."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise Invalid(f"{path.name} is truncated or damaged ({error}); copy it again") from error


def _check(archive: zipfile.ZipFile) -> None:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names) or len(names) > MAX_MEMBERS:
        raise Invalid(f"the archive names members twice or holds too many ({len(names)})")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise Invalid("the archive has compressed members, which torch.export.save never writes")
    for info in infos:
        own = info.filename.partition("/")[2]
        if own in _NOTES or _DATA.fullmatch(own):
            continue
        _check_member(archive, info, own)


def _check_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, own: str) -> None:
    if re.fullmatch(r"models/\w+\.json", own):
        _check_program(_json(archive, info))
    elif _CONFIGURATION.fullmatch(own):
        _check_configuration(_json(archive, info))
    elif re.fullmatch(r"data/sample_inputs/\w+\.pt", own):
        _check_examples(archive.read(info))
    else:
        raise Invalid(f"the archive holds {own!r}, which torch.export.save never writes")


def _json(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    if info.file_size > MAX_JSON_BYTES:
        raise Invalid(f"{info.filename} has {info.file_size >> 20} MiB, more than any program has")
    try:
        return json.loads(archive.read(info))
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{info.filename} is not JSON: {error}") from error


def _check_program(node: Any, inside: str = "") -> None:
    """Every expression is arithmetic and every step one of PyTorch's own operators."""
    if isinstance(node, list):
        for part in node:
            _check_program(part, inside)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name == "expr_str" and not _EXPRESSION.fullmatch(str(value)):
            raise Invalid(f"the program evaluates {str(value)[:60]!r}, which is no arithmetic")
        if name == "target" and inside == "nodes" and not _TARGET.fullmatch(str(value)):
            raise Invalid(f"the program calls {str(value)[:60]!r}, which is not PyTorch's own")
        _check_program(value, name)


def _check_configuration(document: Any) -> None:
    entries = document.get("config") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise Invalid("the archive's list of weights is not as torch.export.save writes it")
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise Invalid(f"the weights {name!r} are a pickle; torch.export.save writes none")
        if not _PLACE.fullmatch(str(entry.get("path_name"))):
            raise Invalid(f"the weights {name!r} lie at {entry.get('path_name')!r}")


def _check_examples(data: bytes) -> None:
    """The example inputs may rebuild tensors, and nothing else."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
        if len(pickles) != 1:
            raise Invalid(f"the example inputs hold {len(pickles)} pickles instead of one")
        try:
            steps = list(pickletools.genops(archive.read(pickles[0])))
        except ValueError as error:
            raise Invalid(f"the example inputs cannot be read: {error}") from error
    for step, argument, _ in steps:
        if step.name in _CALLS or (step.name == "GLOBAL" and argument not in _REBUILDS):
            raise Invalid(f"the example inputs refer to {argument or step.name}: code, not data")
