"""Plain values in inert records: a number or text, or one that numpy wrapped."""

import struct
from typing import Any

from registry.adapters.fastai_batch import refusal
from registry.adapters.inert_pickle import Record

_LAYOUTS = {
    "f8": "<d", "f4": "<f", "f2": "<e", "i8": "<q", "i4": "<i", "i2": "<h", "i1": "<b",
    "u8": "<Q", "u4": "<I", "u2": "<H", "u1": "<B", "b1": "<?",
}  # fmt: skip


def scalar(node: Any) -> Any:
    """A plain value, or one that numpy wrapped; whatever else is left as it is."""
    if not isinstance(node, Record) or not node.name.endswith("multiarray.scalar"):
        return node
    kind, data = node.args[:2] if len(node.args) == 2 else (None, None)
    name = kind.args[0] if isinstance(kind, Record) and kind.args else None
    if isinstance(data, Record) and data.name == "_codecs.encode" and data.args:
        data = str(data.args[0]).encode("latin1")
    layout = _LAYOUTS.get(name) if isinstance(name, str) else None
    if layout is None or not isinstance(data, bytes) or len(data) != struct.calcsize(layout):
        raise refusal(f"the export holds a numpy value of kind {name!r}, which is no plain value")
    return struct.unpack(layout, data)[0]
