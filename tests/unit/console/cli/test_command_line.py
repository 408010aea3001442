"""The command line's own rules: where options may stand, exit codes, and how errors read."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from command_line import stagegate

from console.cli.main import hoist
from console.cli.rollout import exit_code, seconds
from console.cli.session import table


def a_rollout(**changes: object) -> dict[str, object]:
    return {"stage": "gradual", "paused": None, "gates": [], **changes}


def a_gate(verdict: str, **changes: object) -> dict[str, object]:
    return {"type": "error-rate", "verdict": verdict, "dry_run": False, **changes}


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a database and nothing in it."""
    home = tmp_path_factory.mktemp("home")
    assert stagegate("db", "upgrade", home=home).returncode == 0
    return home


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (["rollout", "get", "waste", "--json"], ["--json", "rollout", "get", "waste"]),
        (["db", "check", "--home", "/x"], ["--home", "/x", "db", "check"]),
        (["db", "check", "--home=/x", "--debug"], ["--home=/x", "--debug", "db", "check"]),
        (["predict", "m", "--", "--json"], ["predict", "m", "--", "--json"]),
        (["db", "check", "--server"], ["--server", "db", "check"]),
    ],
)
def test_global_options_may_stand_anywhere_before_a_double_dash(
    typed: list[str], understood: list[str]
):
    assert hoist(typed) == understood


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (a_rollout(stage="live"), 0),
        (a_rollout(stage="manual-review"), 3),
        (a_rollout(gates=[a_gate("inconclusive")]), 3),
        (a_rollout(gates=[a_gate("stale")]), 4),
        (a_rollout(gates=[a_gate("failed", dry_run=True)]), 3),
        (a_rollout(paused={"by": "ada", "reason": ""}), 4),
        (a_rollout(stage="rolled-back", paused={"by": "ada", "reason": ""}), 5),
        (a_rollout(stage="rejected"), 5),
    ],
)
def test_status_tells_a_script_how_a_rollout_stands(document: dict[str, object], code: int):
    assert exit_code(document) == code


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("60s", 60), ("5m", 300), ("2h", 7200)])
def test_durations_have_units(text: str, value: float):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "soon", "5d", "m"])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(typer.BadParameter, match="is no duration"):
        seconds(text)


def test_columns_are_as_wide_as_their_longest_cell():
    lines = table(("a", "long header"), [("value", None), (1, 0.12345)]).splitlines()
    assert lines == ["a      long header", "value  -", "1      0.123"]


def test_wrong_usage_exits_2():
    assert stagegate("rollout", "promote").returncode == 2
    assert stagegate("no-such-command").returncode == 2


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("review", "list", "--state", "lost"), "--state: Input should be"),
        (("drift", "waste", "--window", "soon"), "--window: a number and s, m, h or d"),
        (("drift", "waste", "--window", "900d"), "--window: at most 30d"),
    ],
)
def test_wrong_usage_that_the_service_finds_names_the_option_and_exits_2(
    migrated: Path, words: tuple[str, ...], named: str
):
    done = stagegate(*words, home=migrated)
    assert done.returncode == 2
    assert done.stderr.startswith(f"stagegate: {named}")
    assert "query" not in done.stderr


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        (("rollout", "promote"), "Missing argument 'model'."),
        (("no-such-command",), "No such command"),
        (("rollout", "history", "waste", "--limit", "0"), "Invalid value for '--limit'"),
        (("rollout", "status", "waste", "--timeout", "soon"), "'soon' is no duration"),
    ],
)
def test_with_json_wrong_usage_is_one_problem_document_too(words: tuple[str, ...], detail: str):
    done = stagegate(*words, "--json")
    problem = json.loads(done.stdout)
    assert done.returncode == 2
    assert problem["title"] == "Wrong usage"
    assert detail in problem["detail"]
    assert detail in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("model", "list"), "No version is registered"),
        (("review", "list"), "No item is open."),
        (("review", "list", "--state", "all"), "The queue has no items yet."),
        (("review", "list", "--state", "ready"), "No item is ready."),
        (("webhook", "list"), "No webhook is set up"),
    ],
)
def test_an_empty_list_is_a_sentence_and_no_bare_header(
    migrated: Path, words: tuple[str, ...], sentence: str
):
    done = stagegate(*words, home=migrated)
    assert done.returncode == 0
    assert done.stdout.startswith(sentence)
    assert len(done.stdout.splitlines()) == 1


