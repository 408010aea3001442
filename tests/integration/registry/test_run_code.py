"""Learners with code of their own: run on a second, explicit word, where it can do nothing."""

import base64
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import pytest
from malice import programs
from pickled_malice import inject
from registering import stagegate

from registry.adapters.bundle import open_bundle
from registry.adapters.conversion import FastaiOriginal, JailedConverter
from registry.adapters.jail import Lock, insist_whole
from registry.adapters.subprocesses import ask
from registry.domain.errors import Invalid
from registry.domain.formats import Format
from registry.services.registration_request import Registration, check_request

LINUX = sys.platform == "linux" and platform.machine() == "x86_64"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not LINUX, reason="a whole jail is had on Linux on x86-64 alone"),
]


def test_every_harmful_program_runs_in_the_jail_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STAGEGATE_SECRET_KEY", "hush")
    marker, secret = tmp_path / "marker", tmp_path / "secret"
    secret.write_text("hush")
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)
        port = int(door.getsockname()[1])
        bodies = programs(marker, port)
        texts = {name: base64.b64encode(body).decode() for name, body in bodies.items()}
        question = {"programs": texts, "secret": str(secret), "port": port}
        before = {*tmp_path.iterdir(), tmp_path / "scratch"}
        said = ask("tests.locked_child", question, tmp_path / "scratch", 300, 0).document
        with pytest.raises(BlockingIOError):
            door.accept()
    assert said["could"] == []
    assert said["outcomes"].keys() == bodies.keys()
    assert not marker.exists()
    assert set(tmp_path.iterdir()) == before
    assert not [name for name in said["environment"] if name.startswith(("STAGEGATE", "AWS"))]


def test_a_learner_with_a_layer_of_its_own_is_registered_only_on_a_second_word(
    fastai_world: Path, tmp_path: Path
):
    home, working = tmp_path / "home", tmp_path / "working"
    working.mkdir()
    assert stagegate(home, working, "db", "upgrade").returncode == 0
    words = (
        "model", "register", "own", str(fastai_world / "own.pkl"), "--trust-pickle",
        "--training-data", str(fastai_world / "training"),
    )  # fmt: skip
    refused = stagegate(home, working, *words)
    assert refused.returncode == 1
    assert "_make_skeleton_class" in refused.stdout
    assert "--run-code" in refused.stdout
    done = stagegate(home, working, *words, "--run-code")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["parity"]["passed"]
    assert document["jail"]["conversion"]["files"]
    ran = open_bundle(Path(document["bundle_uri"].removeprefix("file://"))).manifest.source.ran
    assert "cloudpickle.cloudpickle._make_skeleton_class" in ran
    again = stagegate(home, working, "model", "verify", "own@1")
    assert again.returncode == 0, again.stderr


def test_code_that_forges_the_converters_answer_is_not_believed(fastai_world: Path, tmp_path: Path):
    evil = inject(fastai_world / "own.pkl", _carried(_forging()), tmp_path / "evil.pkl")
    converter = JailedConverter(tmp_path / "scratch", run_code=True)
    with pytest.raises(Invalid, match=r"not what was agreed|cut off|out of turn"):
        converter.convert(evil)


def test_code_that_rewrites_what_the_converter_says_of_the_file_is_not_believed(
    fastai_world: Path, tmp_path: Path
):
    evil = inject(fastai_world / "own.pkl", _carried(_whitewashing()), tmp_path / "evil.pkl")
    scratch = tmp_path / "scratch"
    told = ask("registry.adapters.convert", _question(evil), scratch, 600, 1 << 28)
    assert told.document["feature_blocks"][0]["name"] == "forged"  # its code did run and could lie
    honest = JailedConverter(scratch, run_code=True).convert(fastai_world / "own.pkl")
    found = JailedConverter(scratch, run_code=True).convert(evil)
    assert found.blocks[0].name == "forged"
    assert "cloudpickle.cloudpickle._make_skeleton_class" in found.globals["unknown"]
    assert (found.labels, found.preprocessing) == (honest.labels, honest.preprocessing)
    assert found.jail == honest.jail
    assert found.jail["sentence"] != "forged"


