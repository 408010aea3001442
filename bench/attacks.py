"""Bodies that mean harm, and random ones, as hypothesis makes them.

Pictures that unpack to gigabytes, stop early, or are an archive as well; forms, tables and tensors
that lie about themselves; JSON that is deep, long, doubled or no number.
"""

import base64
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from PIL import Image

PREDICT, INVOKE = "/v1/models/waste/predict", "/models/waste/invocations"
INFER = "/v2/models/waste/infer"
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@dataclass(frozen=True)
class Attack:
    """One request, and what it is called."""

    name: str
    path: str
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def chunk(kind: bytes, data: bytes, *, whole: bool = True) -> bytes:
    """A chunk of a PNG, with a checksum that is right or not."""
    check = zlib.crc32(kind + data) if whole else 0
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png(
    width: int = 2, height: int = 2, *more: bytes, colour: int = 2, depth: int = 8, rows: int = -1
) -> bytes:
    """A PNG that says these things of itself; so many rows of it are there."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    there = height if rows < 0 else rows
    pixels = zlib.compress(b"".join(b"\0" + b"\x7f" * (3 * min(width, 4096)) for _ in range(there)))
    parts = [chunk(b"IHDR", header), *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1_000_000))
    return made.getvalue()


_ZIP = _archive()
_LARGE = st.sampled_from([30_000, 65_535, 2**31 - 1])
_NOISE = st.binary(max_size=300)


def _bmp(width: int, height: int) -> bytes:
    return struct.pack(
        "<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, width, height, 1, 24, *[0] * 6
    )


def _gif(width: int, height: int) -> bytes:
    size = struct.pack("<HH", width & 0xFFFF, height & 0xFFFF)
    return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b",\0\0\0\0" + size + b"\0\2\2D\1\0;"


def _tiff(width: int, height: int) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (279, 2**31)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


_MAKERS: Mapping[str, Callable[[int, int], bytes]] = {
    "PNG": lambda width, height: png(width, height, rows=1),
    "BMP": _bmp,
    "GIF": _gif,
    "TIFF": _tiff,
    "PPM": lambda width, height: f"P6 {width} {height} 255\n".encode(),
}
BOMBS = st.builds(
    lambda name, width, height: _MAKERS[name](width, height),
    st.sampled_from(sorted(_MAKERS)),
    _LARGE,
    _LARGE,
)
_TEXT_BOMB = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(90_000_000), 9))
_PROFILE_BOMB = chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(90_000_000), 9))
STUFFED = st.sampled_from(
    [
        png() + _ZIP,
        _ZIP,
        _ZIP + png(),
        png(2, 2, _TEXT_BOMB),
        png(2, 2, _PROFILE_BOMB),
        png(2, 2, chunk(b"IHDR", bytes(13))),
        png(2, 2, chunk(b"PLTE", bytes(7)), colour=3),
        png(2, 2, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        png(0, 0),
        png(2, 2, depth=255),
        png(2, 2, chunk(b"IDAT", _ZIP)),
    ]
)
_WHOLE = png(8, 8)
TRUNCATED = st.integers(0, len(_WHOLE) - 13).map(lambda end: _WHOLE[:end])


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from([_WHOLE, _jpeg(), _webp(), _gif(4, 4), _bmp(4, 4)])))
    for _ in range(draw(st.integers(1, 8))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def _encoded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(out, kind)
    return out.getvalue()


def _jpeg() -> bytes:
    return _encoded("JPEG")


def _webp() -> bytes:
    return _encoded("WEBP")


IMAGES = st.one_of(BOMBS, STUFFED, TRUNCATED, _damaged(), _NOISE)
_TYPES = st.sampled_from(
    ["image/png", "image/*", "application/octet-stream", "application/json", "text/html",
     "multipart/form-data", "multipart/form-data; boundary=b", "\xff", "", "a" * 5000]
)  # fmt: skip


@st.composite
def _forms(draw: st.DrawFn) -> Attack:
    name = draw(st.sampled_from(["file", "file", "x", '"', "f" * 9000]))
    part = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="../../x"\r\n'
    extra = draw(st.sampled_from(["", "X: y\r\n" * 200, "Content-Type: \0\r\n", "A" * 70_000]))
    body = part.encode() + extra.encode() + b"\r\n" + draw(IMAGES) + b"\r\n"
    body *= draw(st.sampled_from([1, 1, 1, 2, 50]))
    end = draw(st.sampled_from([b"--b--\r\n", b"", b"--b", b"--c--"]))
    return Attack("form", PREDICT, body + end, _FORM)


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
_CELLS = st.one_of(
    _VALUES, IMAGES.map(lambda data: base64.b64encode(data).decode()), st.sampled_from(["=", "é"])
)
_TABLES = st.builds(
    lambda form, cells: {form: cells},
    st.sampled_from(["instances", "inputs", "dataframe_records", "dataframe_split", "x"]),
    st.one_of(
        _VALUES,
        st.lists(_CELLS, max_size=70),
        st.dictionaries(st.sampled_from(["image", "x", "columns", "data"]), _CELLS, max_size=3),
        st.builds(
            lambda names, rows: {"columns": names, "data": rows},
            _VALUES,
            st.lists(st.one_of(_VALUES, st.lists(_CELLS, max_size=2)), max_size=4),
        ),
    ),
)
_TENSORS = st.fixed_dictionaries(
    {
        "name": st.one_of(st.just("image"), _VALUES),
        "shape": st.one_of(st.just([1]), _VALUES, st.lists(st.integers(), max_size=3)),
        "datatype": st.one_of(st.just("BYTES"), _VALUES),
        "data": st.one_of(st.lists(_CELLS, max_size=2), _VALUES),
    },
    optional={
        "parameters": st.one_of(_VALUES, st.builds(lambda n: {"binary_data_size": n}, _VALUES))
    },
)
_ASKED = st.fixed_dictionaries(
    {"inputs": st.one_of(st.lists(_TENSORS, max_size=2), _VALUES)},
    optional={"id": _VALUES, "outputs": _VALUES, "parameters": _VALUES},
)
_RAW_JSON = st.sampled_from(
    [
        b'{"instances": ["a"], "instances": ["b"]}',
        b'{"inputs": [], "inputs": []}',
        b'{"instances": [NaN]}',
        b'{"inputs": Infinity}',
        b'{"instances": [1e999]}',
        b'{"inputs": -1e999}',
        b'{"instances": [' + b"1" * 6000 + b"]}",
        b"[" * 60_000,
        b'{"a":' * 15_000,
        b'{"instances": ' + b"[" * 40_000,
        b'{"instances": [' + b'"",' * 30_000 + b'""]}',
        b'{"instances": ["' + b"A" * 120_000 + b'"]}',
        b'{"instances": "\\ud800"}',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"null",
        b'"',
        b"",
    ]
)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def _binary_tensors(draw: st.DrawFn) -> Attack:
    """The extension for binary data: lengths that lie, elements that do not fit."""
    images = draw(st.lists(IMAGES, min_size=1, max_size=3))
    lies = draw(st.sampled_from([0, 0, 1, 2**31, 2**32 - 1]))
    data = b"".join(struct.pack("<I", (len(one) + lies) & 0xFFFFFFFF) + one for one in images)
    size = draw(st.one_of(st.just(len(data)), _VALUES))
    tensor = {
        "name": "image", "datatype": "BYTES", "shape": [len(images)],
        "parameters": {"binary_data_size": size},
    }  # fmt: skip
    head = _dumped({"inputs": [tensor]})
    length = draw(st.sampled_from([str(len(head)), "0", "-1", "9" * 400, "x", "", "1e3"]))
    return Attack("binary", INFER, head + data, {"Inference-Header-Content-Length": length})


_ATTRIBUTES = st.one_of(
    _RAW_JSON.filter(lambda text: b"\n" not in text and len(text) < 70_000),
    st.dictionaries(st.text(max_size=6), _VALUES, max_size=4).map(_dumped),
).map(lambda text: text.decode("latin-1"))

ATTACKS = st.one_of(
    st.builds(
        lambda data, kind: Attack("image", PREDICT, data, {"Content-Type": kind}), IMAGES, _TYPES
    ),
    IMAGES.map(lambda data: Attack("image", PREDICT, data)),
    _forms(),
    _TABLES.map(lambda table: Attack("table", INVOKE, _dumped(table), _JSON)),
    _ASKED.map(lambda asked: Attack("tensor", INFER, _dumped(asked), _JSON)),
    st.builds(
        lambda data, path: Attack("json", path, data, _JSON),
        _RAW_JSON,
        st.sampled_from([INVOKE, INFER, PREDICT]),
    ),
    st.builds(
        lambda data, path, kind: Attack("noise", path, data, {"Content-Type": kind}),
        _NOISE,
        st.sampled_from([INVOKE, INFER, PREDICT]),
        _TYPES,
    ),
    _binary_tensors(),
    st.builds(
        lambda text: Attack("attributes", PREDICT, png(), {"X-Stagegate-Attributes": text}),
        _ATTRIBUTES,
    ),
)


def refused() -> Mapping[str, tuple[Attack, ...]]:
    """What has to be refused on every protocol whatever the chances, by name."""
    images = {
        "a zip behind a PNG": png() + _ZIP,
        "a zip behind a JPEG": _jpeg() + _ZIP,
        "a zip": _ZIP,
        "a text that unpacks to 90 MB": png(2, 2, _TEXT_BOMB),
        "a colour profile that unpacks to 90 MB": png(2, 2, _PROFILE_BOMB),
        "pixels that are a zip": png(2, 2, chunk(b"IDAT", _ZIP)),
        "nothing": b"",
        "half a PNG": _WHOLE[: len(_WHOLE) // 2],
        **{
            f"a {name} of 900 million pixels": make(30_000, 30_000)
            for name, make in _MAKERS.items()
        },
    }
    documents = {
        "a name twice": b'{"%s": ["a"], "%s": ["b"]}',
        "NaN": b'{"%s": [NaN]}',
        "Infinity": b'{"%s": [-Infinity]}',
        "a number that is too large": b'{"%s": [1e999]}',
        "a number of 6,000 digits": b'{"%s": [' + b"1" * 6000 + b"]}",
        "lists 60,000 deep": b'{"%s": ' + b"[" * 60_000,
        "objects 15,000 deep": b'{"%s":' + b'{"a":' * 15_000,
        "a body above the limit": b'{"%s": ["' + b"A" * 120_000 + b'"]}',
        "no JSON": b"{'%s': []}",
    }
    return {name: _everywhere(data) for name, data in images.items()} | {
        name: tuple(
            Attack(name, path, text.replace(b"%s", field), _JSON)
            for path, field in ((INVOKE, b"instances"), (INFER, b"inputs"))
        )
        for name, text in documents.items()
    }


def _everywhere(data: bytes) -> tuple[Attack, ...]:
    text = base64.b64encode(data).decode()
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    return (
        Attack("raw", PREDICT, data),
        Attack("form", PREDICT, form + data + b"\r\n--b--\r\n", _FORM),
        Attack("table", INVOKE, _dumped({"instances": [text]}), _JSON),
        Attack("tensor", INFER, _dumped({"inputs": [tensor]}), _JSON),
    )
