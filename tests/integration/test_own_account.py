"""One's own account: a new password, logging out everywhere, and what nobody else can do there."""

import re
from collections.abc import Iterator
from pathlib import Path

import command_line
import pytest
from accounts_app import ORIGIN, PASSWORD, World, log_in, world
from starlette.testclient import TestClient

from console.migrate import upgrade

pytestmark = pytest.mark.integration
NEW = "a rather different phrase"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("home")) as made:
        for name in ("ada", "rosa", "vera"):
            made.add(name, "reviewer", PASSWORD)
        yield made


def send(browser: TestClient, action: str, **fields: str):
    found = re.search(r'name="csrf_token" value="(\w+)"', browser.get("/account").text)
    assert found
    data = {"csrf_token": found[1], **fields}
    return browser.post(f"/account/{action}", data=data, headers=ORIGIN)


def change(browser: TestClient, present: str = PASSWORD, new: str = NEW, again: str = NEW):
    return send(browser, "password", present=present, password=new, again=again)


def test_a_new_password_ends_all_other_logins_and_keeps_this_one(service: World):
    with service.logged_in("ada") as here, service.logged_in("ada") as elsewhere:
        key = service.key("ada")
        answer = change(here)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account?changed=true")
        assert "You have a new password" in here.get("/account?changed=true").text
        assert elsewhere.get("/v1/me").status_code == 401
        assert service.client.get("/v1/me", headers=key).status_code == 200
        assert send(here, "logout").status_code == 303
    with service.browser() as browser:
        assert log_in(browser, "ada").status_code == 401
        assert log_in(browser, "ada", NEW).status_code == 303
    log = service.client.get("/v1/audit", headers=service.owner).json()["events"]
    (event,) = (e for e in log if e["action"] == "password set" and e["detail"]["person"] == "ada")
    assert (event["actor"], NEW in str(log)) == ("ada", False)


def test_what_is_wrong_is_said_and_nothing_changes(service: World):
    with service.logged_in("rosa") as browser:
        for said, answer in (
            ("That is not your present password", change(browser, present="guess")),
            ("did not write the same", change(browser, again="another phrase here")),
            ("a password has 12", change(browser, new="short", again="short").text.lower()),
        ):
            text = answer if isinstance(answer, str) else answer.text
            assert said.lower() in text.lower()
            assert NEW not in text
        assert browser.get("/v1/me").status_code == 200
        without_token = {"present": PASSWORD, "password": NEW, "again": NEW}
        assert browser.post("/account/password", data=without_token, headers=ORIGIN).is_error
    with service.browser() as browser:
        assert log_in(browser, "rosa").status_code == 303


def test_an_open_session_is_no_place_to_guess_the_password_at(service: World):
    with service.logged_in("vera") as browser:
        told = [change(browser, present=f"guess {n}").status_code for n in range(11)]
        assert told == [403] * 10 + [429]
        assert change(browser).status_code == 429


def test_logging_out_everywhere_ends_every_login(service: World):
    with service.logged_in("rosa") as here, service.logged_in("rosa") as elsewhere:
        answer = send(here, "logout")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
        assert [b.get("/v1/me").status_code for b in (here, elsewhere)] == [401, 401]


def test_the_command_line_changes_ones_own_password_after_the_present_one(tmp_path: Path):
    upgrade(f"sqlite:///{tmp_path}/stagegate.db")
    calls = {"home": tmp_path, "STAGEGATE_AUTH": "on"}
    command_line.stagegate(
        "user", "add", "ada", "--role=admin", "--password-stdin", said=f"{PASSWORD}\n", **calls
    )
    key = command_line.stagegate("key", "create", "ada", **calls).stdout.strip()
    own = ("user", "password", "--password-stdin")
    wrong = command_line.stagegate(*own, said=f"guess\n{NEW}\n", STAGEGATE_API_KEY=key, **calls)
    assert (wrong.returncode, "not your present password" in wrong.stderr) == (1, True)
    right = command_line.stagegate(
        *own, said=f"{PASSWORD}\n{NEW}\n", STAGEGATE_API_KEY=key, **calls
    )
    assert right.stdout == "ada, you have a new password, and are logged out everywhere.\n"