def test_what_locked_the_original_is_not_its_own_word(fastai_world: Path, tmp_path: Path):
    evil = inject(fastai_world / "own.pkl", _carried(_whitewashing()), tmp_path / "evil.pkl")
    original = FastaiOriginal(tmp_path / "scratch", run_code=True)
    picture = next((fastai_world / "training").rglob("*.*"))
    said = original.answers(evil, [picture], 1, None)
    assert said.single_labels == ("forged",)
    assert said.jail["sentence"] != "forged"


def test_code_that_writes_a_file_while_it_is_loaded_ends_the_registration(
    fastai_world: Path, tmp_path: Path
):
    marker = tmp_path / "marker"
    evil = inject(fastai_world / "own.pkl", _carried(_touching(marker)), tmp_path / "evil.pkl")
    with pytest.raises(Invalid, match=r"Operation not permitted|PermissionError"):
        JailedConverter(tmp_path / "scratch", run_code=True).convert(evil)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        (Lock(limits=True, filter=False, sentence="none", files=True), "cannot be locked in"),
        (Lock(limits=True, filter=True, sentence="", files=False), "which files it may read"),
        (Lock(limits=False, filter=True, sentence="", files=True), "how much it may use"),
    ],
)
def test_without_every_lock_no_code_is_run_unless_that_is_said_too(lock: Lock, words: str):
    with pytest.raises(Invalid, match=words):
        insist_whole(lock, unjailed=False)
    insist_whole(lock, unjailed=True)


def test_the_second_word_needs_the_first_and_a_learner(tmp_path: Path):
    export, graph = tmp_path / "export.pkl", tmp_path / "model.pt"
    export.touch()
    graph.touch()

    def asked(path: Path, kind: Format, *, trust: bool) -> Registration:
        return Registration(
            "own", path, "ada", tmp_path, kind=kind, trust_pickle=trust, run_code=True
        )

    with pytest.raises(Invalid, match="--trust-pickle"):
        check_request(asked(export, Format.FASTAI, trust=False))
    with pytest.raises(Invalid):
        check_request(asked(graph, Format.TORCHSCRIPT, trust=True))
    check_request(asked(export, Format.FASTAI, trust=True))


def _carried(function: Callable[[], None]) -> bytes:
    """A program that carries this function and calls it."""
    return cloudpickle.dumps(function, 2)[2:-1] + b")R"


def _touching(marker: Path) -> Callable[[], None]:
    name = str(marker)

    def touch() -> None:
        open(name, "w").close()

    return touch


def _question(path: Path) -> dict[str, object]:
    return {"format": "fastai", "path": str(path), "run_code": True, "allow_unjailed": False}


def _whitewashing() -> Callable[[], None]:
    """Code that rewrites the answer of its process just before it is sent, in good form."""

    def whitewash() -> None:
        import json

        plain = json.dumps

        def dumps(said: object, *rest: object, **more: object) -> str:
            if isinstance(said, dict) and "document" in said:
                document = said["document"]
                forged = {
                    "labels": [f"forged {n}" for n in range(len(document.get("labels", ())))],
                    "jail": {"limits": True, "filter": True, "files": True, "sentence": "forged"},
                    "globals": {"unknown": [], "unusual_calls": [], "known": {}},
                    "single_labels": ["forged"],
                }
                document.update({name: forged[name] for name in forged if name in document})
                for block in document.get("feature_blocks", []):
                    block["name"] = "forged"
            return plain(said, *rest, **more)

        json.dumps = dumps

    return whitewash


def _forging() -> Callable[[], None]:
    def forge() -> None:
        said = b'{"document": {"labels": ["a", "b"]}, "blobs": []}'
        os.write(int(sys.argv[1]), len(said).to_bytes(8, "big") + said)
        os._exit(0)

    return forge