def test_an_error_is_one_sentence_and_exit_1(tmp_path: Path):
    done = stagegate("db", "check", home=tmp_path / "empty")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("stagegate: the database is empty; run `stagegate db upgrade`")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_pickle_without_trust_is_refused_before_anything_is_opened(tmp_path: Path):
    """Not even the database, which is not there."""
    export = tmp_path / "export.pkl"
    export.write_bytes(b"unread")
    words = ("register", "waste", str(export), "--format", "fastai", "--training-data", ".")
    done = stagegate("model", *words, home=tmp_path / "home")
    assert done.returncode == 1
    assert "--trust-pickle" in done.stderr
    assert not (tmp_path / "home").exists()


def test_with_json_an_error_is_also_a_problem_document(tmp_path: Path):
    done = stagegate("db", "check", "--json", home=tmp_path / "empty")
    problem = json.loads(done.stdout)
    assert done.returncode == 1
    assert problem["title"] == "Wrong database revision"
    assert "stagegate db upgrade" in problem["detail"]


def test_a_server_that_is_not_there_is_named():
    done = stagegate("rollout", "get", "waste", "--server", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path):
    done = stagegate("db", "check", "--debug", home=tmp_path / "empty")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_the_database_can_be_brought_up_and_checked(tmp_path: Path):
    assert stagegate("db", "upgrade", home=tmp_path).returncode == 0
    done = stagegate("db", "check", "--json", home=tmp_path)
    assert json.loads(done.stdout)["up_to_date"] is True


@pytest.fixture
def home(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """A home whose database is there."""
    shutil.copyfile(migrated_sqlite, tmp_path / "stagegate.db")
    return tmp_path


def test_a_command_without_a_running_service_speaks_to_the_application_in_process(home: Path):
    done = stagegate("rollout", "get", "waste", home=home)
    assert done.returncode == 1
    assert "waste" in done.stderr
    assert "Traceback" not in done.stderr


def test_predictions_need_a_running_service(tmp_path: Path):
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(b"")
    done = stagegate("predict", "waste", str(picture), home=tmp_path)
    assert done.returncode == 1
    assert "start it with `stagegate up`" in done.stderr


def test_lint_names_the_line_of_a_problem(home: Path):
    plan = home / "plan.yaml"
    plan.write_text("apiVersion: stagegate/v1\nmodel: {name: waste, version: 1}\nstagess: []\n")
    done = stagegate("rollout", "lint", str(plan), home=home)
    assert done.returncode == 1
    assert f"{plan}:3:" in done.stdout


def test_forgetting_somebody_asks_first_and_deletes_nothing_without_a_yes(migrated: Path):
    done = stagegate("forget", "waste", "user_id=7", home=migrated)
    assert done.returncode == 1
    assert "They cannot be brought back" in done.stderr
    assert "no model waste" not in done.stderr, "it did not get as far as to look"


def test_a_dry_run_of_forgetting_asks_nothing(migrated: Path):
    done = stagegate("forget", "waste", "user_id=7", "--dry-run", home=migrated)
    assert done.returncode == 1
    assert "They cannot be brought back" not in done.stderr
    assert "waste" in done.stderr


@pytest.mark.parametrize("subject", ["user_id", "=7", "user_id="])
def test_forgetting_somebody_needs_an_attribute_and_its_value(subject: str, migrated: Path):
    done = stagegate("forget", "waste", subject, home=migrated)
    assert done.returncode == 1
    assert "write for example user_id=7" in done.stderr
