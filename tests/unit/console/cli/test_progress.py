"""Long steps are told of in a log too, where no bar can be drawn."""

import pytest

from console.cli.progress import bars


def test_a_log_says_when_each_step_begins_and_ends(capsys: pytest.CaptureFixture[str]):
    with bars(quiet=False) as tell:
        tell("reading the export", 0, 1)
        assert capsys.readouterr().err == "reading the export ...\n", "said at once"
        tell("reading the export", 1, 1)
        tell("profiling", 0, 3)
        for done in (1, 2, 3):
            tell("profiling", done, 3)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "reading the export: done in 0 s", "profiling ...", "profiling: done in 0 s",
    ]  # fmt: skip


def test_a_step_of_nothing_is_no_endless_one(capsys: pytest.CaptureFixture[str]):
    with bars(quiet=False) as tell:
        tell("profiling", 0, 0)
    assert capsys.readouterr().err == "profiling ...\n"


def test_programs_that_want_json_hear_nothing(capsys: pytest.CaptureFixture[str]):
    with bars(quiet=True) as tell:
        tell("reading the export", 0, 1)
        tell("reading the export", 1, 1)
    assert capsys.readouterr() == ("", "")
