"""Logging in through a real OpenID provider, and everything about it that may be wrong."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa
from accounts_app import ORIGIN, PASSWORD, World, log_in, world
from openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, provider
from starlette.testclient import TestClient

from console.provider import Attempt
from registry.adapters.database.people_tables import provider_login
from registry.domain.errors import Forbidden

pytestmark = pytest.mark.integration

CALLBACK = "http://testserver/login/provider/callback"
ADA = {"sub": "0001", "preferred_username": "ada", "roles": ["ml-people", "qa"]}


@pytest.fixture(scope="module")
def openid() -> Iterator[Provider]:
    with provider() as made:
        made.client.redirect_uris.append(CALLBACK)
        yield made


@pytest.fixture(scope="module")
def service(openid: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(
        tmp_path_factory.mktemp("home"),
        oidc_issuer=openid.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_roles="ml-people=engineer, qa=reviewer, heads=lead, all=viewer",
        oidc_label="the university",
    ) as made:
        made.add("grace", "admin", PASSWORD)
        yield made


@pytest.fixture(autouse=True)
def afresh(openid: Provider) -> None:
    openid.said.clear()
    openid.user = dict(ADA)
    openid.signing_key = openid.key


def leave(browser: TestClient, back: str = "/audit") -> str:
    """The provider's address that the login page leads to."""
    answer = browser.get("/login/provider", params={"next": back})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def consent(address: str) -> str:
    """Where the provider sends the browser back to."""
    answer = httpx.get(address)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def come_back(browser: TestClient) -> httpx.Response:
    """The whole way."""
    return browser.get(consent(leave(browser)))


def known(browser: TestClient) -> tuple[str, str, bool]:
    """Who the service says it is, and in which role."""
    me = browser.get("/v1/me").json()
    assert not me["has_password"]
    return me["name"], me["role"], me["lead"]


def said(answer: httpx.Response) -> str:
    """The sentence on the login page."""
    assert 'id="login-problem"' in answer.text
    return answer.text


def test_an_account_is_made_at_the_first_login_and_known_at_the_next(
    service: World, openid: Provider
):
    with service.browser() as browser:
        page = browser.get("/login?next=/audit")
        assert 'href="/login/provider?next=%2Faudit">Log in with the university' in page.text
        answer = come_back(browser)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/audit")
        assert browser.get("/v1/me").json() == {
            "name": "ada",
            "role": "engineer",
            "lead": False,
            "has_password": False,
        }
    openid.user |= {"preferred_username": "ada.lovelace", "roles": ["qa", "heads"]}
    with service.browser() as browser:
        come_back(browser)
        # The same subject is the same person, now in the roles that the provider says.
        assert browser.get("/v1/me").json() == {
            "name": "ada",
            "role": "reviewer",
            "lead": True,
            "has_password": False,
        }


def test_the_provider_is_asked_with_pkce_state_and_nonce(service: World):
    with service.browser() as browser:
        asked = parse_qs(urlsplit(leave(browser)).query)
        again = parse_qs(urlsplit(leave(browser)).query)
    assert asked["code_challenge_method"] == ["S256"]
    for name, length in (("state", 43), ("nonce", 64), ("code_challenge", 43)):
        assert len(asked[name][0]) == length
        assert asked[name] != again[name]
    assert asked["redirect_uri"] == [CALLBACK]
    assert asked["scope"] == ["openid profile email"]


def test_a_way_back_works_once_and_only_in_the_browser_that_left(service: World):
    with service.browser() as browser, service.browser() as victim:
        way = consent(leave(browser))
        assert "begun elsewhere" in said(victim.get(way))
        leave(victim)
        assert "begun elsewhere" in said(victim.get(way))
        state = browser.cookies["stagegate_login"]
        assert browser.get(way).status_code == 303
        browser.cookies.set("stagegate_login", state, domain="testserver.local")
        assert "log in again" in said(browser.get(way))
        assert victim.get("/v1/me").status_code == 401


