"""Asking a process that may say anything."""

import json
from pathlib import Path

import pytest

from registry.adapters.subprocesses import ask, parse
from registry.domain.errors import Invalid, StagegateError

CHILD = "tests.answering_child"


def framed(head: object, rest: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(head).encode()
    return (len(text) if length is None else length).to_bytes(8, "big") + text + rest


def test_an_answer_is_a_document_and_blobs_from_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SECRET", "token")
    answer = ask(CHILD, {"say": "hello"}, tmp_path, seconds=60, most_bytes=1000)
    assert answer.document == {"home": str(tmp_path), "secret": None}
    assert answer.blobs == {"a": b"one", "b": b""}


def test_modules_in_its_working_directory_are_not_imported(tmp_path: Path):
    (tmp_path / "json.py").write_text("raise SystemExit('taken over')")
    answer = ask(CHILD, {"say": "hello"}, tmp_path, seconds=60, most_bytes=1000)
    assert answer.blobs["a"] == b"one"


def test_an_answer_that_grows_beyond_what_was_agreed_is_cut_off(tmp_path: Path):
    with pytest.raises(Invalid, match="larger than"):
        ask(CHILD, {"say": "much"}, tmp_path, seconds=60, most_bytes=1000)


@pytest.mark.parametrize(
    ("say", "message"),
    [
        ("refuse", "^no, because$"),
        ("fail", r"RuntimeError: went wrong\)$"),
        ("memory", "more memory"),
    ],
)
def test_a_refusal_comes_back_as_its_sentence(say: str, message: str, tmp_path: Path):
    with pytest.raises(Invalid, match=message):
        ask(CHILD, {"say": say}, tmp_path, seconds=60, most_bytes=1000)


@pytest.mark.parametrize(("say", "message"), [("die", "SIGKILL"), ("exit", "status 1.*goodbye")])
def test_a_process_that_dies_is_said_to_have_died(say: str, message: str, tmp_path: Path):
    with pytest.raises(StagegateError, match=message):
        ask(CHILD, {"say": say}, tmp_path, seconds=60, most_bytes=1000)


def test_a_process_that_hangs_is_ended(tmp_path: Path):
    with pytest.raises(Invalid, match="too long"):
        ask(CHILD, {"say": "hang"}, tmp_path, seconds=3, most_bytes=1000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        framed({}, length=10**12),
        framed([1, 2]),
        framed({"blobs": [["a", 5]]}, b"123"),
        framed({"blobs": [["a", 2]]}, b"123"),
        framed({"blobs": [["a", -1], ["b", 4]]}, b"123"),
        framed({"blobs": [["a", "3"]]}, b"123"),
        framed({"document": {}, "more": 1}),
        (5).to_bytes(8, "big") + b"{nope",
    ],
)
def test_an_answer_that_is_not_what_was_agreed_is_refused(data: bytes):
    with pytest.raises(Invalid, match="the answer of the process"):
        parse(data)
