"""`stagegate user` and `stagegate key` on a home with accounts, without any login."""

from pathlib import Path

import command_line
import pytest
import typer

from console.cli import key, user
from console.cli.session import Session
from console.migrate import upgrade
from registry.domain.errors import Forbidden, Invalid, Unauthenticated

PASSWORD = "correct horse battery"


def stagegate(home: Path, *words: str, said: str = "", **env: str):
    return command_line.stagegate(*words, home=home, said=said, STAGEGATE_AUTH="on", **env)


def test_the_first_admin_and_a_key_are_made_on_the_home_and_the_key_acts(tmp_path: Path):
    upgrade(f"sqlite:///{tmp_path}/stagegate.db")
    added = stagegate(
        tmp_path, "user", "add", "ada", "--role=admin", "--password-stdin", said=f"{PASSWORD}\n"
    )
    assert (added.returncode, added.stdout) == (0, "ada is admin.\n")
    made = stagegate(tmp_path, "key", "create", "Ada", "--role=reviewer", "--expires=90d")
    assert made.stdout.startswith("sgk_")
    assert "A key of ada as reviewer, until" in made.stderr
    acting = {"STAGEGATE_API_KEY": made.stdout.strip()}
    refused = stagegate(tmp_path, "user", "list", **acting)
    assert refused.returncode == 1
    assert "needs the role admin, and you are ada, reviewer" in refused.stderr


def test_whoever_shows_a_key_acts_as_its_person_whatever_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    upgrade(f"sqlite:///{tmp_path}/stagegate.db")
    said = f"{PASSWORD}\n"
    stagegate(tmp_path, "user", "add", "ada", "--role=admin", "--password-stdin", said=said)
    keys = [
        stagegate(tmp_path, "key", "create", "ada", f"--role={role}").stdout.strip()
        for role in ("engineer", "reviewer")
    ]
    monkeypatch.delenv("STAGEGATE_AUTH", raising=False)
    monkeypatch.delenv("STAGEGATE_ACTOR", raising=False)
    here = Session(tmp_path)
    assert here.actor() != "ada"
    monkeypatch.setenv("STAGEGATE_API_KEY", keys[0])
    assert here.actor() == "ada"
    monkeypatch.setenv("STAGEGATE_ACTOR", "grace")
    with pytest.raises(Forbidden, match="the key is ada's, but STAGEGATE_ACTOR is 'grace'"):
        here.actor()
    monkeypatch.setenv("STAGEGATE_ACTOR", "ada")
    assert here.actor() == "ada"
    monkeypatch.setenv("STAGEGATE_API_KEY", keys[1])
    with pytest.raises(Forbidden, match="this needs the role engineer, and ada is reviewer"):
        here.actor()
    monkeypatch.setenv("STAGEGATE_API_KEY", "sgk_nobodys")
    with pytest.raises(Unauthenticated, match="unknown to this home"):
        here.actor()


def test_without_a_terminal_somebody_must_say_where_the_password_comes_from(tmp_path: Path):
    asked = stagegate(tmp_path, "user", "add", "ada", "--role=admin")
    assert asked.returncode == 1
    assert "use --password-stdin or --generate" in asked.stderr
    weak = stagegate(tmp_path, "user", "password", "ada", "--password-stdin", said="short")
    assert "has 5" in weak.stderr


def test_a_password_comes_from_one_place():
    with pytest.raises(typer.BadParameter):
        user._password("ada", from_stdin=True, generate=True)
    one, other = (user._password("ada", from_stdin=False, generate=True) for _ in "12")
    assert one != other


@pytest.mark.parametrize("text", ["", "90", "0d", "-1d", "1y", "9999999d"])
def test_a_key_lasts_for_hours_or_days(text: str):
    with pytest.raises(Invalid, match="write 90d or 12h"):
        key._length(text)
    assert key._length("36h") == key._length("1d") * 1.5


def test_the_lists_say_how_people_log_in_and_which_keys_work():
    assert "user add" in user._people([])
    assert "key create" in key._keys([])
    person = {"name": "ci", "role": "engineer", "lead": True, "login": []}
    shown = user._people([{**person, "disabled_at": "2026-11-23T00:00:00+00:00"}])
    assert "engineer, lead" in shown
    assert "keys only" in shown
    assert "disabled 2026-11-23" in shown
    times = {"used_at": None, "revoked_at": None, "expires_at": None}
    one = {"prefix": "sgk_1", "person": "ci", "role": "viewer", "label": "", **times}
    past, future = "2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"
    for changes, state in (
        ({}, "works"),
        ({"expires_at": future}, "until 2999-01-01"),
        ({"expires_at": past}, "expired 2020-01-01"),
        ({"revoked_at": past, "expires_at": future}, "revoked 2020-01-01"),
    ):
        assert state in key._keys([one | changes])