def test_strangers_who_leave_and_never_come_back_push_nobody_out(service: World):
    """Nothing is kept of them; there used to be room for 1,000."""
    with service.browser() as browser, service.browser() as stranger:
        way = consent(leave(browser))
        for _ in range(1100):
            leave(stranger)
        assert browser.get(way).status_code == 303
        assert browser.get("/v1/me").json()["name"] == "ada"
    with service.app.state.wiring.database.read() as connection:
        kept = connection.execute(sa.select(sa.func.count()).select_from(provider_login))
        assert kept.scalar_one() < 100


@pytest.mark.parametrize("change", [str.swapcase, lambda text: text[:-1], lambda text: "." + text])
def test_a_pass_that_was_not_issued_here_is_not_taken(service: World, change: Callable[[str], str]):
    with service.browser() as browser:
        way = consent(leave(browser))
        kept = browser.cookies["stagegate_login"]
        browser.cookies.clear()
        browser.cookies.set("stagegate_login", change(kept), domain="testserver.local")
        assert "begun elsewhere" in said(browser.get(way))


def test_whoever_logs_in_there_is_offered_no_password_to_change_here(service: World):
    with service.browser() as browser:
        come_back(browser)
        page = browser.get("/account").text
        assert "You log in through the university and have no password here" in page
        assert "Present password" not in page
        token = re.search(r'name="csrf_token" value="(\w+)"', page)
        assert token
        sent = {"csrf_token": token[1], "present": "", "password": PASSWORD, "again": PASSWORD}
        refused = browser.post("/account/password", data=sent, headers=ORIGIN)
        assert refused.status_code == 403
        assert "You have no password here" in refused.text
    with service.logged_in("grace") as browser:
        assert "Present password" in browser.get("/account").text


class Careless:
    """A provider that takes any code, however often."""

    issuer = "https://careless.example"

    def begin(self, redirect_uri: str, attempt: Attempt) -> str:
        return attempt.state

    def finish(self, redirect_uri: str, code: str, attempt: Attempt) -> dict[str, Any]:
        return ADA | {"preferred_username": "careless ada"}


def test_a_way_back_works_once_even_where_the_provider_takes_a_code_twice(service: World):
    door = replace(service.app.state.wiring.provider_door, provider=Careless())
    state, kept = door.leave(CALLBACK, "/audit")
    assert door.come_back(CALLBACK, state, kept, "code", "here")[1] == "/audit"
    with pytest.raises(Forbidden, match="used already"):
        door.come_back(CALLBACK, state, kept, "code", "here")


def test_a_code_of_another_login_is_not_taken(service: World):
    with service.browser() as browser, service.browser() as other:
        stolen = parse_qs(urlsplit(consent(leave(other))).query)["code"][0]
        asked = parse_qs(urlsplit(leave(browser)).query)
        answer = browser.get(CALLBACK, params={"code": stolen, "state": asked["state"][0]})
        assert "invalid_grant" in said(answer)
        assert browser.get("/v1/me").status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"iss": "http://evil.example"},
        {"aud": ["somebody-else"]},
        {"aud": [CLIENT_ID, "other"], "azp": "other"},
        {"exp": int(time.time()) - 3600},
        {"iat": int(time.time()) + 3600},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
)
def test_an_id_token_that_does_not_fit_lets_nobody_in(
    service: World, openid: Provider, wrong: dict[str, Any]
):
    # The server under test adds at_hash last, so that it is replaced through the user's claims.
    openid.said |= wrong
    with service.browser() as browser:
        answer = come_back(browser)
        assert answer.status_code == 403
        assert "is not right" in said(answer)
        assert browser.get("/v1/me").status_code == 401


