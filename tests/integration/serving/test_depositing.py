"""Inputs that come at the same time share their waits for the disk, and lose nothing by it."""

import errno
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from killed import said_until_killed
from waiting import PATIENCE

from registry.domain.errors import Unavailable
from serving.adapters import disk_bodies
from serving.adapters.depositing import Depositor
from serving.adapters.payloads import PayloadStore

pytestmark = pytest.mark.integration
BODIES = [f"body {number}".encode() for number in range(40)]


def stored_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def named(folder: Path, bodies: list[bytes] = BODIES) -> list[disk_bodies.Body]:
    return [(str(folder / f"{number % 4}" / f"b{number}"), b) for number, b in enumerate(bodies)]


def test_what_many_bring_at_once_is_stored_once_each(tmp_path: Path):
    store = PayloadStore(str(tmp_path))
    with ThreadPoolExecutor(8) as callers:
        futures = list(callers.map(store.deposit, BODIES * 3))
    digests = [future.result(PATIENCE) for future in futures]
    assert digests[:40] == digests[40:80] == digests[80:]
    assert [store.get(digest) for digest in digests[:40]] == BODIES
    assert len(stored_in(tmp_path)) == 40


def test_where_nothing_can_be_synced_together_each_waits_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(disk_bodies, "_SYSTEMS", frozenset())
    store = PayloadStore(str(tmp_path))
    futures = [store.deposit(body) for body in BODIES]
    assert [store.get(future.result(PATIENCE)) for future in futures] == BODIES


def test_whoever_dies_has_whole_inputs_for_all_that_it_acknowledged(tmp_path: Path):
    program = Path(__file__).parents[2] / "depositing_child.py"
    said = said_until_killed(200, program, str(tmp_path))
    store = PayloadStore(str(tmp_path))
    whole = [line.rstrip("\n").split("\t") for line in said if line.endswith("\n")]
    assert len(whole) >= 200
    assert all(store.get(digest) == data.encode() for digest, data in whole)


def test_nobody_hears_of_a_body_before_the_disk_has_it(tmp_path: Path):
    waits, free = threading.Event(), threading.Event()

    def sync_all() -> None:
        waits.set()
        assert free.wait(PATIENCE)

    def keep(bodies: list[bytes]) -> list[str | Exception]:
        ended = disk_bodies.keep_together(named(tmp_path, bodies), sync_all)
        return ["stored" if error is None else error for error in ended]

    group = threading.Thread(target=lambda: ended.extend(keep(BODIES)))
    ended: list[str | Exception] = []
    group.start()
    assert waits.wait(PATIENCE)
    assert sorted(stored_in(tmp_path).values()) == sorted(BODIES)
    assert not ended
    free.set()
    group.join(PATIENCE)
    assert ended == ["stored"] * len(BODIES)


def test_what_comes_while_the_disk_is_waited_for_is_one_group(tmp_path: Path):
    busy, free, groups = threading.Event(), threading.Event(), list[int]()

    def keep(bodies: Sequence[bytes]) -> list[str | Exception]:
        groups.append(len(bodies))
        busy.set()
        assert free.wait(PATIENCE)
        return ["stored"] * len(bodies)

    depositor = Depositor(keep)
    alone = depositor.put(b"alone")
    assert busy.wait(PATIENCE)
    others = [depositor.put(body) for body in BODIES]
    assert others[3].cancel(), "whoever has left leaves the group"
    free.set()
    assert alone.result(PATIENCE) == "stored"
    wait(others, PATIENCE)
    assert groups == [1, 39]


def test_an_input_that_cannot_be_written_fails_alone(tmp_path: Path):
    (tmp_path / "1").write_bytes(b"where a folder should be")
    ended = disk_bodies.keep_together(named(tmp_path), lambda: None)
    assert [number for number, error in enumerate(ended) if error] == list(range(1, 40, 4))
    for (path, body), error in zip(named(tmp_path), ended, strict=True):
        assert error or Path(path).read_bytes() == body


def away() -> None:
    raise OSError(errno.EIO, "somebody's block is lost")


def test_an_error_that_is_another_files_refuses_nobody(tmp_path: Path):
    assert not any(disk_bodies.keep_together(named(tmp_path), away))
    assert sorted(stored_in(tmp_path).values()) == sorted(BODIES)


def test_a_body_that_does_not_reach_the_disk_is_refused_and_not_taken_for_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "0").mkdir()
    old = named(tmp_path)[0]
    disk_bodies.keep(*old)
    sync: Callable[[int], None] = os.fsync
    lost = {"b4", "b0"}

    def one_is_lost(file: int) -> None:
        name = os.readlink(f"/proc/self/fd/{file}").rsplit("/", 1)[1]
        if name in lost:
            raise OSError(errno.EIO, "its block is lost")
        sync(file)

    monkeypatch.setattr(os, "fsync", one_is_lost)
    ended = disk_bodies.keep_together(named(tmp_path), away)
    assert [number for number, error in enumerate(ended) if error] == [0, 4]
    assert "b4" not in stored_in(tmp_path), "or the next sender would be told that it is there"
    assert "b0" in stored_in(tmp_path), "that one was another's"


def test_a_store_that_has_no_room_says_so_to_whoever_brought_something(tmp_path: Path):
    store = PayloadStore(str(tmp_path))
    for folder in range(256):
        (tmp_path / f"{folder:02x}").write_bytes(b"in the way")
    futures = [store.deposit(body) for body in BODIES]
    wait(futures, PATIENCE)
    for future in futures:
        with pytest.raises(Unavailable, match="could not be stored"):
            future.result()
    assert len(stored_in(tmp_path)) == 256
