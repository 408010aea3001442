"""Who people are and what they may do."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from console import problems
from registry.api.actor import SCOPE_KEY, Actor, Lead, Who
from registry.domain.errors import Invalid
from registry.domain.people import (
    ApiKey,
    Identity,
    Person,
    Role,
    folded,
    valid_account_name,
    valid_password,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def a_person(role: Role = Role.ENGINEER, **changes: object) -> Person:
    return Person("ada", role, NOW, "root", **changes)  # type: ignore[arg-type]


def a_key(role: Role, **changes: object) -> ApiKey:
    return ApiKey("sgk_12345678", "hash", "ada", role, "", NOW, "root", **changes)  # type: ignore[arg-type]


def test_each_role_may_what_the_one_before_it_may():
    roles = list(Role)
    for low, one in enumerate(roles):
        assert [one.includes(other) for other in roles] == [low >= rank for rank in range(4)]


def test_a_key_never_does_more_than_its_person():
    for key_role in Role:
        for person_role in Role:
            found = a_key(key_role).identity(a_person(person_role))
            assert person_role.includes(found.role)
            assert key_role.includes(found.role)


def test_an_admin_is_a_lead_and_others_only_if_made_one():
    assert a_person(Role.ADMIN).identity.lead
    assert not a_person(Role.ENGINEER).identity.lead
    assert a_person(Role.REVIEWER, lead=True).identity.lead


def test_a_lesser_key_of_a_lead_is_no_lead():
    lead = a_person(Role.ENGINEER, lead=True)
    assert not a_key(Role.REVIEWER).identity(lead).lead
    assert a_key(Role.ENGINEER).identity(lead).lead


def test_a_key_ends_when_it_expires_or_is_revoked():
    assert a_key(Role.VIEWER).works(NOW)
    assert a_key(Role.VIEWER, expires_at=NOW + timedelta(seconds=1)).works(NOW)
    assert not a_key(Role.VIEWER, expires_at=NOW).works(NOW)
    assert not a_key(Role.VIEWER, revoked_at=NOW).works(NOW)


def test_a_person_and_a_key_print_no_secret():
    assert "argon" not in repr(a_person(password_hash="$argon2id$"))
    assert "'hash'" not in repr(a_key(Role.VIEWER))


def test_names_that_look_alike_are_one_name():
    assert folded("Ada") == folded("ada") == folded("\uff21DA")
    assert valid_account_name("\uff41da") == "ada"


@pytest.mark.parametrize("name", ["", "<b>", "a;b", " ada", "x" * 129, "anonymous", "Controller"])
def test_an_odd_name_or_one_that_stands_for_nobody_is_refused(name: str):
    with pytest.raises(Invalid):
        valid_account_name(name)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "has 5"),
        ("x" * 1025, "has 1025"),
        ("ada-lovelace1", "little more than the name"),
        ("abababababababab", "repeats"),
    ],
)
def test_a_weak_password_is_refused_without_repeating_it(password: str, said: str):
    with pytest.raises(Invalid, match=said) as caught:
        valid_password(password, "Ada-Lovelace")
    assert password not in str(caught.value)


def test_a_few_words_make_a_password():
    assert valid_password("correct horse battery", "ada") == "correct horse battery"


def asked(identity: Identity | str | None, path: str) -> tuple[int, object]:
    app = FastAPI()
    problems.install(app)

    @app.get("/actor")
    def actor(name: Actor, who: Who) -> list[object]:
        return [name, who.role, who.lead]

    @app.get("/lead")
    def lead(name: Lead) -> str:
        return name

    async def authenticated(scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "http" and identity != "accounts are off":
            scope[SCOPE_KEY] = identity
        await app(scope, receive, send)  # type: ignore[arg-type]

    with TestClient(authenticated) as client:
        found = client.get(path, headers={"X-Stagegate-Actor": "grace"})
        return found.status_code, found.json()


def test_without_accounts_the_caller_is_believed_and_may_do_everything():
    assert asked("accounts are off", "/actor") == (200, ["grace", "admin", True])


def test_with_accounts_only_what_was_authenticated_counts():
    ada = Identity("ada", Role.REVIEWER)
    assert asked(ada, "/actor") == (200, ["ada", "reviewer", False])
    assert asked(None, "/actor")[0] == 401


def test_only_a_lead_passes_where_a_lead_is_needed():
    assert asked(Identity("ada", Role.REVIEWER, lead=True), "/lead") == (200, "ada")
    status, problem = asked(Identity("ada", Role.ENGINEER), "/lead")
    assert status == 403
    assert "ada is not a lead" in str(problem)
