"""Every route of the application has a rule, and each role gets exactly what the rules say."""

import re
from collections.abc import Iterator

import pytest
from accounts_app import ORIGIN, World, world

from console.access import RULES, Door, doors
from registry.domain.people import Identity, Role

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def all_doors(service: World) -> tuple[Door, ...]:
    return tuple(doors(service.app.routes))


def knock(service: World, door: Door, headers: dict[str, str]) -> int:
    path = re.sub(r"{[^}]*}", "1", door.path)
    return service.client.request(door.method, path, headers=ORIGIN | headers).status_code


def test_every_route_has_a_rule_and_every_rule_a_route(all_doors: tuple[Door, ...]):
    assert {door.name for door in all_doors} == set(RULES), "console/access.py has the rules"


def test_every_operation_of_the_documented_api_is_guarded(service: World):
    documented = {
        f"{method.upper()} {path}"
        for path, operations in service.app.openapi()["paths"].items()
        for method in operations
    }
    assert documented <= set(RULES)


def test_who_is_not_logged_in_passes_the_open_doors_only(
    service: World, all_doors: tuple[Door, ...]
):
    for door in all_doors:
        expected = 303 if door.is_page else 401
        passed = knock(service, door, {}) != expected
        # The login page itself leads nowhere but to itself.
        assert passed == (RULES[door.name] is None), door.name


@pytest.mark.parametrize(
    ("role", "lead"), [*((role, role is Role.ADMIN) for role in Role), (Role.REVIEWER, True)]
)
def test_each_role_gets_exactly_what_the_table_says(
    service: World, all_doors: tuple[Door, ...], role: Role, lead: bool
):
    who = Identity(f"{role} {lead}", role, lead)
    service.add(who.name, role, lead=lead)
    key = service.key(who.name)
    for door in all_doors:
        rule = RULES[door.name]
        allowed = rule is None or rule.admits(who)
        status = knock(service, door, key)
        assert status != 401 or door.path == "/login", door.name
        assert (status != 403) == allowed, f"{door.name}: {status}"


def test_what_is_not_there_is_401_to_strangers_and_404_to_others(service: World):
    service.add("a visitor", Role.VIEWER)
    key = service.key("a visitor")
    for path, status in (("/nowhere", 404), ("/v1/rollouts/x:explode", 405)):
        assert service.client.post(path).status_code == 401
        assert service.client.post(path, headers=key).status_code == status


def test_a_route_that_is_looked_at_with_head_is_guarded_as_well(service: World):
    assert service.client.head("/openapi.json").headers["Location"] == "/login?next=%2Fopenapi.json"


def test_the_refusal_says_which_role_is_needed(service: World):
    service.add("vera", Role.VIEWER)
    answer = service.client.post("/v1/rollouts/waste:abort", headers=service.key("vera"))
    assert "needs the role engineer, and you are vera, viewer" in answer.json()["detail"]


def test_a_page_is_refused_as_a_page(service: World):
    service.add("violet", Role.VIEWER)
    answer = service.client.get("/review", headers=service.key("violet"))
    assert answer.status_code == 403
    assert "<h1>Forbidden</h1>" in answer.text
    assert 'href="/review"' not in answer.text