def test_a_token_of_a_stranger_with_the_same_key_id_lets_nobody_in(
    service: World, openid: Provider
):
    forged = openid.new_key().as_dict(private=True) | {"kid": openid.key.kid}
    openid.signing_key = type(openid.key).import_key(forged)
    with service.browser() as browser:
        assert "is not right" in said(come_back(browser))


def test_a_provider_may_change_its_keys(service: World, openid: Provider):
    with service.browser() as browser:
        assert come_back(browser).status_code == 303
        openid.rotate()
        assert come_back(browser).status_code == 303


@pytest.mark.parametrize("roles", [None, [], ["strangers"], "strangers", {"qa": True}, ["heads"]])
def test_an_account_without_a_role_stays_out(service: World, openid: Provider, roles: Any):
    openid.user |= {"sub": "0002", "preferred_username": "eve", "roles": roles}
    with service.browser() as browser:
        assert "has no role here" in said(come_back(browser))
    people = service.client.get("/v1/people", headers=service.owner).text
    assert "eve" not in people


@pytest.mark.parametrize("name", [None, "", "<b>eve</b>", ["a", "b"], "anonymous"])
def test_an_account_without_a_usable_name_stays_out(service: World, openid: Provider, name: Any):
    openid.user |= {"sub": "0003", "preferred_username": name}
    with service.browser() as browser:
        assert come_back(browser).status_code in {403, 422}


def test_a_name_at_the_provider_opens_nobody_elses_account(service: World, openid: Provider):
    openid.user |= {"sub": "0004", "preferred_username": "Grace", "roles": "all"}
    with service.browser() as browser:
        answer = come_back(browser)
        assert answer.status_code == 409
        assert "already somebody called Grace" in said(answer)
        assert browser.get("/v1/me").status_code == 401


def test_who_is_disabled_here_stays_out(service: World, openid: Provider):
    openid.user |= {"sub": "0005", "preferred_username": "dora", "roles": "all"}
    with service.browser() as browser:
        assert come_back(browser).status_code == 303
        service.client.post("/v1/people/dora:disable", headers=service.owner)
        assert browser.get("/v1/me").status_code == 401
        assert "dora is disabled here" in said(come_back(browser))


def test_an_account_of_the_provider_has_no_password(service: World, openid: Provider):
    openid.user |= {"sub": "0006", "preferred_username": "paul", "roles": "all"}
    with service.browser() as browser:
        come_back(browser)
        assert log_in(browser, "paul", "").status_code == 401
        assert log_in(browser, "paul", PASSWORD).status_code == 401


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"error": "access_denied"}, "let nobody in (access_denied)"),
        ({"error": "<script>"}, "let nobody in (without a reason)"),
        ({}, "let nobody in"),
        ({"code": "x"}, "begun elsewhere"),
        ({"code": "x", "state": "y"}, "begun elsewhere"),
    ],
)
def test_whatever_comes_back_gets_a_sentence(service: World, query: dict[str, str], sentence: str):
    with service.browser() as browser:
        leave(browser)
        answer = browser.get(CALLBACK, params=query)
        assert sentence in said(answer)
        assert "<script>" not in answer.text.split("<body")[1]


def test_a_provider_that_is_away_leaves_the_password(tmp_path: Path):
    with world(tmp_path, oidc_issuer="http://127.0.0.1:9", oidc_client_id="x") as alone:
        alone.add("ada", "viewer", PASSWORD)
        with alone.browser() as browser:
            answer = browser.get("/login/provider")
            assert answer.status_code == 503
            assert "cannot be reached just now" in said(answer)
            assert log_in(browser, "ada").status_code == 303


def test_a_description_of_another_issuer_is_refused(openid: Provider, tmp_path: Path):
    elsewhere = openid.issuer.replace("127.0.0.1", "localhost")
    with (
        world(tmp_path, oidc_issuer=elsewhere, oidc_client_id="x") as confused,
        confused.browser() as browser,
    ):
        assert "correct STAGEGATE_OIDC_ISSUER" in said(browser.get("/login/provider"))
