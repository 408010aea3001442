"""Folders to work in go with their maker, whatever becomes of it."""

import os
import signal
import threading
from pathlib import Path

import pytest

from registry.adapters.scratch_folders import folder_beside, scratch_folder

PREFIX = "making-"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_inside(parent: Path) -> None:
    """A process that is killed while it has a folder with a file in it."""
    child = os.fork()
    if not child:
        with scratch_folder(parent, PREFIX) as folder:
            (folder / "half").write_text("done")
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_folder_is_removed_at_the_end_also_after_an_error(tmp_path: Path):
    with pytest.raises(FileExistsError), scratch_folder(tmp_path, PREFIX) as folder:
        folder.mkdir()
    assert names(tmp_path) == []


def test_a_folder_that_got_another_name_stays(tmp_path: Path):
    with folder_beside(tmp_path / "deep" / "out") as folder:
        (folder / "whole").write_text("done")
        folder.rename(tmp_path / "deep" / "out")
    assert names(tmp_path / "deep") == ["out"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path):
    killed_inside(tmp_path)
    assert len(names(tmp_path)) == 1
    with scratch_folder(tmp_path, PREFIX) as folder:
        assert names(tmp_path) == [folder.name]
    assert names(tmp_path) == []


def test_a_folder_of_a_living_maker_is_left_alone(tmp_path: Path):
    killed_inside(tmp_path)
    with scratch_folder(tmp_path, PREFIX) as first, scratch_folder(tmp_path, PREFIX) as second:
        assert names(tmp_path) == sorted([first.name, second.name])


def test_other_folders_files_and_links_are_nobodys_business(tmp_path: Path):
    beside = tmp_path / "out"
    others = [".out.backup", ".out", "out.old"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / ".out.stagegate-file").write_text("kept")
    (tmp_path / ".out.stagegate-link").symlink_to(tmp_path / ".out.backup")
    with folder_beside(beside):
        pass
    assert names(tmp_path) == sorted([*others, ".out.stagegate-file", ".out.stagegate-link"])


def test_many_at_once_each_keep_their_own(tmp_path: Path):
    kept = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(20):
            with scratch_folder(tmp_path, PREFIX) as folder:
                (folder / "mine").write_text(str(number))
                kept.append((folder / "mine").read_text() == str(number))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == [True] * 160
    assert names(tmp_path) == []
