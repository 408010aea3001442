"""Logging in over HTTP: sessions, forms, keys, and what strangers and other sites cannot do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from accounts_app import ORIGIN, PASSWORD, World, bearer, log_in, world
from starlette.testclient import TestClient

pytestmark = pytest.mark.integration

COOKIE = "stagegate_session"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("home")) as made:
        made.add("ada", "engineer", PASSWORD)
        made.add("rosa", "reviewer", PASSWORD)
        yield made


def csrf(browser: TestClient) -> str:
    found = re.search(r'name="csrf_token" value="(\w+)"', browser.get("/").text)
    assert found
    return found[1]


def me(browser: TestClient) -> int:
    return browser.get("/v1/me").status_code


def test_a_login_leads_back_to_where_it_was_needed(service: World):
    with service.browser() as browser:
        sent_away = browser.get("/audit?model=waste")
        assert sent_away.headers["Location"] == "/login?next=%2Faudit%3Fmodel%3Dwaste"
        page = browser.get(sent_away.headers["Location"])
        assert 'name="next" value="/audit?model=waste"' in page.text
        assert 'aria-label="Main"' not in page.text
        answer = log_in(browser, "ada", next="/audit?model=waste")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/audit?model=waste")
        assert "Log out" in browser.get("/audit").text
        assert browser.get("/login?next=/audit").headers["Location"] == "/audit"


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "http://["],
)
def test_a_login_never_leads_to_another_site(service: World, elsewhere: str):
    with service.browser() as browser:
        assert log_in(browser, "ada", next=elsewhere).headers["Location"] == "/"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(service: World):
    with service.browser() as browser:
        cookie = log_in(browser, "ada").headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    with service.browser("https://testserver") as browser:
        cookie = log_in(browser, "ada").headers["Set-Cookie"]
        assert cookie.startswith(f"__Host-{COOKIE}=")
        assert "Secure" in cookie
        assert me(browser) == 200


def test_a_login_changes_the_token_and_ends_the_session_before(service: World):
    with service.logged_in("ada") as browser:
        before = browser.cookies[COOKIE]
        log_in(browser, "rosa")
        assert browser.cookies[COOKIE] != before
        assert browser.get("/v1/me").json()["name"] == "rosa"
        browser.cookies.set(COOKIE, before, domain="testserver.local")
        assert me(browser) == 401


def test_logging_out_ends_the_session_itself_not_only_the_cookie(service: World):
    with service.logged_in("ada") as browser:
        token = browser.cookies[COOKIE]
        answer = browser.post("/logout", data={"csrf_token": csrf(browser)}, headers=ORIGIN)
        assert answer.headers["Location"] == "/login"
        assert COOKIE not in browser.cookies
        browser.cookies.set(COOKIE, token, domain="testserver.local")
        assert me(browser) == 401


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(service: World):
    with service.browser() as browser:
        answers = [
            log_in(browser, name, password).text.replace(name, "NAME")
            for name, password in (("ada", "wrong horse battery"), ("nobody here", PASSWORD))
        ]
    assert answers[0] == answers[1]
    assert "The name or the password is wrong" in answers[0]
    assert PASSWORD not in answers[1]


@pytest.mark.parametrize("name", ["", "\x00", "a" * 1000, "<script>", "ada; drop table person"])
def test_an_odd_name_is_only_a_wrong_one(service: World, name: str):
    with service.browser() as browser:
        assert log_in(browser, name).status_code == 401


def test_names_are_known_in_whatever_case(service: World):
    with service.browser() as browser:
        log_in(browser, " ADA ")
        assert browser.get("/v1/me").json() == {
            "name": "ada",
            "role": "engineer",
            "lead": False,
            "has_password": True,
        }


def test_what_is_changed_with_a_cookie_needs_the_pages_token(service: World):
    with service.logged_in("ada") as browser:
        path, body, token = "/v1/rollouts:lint", {"plan": ""}, csrf(browser)
        assert browser.post(path, json=body, headers=ORIGIN).status_code == 403
        wrong = ORIGIN | {"X-CSRF-Token": token[::-1]}
        assert browser.post(path, json=body, headers=wrong).status_code == 403
        right = {"X-CSRF-Token": token}
        assert browser.post(path, json=body, headers=right).status_code == 403
        evil = right | {"Origin": "http://evil.example"}
        assert browser.post(path, json=body, headers=evil).status_code == 403
        assert browser.post(path, json=body, headers=right | ORIGIN).status_code == 200


def test_a_plain_form_carries_the_token_and_arrives_whole(service: World):
    with service.logged_in("rosa") as browser:
        form = {"epoch": "1", "reason": "blurred, and ä"}
        refused = browser.post("/review/no-item/skip", data=form, headers=ORIGIN)
        assert (refused.status_code, "earlier login" in refused.text) == (403, True)
        form["csrf_token"] = csrf(browser)
        assert browser.post("/review/no-item/skip", data=form, headers=ORIGIN).status_code == 404
        del form["reason"]
        incomplete = browser.post("/review/no-item/skip", data=form, headers=ORIGIN)
        assert "write in a few words what else it is" in incomplete.text
        del form["epoch"]
        form["reason"] = "blurred"
        incomplete = browser.post("/review/no-item/skip", data=form, headers=ORIGIN)
        assert "the form is not complete: epoch" in incomplete.text


def test_the_token_of_one_session_is_none_of_another(service: World):
    with service.logged_in("ada") as one, service.logged_in("ada") as other:
        answer = one.post("/logout", data={"csrf_token": csrf(other)}, headers=ORIGIN)
        assert answer.status_code == 403
        assert me(one) == 200


def test_a_form_without_end_is_refused(service: World):
    with service.logged_in("ada") as browser:
        data = {"csrf_token": csrf(browser), "reason": "x" * 2**21}
        assert browser.post("/logout", data=data, headers=ORIGIN).status_code == 413


def test_another_site_cannot_log_anybody_in(service: World):
    with service.browser() as browser:
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "http://["}, {}):
            data = {"name": "ada", "password": PASSWORD}
            assert browser.post("/login", data=data, headers=headers).status_code == 403


def test_a_script_of_a_page_is_sent_to_the_login_and_back(service: World):
    with service.browser() as browser:
        page = {"HX-Request": "true", "HX-Current-URL": "http://testserver/review?model=waste"}
        answer = browser.get("/review/item", headers=page)
        assert answer.status_code == 401
        assert answer.headers["HX-Redirect"] == "/login?next=%2Freview%3Fmodel%3Dwaste"
        page["HX-Current-URL"] = "http://evil.example/review"
        assert browser.get("/review/item", headers=page).headers["HX-Redirect"] == "/login"


def test_a_form_sent_after_the_session_ended_leads_back_to_its_page(service: World):
    with service.browser() as browser:
        headers = ORIGIN | {"Referer": "http://testserver/review?model=waste"}
        answer = browser.post("/review/1/skip", data={"epoch": "1"}, headers=headers)
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/login?next=%2Freview%3Fmodel%3Dwaste"


def test_a_person_who_is_disabled_is_out_at_the_next_request(service: World):
    service.add("dora", "engineer", PASSWORD)
    key = service.key("dora")
    with service.logged_in("dora") as browser:
        assert (me(browser), service.client.get("/v1/me", headers=key).status_code) == (200, 200)
        done = service.client.post("/v1/people/Dora:disable", headers=service.owner)
        assert done.json()["disabled_at"]
        assert me(browser) == 401
        assert service.client.get("/v1/me", headers=key).status_code == 401
        assert log_in(browser, "dora").status_code == 401
        assert (
            service.client.post("/v1/people/dora:enable", headers=service.owner).status_code == 200
        )
        assert me(browser) == 401
        assert service.client.get("/v1/me", headers=key).status_code == 401
        assert log_in(browser, "dora").status_code == 303


def test_a_new_password_ends_all_sessions(service: World):
    service.add("paula", "viewer", PASSWORD)
    with service.logged_in("paula") as browser:
        body = {"password": "another long sentence"}
        service.client.post("/v1/people/paula:password", json=body, headers=service.owner)
        assert me(browser) == 401
        assert log_in(browser, "paula").status_code == 401
        assert log_in(browser, "paula", "another long sentence").status_code == 303


def test_another_role_counts_from_the_next_request(service: World):
    service.add("rika", "viewer", PASSWORD)
    with service.logged_in("rika") as browser:
        assert browser.get("/review").status_code == 403
        body = {"role": "reviewer", "lead": True}
        service.client.post("/v1/people/rika:change", json=body, headers=service.owner)
        assert browser.get("/review").status_code == 200
        assert browser.get("/v1/me").json() == {"name": "rika", "has_password": True, **body}


def test_the_name_that_acts_is_the_one_that_logged_in(service: World):
    with service.logged_in("ada") as browser:
        browser.cookies.set("stagegate_actor", "grace")
        assert browser.get("/v1/me").json()["name"] == "ada"
        assert browser.get("/v1/me", headers={"X-Stagegate-Actor": "ada"}).status_code == 200
        refused = browser.get("/v1/me", headers={"X-Stagegate-Actor": "grace"})
        assert refused.status_code == 403
        assert "you are ada, not 'grace'" in refused.json()["detail"]


def test_a_key_works_until_it_is_revoked_and_is_shown_once(service: World):
    key = service.key("ada", role="viewer", label="dashboard")
    assert service.client.get("/v1/me", headers=key).json()["role"] == "viewer"
    listed = service.client.get("/v1/keys", headers=service.owner)
    secret = key["Authorization"].removeprefix("Bearer ")
    assert secret not in listed.text
    [shown] = [one for one in listed.json()["keys"] if one["label"] == "dashboard"]
    assert secret.startswith(shown["prefix"])
    assert shown["used_at"]
    path = f"/v1/keys/{shown['prefix']}:revoke"
    assert service.client.post(path, headers=service.owner).json()["revoked_at"]
    refused = service.client.get("/v1/me", headers=key)
    assert refused.status_code == 401
    assert secret not in refused.text


@pytest.mark.parametrize(
    "given", ["Bearer", "Bearer sgk_", "Bearer sgk_wrong", "Basic YWRhOmFkYQ==", "sgk_wrong", ""]
)
def test_a_wrong_key_is_refused_even_beside_a_cookie(service: World, given: str):
    with service.logged_in("ada") as browser:
        answer = browser.get("/v1/me", headers={"Authorization": given})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"person": "ada", "role": "admin"}, 403),
        ({"person": "nobody"}, 404),
        ({"person": "ada", "expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"person": "ada", "expires_at": "2030-01-01T00:00:00"}, 422),
        ({"person": "ada", "scope": "all"}, 422),
    ],
)
def test_a_key_that_cannot_be_is_refused(service: World, body: dict[str, str], status: int):
    answer = service.client.post("/v1/keys", json=body, headers=service.owner)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "ADA", "role": "viewer"}, 409),
        ({"name": "controller", "role": "viewer"}, 422),
        ({"name": "<b>", "role": "viewer"}, 422),
        ({"name": "nina\x00", "role": "viewer"}, 422),
        ({"name": "nina", "role": "owner"}, 422),
        ({"name": "nina", "role": "viewer", "password": "short"}, 422),
    ],
)
def test_a_person_that_cannot_be_is_refused(service: World, body: dict[str, str], status: int):
    answer = service.client.post("/v1/people", json=body, headers=service.owner)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


def test_no_password_and_no_key_gets_into_the_log_or_the_audit_log(service: World):
    secrets = [PASSWORD, "a sentence that is long"]
    with structlog.testing.capture_logs() as lines:
        service.add("lena", "viewer", secrets[1])
        key = service.key("lena")
        with service.browser() as browser:
            log_in(browser, "lena", secrets[1])
            log_in(browser, secrets[0], "typed into the wrong field")
    assert {line["event"] for line in lines} == {"logged in", "login failed"}
    log = service.client.get("/v1/audit", headers=service.owner)
    assert "lena" in log.text
    for secret in (*secrets, key["Authorization"][7:]):
        assert secret not in str(lines)
        assert secret not in log.text


def test_every_change_of_people_and_keys_is_in_the_audit_log(service: World):
    service.add("olga", "viewer", lead=True)
    service.key("olga")
    for verb, body in (("change", {"role": "reviewer"}), ("disable", None), ("enable", None)):
        path = f"/v1/people/olga:{verb}"
        service.client.post(path, json=body, headers=service.owner)
    events = service.client.get("/v1/audit", headers=service.owner).json()["events"]
    about = [event for event in events if event["detail"].get("person") == "olga"]
    assert [event["action"] for event in about] == [
        "person added",
        "key created",
        "person changed",
        "person disabled",
        "person enabled",
    ]
    assert about[3]["detail"] == {"person": "olga", "sessions_ended": 0, "keys_revoked": 1}
    assert service.client.get("/v1/audit:verify", headers=service.owner).json()["intact"]


def test_a_key_of_another_home_is_none_of_this_one(service: World):
    assert service.client.get("/v1/me", headers=bearer("sgk_" + "x" * 43)).status_code == 401


def guesses(service: World, most: int, **headers: str) -> list[int]:
    """What wrong passwords for rosa are told, each under these headers with its number in them."""
    with service.browser() as browser:
        told = []
        for number in range(most):
            sent = {name: text.format(number) for name, text in headers.items()}
            data = {"name": "rosa", "password": "guess"}
            told.append(browser.post("/login", data=data, headers=ORIGIN | sent).status_code)
        return told


def test_who_names_another_address_each_time_is_one_caller_unless_a_trusted_proxy_says_so(
    tmp_path: Path,
):
    lie = {"X-Forwarded-For": "203.0.113.{}"}
    with world(tmp_path / "plain") as made:
        made.add("rosa", "reviewer", PASSWORD)
        assert guesses(made, 11, **lie)[-1] == 429
    with world(tmp_path / "behind", trusted_proxies="10.0.0.0/8") as made:
        made.add("rosa", "reviewer", PASSWORD)
        made.client_address = ("10.1.2.3", 5000)
        assert guesses(made, 11, **lie) == [401] * 11
        assert guesses(made, 11, **{"X-Forwarded-For": "198.51.100.{}, 203.0.113.77"})[-1] == 429
        made.client_address = ("192.0.2.9", 5000)
        assert guesses(made, 11, **lie)[-1] == 429
