"""What `predict` prints when some of its files are answered and some are not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import typer

from console.cli.predict import predict
from console.cli.session import Session
from console.client import Client


class Picky:
    """A service that reads nothing but b"picture"."""

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        if request["content"] == b"picture":
            answer = {"status": "final", "prediction": "glass", "version": 3, "decided_by": "model"}
            return httpx.Response(200, json=answer)
        return httpx.Response(415, json={"title": "Unsupported input", "detail": "no image"})


class Wired(Session):
    @contextmanager
    def client(self, *, running: bool = False) -> Iterator[Client]:
        yield Client(Picky(), {})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = {"a.jpg": b"picture", "bad.jpg": b"text", "c.jpg": b"picture"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in contents]


def ask(files: list[Path], *, as_json: bool) -> None:
    context: Any = SimpleNamespace(find_root=lambda: SimpleNamespace(obj=Wired(json=as_json)))
    predict(context, "waste", files)


def test_a_bad_file_is_named_and_keeps_back_no_answer(
    files: list[Path], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(typer.Exit) as ended:
        ask(files, as_json=False)
    told = capsys.readouterr()
    assert ended.value.exit_code == 1
    assert [line.split(":")[0] for line in told.out.splitlines()] == [str(files[0]), str(files[2])]
    assert told.err == f"stagegate: {files[1]}: no image\n"


def test_with_json_answers_and_errors_are_one_document(
    files: list[Path], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(typer.Exit):
        ask(files, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [each["file"] for each in found["predictions"]] == [str(files[0]), str(files[2])]
    (error,) = found["errors"]
    assert (error["file"], error["detail"]) == (str(files[1]), "no image")


def test_if_all_are_answered_nothing_is_raised(
    files: list[Path], capsys: pytest.CaptureFixture[str]
):
    ask([files[0], files[2]], as_json=True)
    assert json.loads(capsys.readouterr().out)["errors"] == []
