"""What the claims of an OpenID provider make somebody here."""

from typing import Any

import pytest

from registry.domain.errors import Forbidden, Invalid
from registry.domain.people import Role
from registry.domain.provider import ClaimRules, account, parse_roles


def an_account(role_claim: str = "roles", roles: str = "", **claims: Any):
    rules = ClaimRules("name", role_claim, parse_roles(roles))
    return account("https://id.example", {"sub": "1", "name": "ada", **claims}, rules)


def test_without_a_table_the_values_are_the_roles_themselves():
    found = an_account("groups", groups=["engineer"])
    assert (found.name, found.role, found.lead) == ("ada", Role.ENGINEER, False)


def test_the_highest_of_several_roles_counts_and_a_lead_is_one_besides():
    table = "ml=engineer, qa = reviewer,heads=lead"
    assert parse_roles(table) == {"ml": "engineer", "qa": "reviewer", "heads": "lead"}
    rules = {"role_claim": "groups", "roles": table}
    assert an_account(**rules, groups=["qa", "ml", "other", 7]).role is Role.ENGINEER
    lead = an_account(**rules, groups=["heads", "qa"])
    assert (lead.role, lead.lead) == (Role.REVIEWER, True)
    with pytest.raises(Forbidden, match="holds none of heads, ml, qa"):
        an_account(**rules, groups=["heads"])


@pytest.mark.parametrize(
    "claims",
    [{"realm_access": {"roles": ["viewer"]}}, {"realm_access.roles": "viewer"}],
)
def test_a_claim_may_stand_within_another(claims: dict[str, Any]):
    assert an_account("realm_access.roles", **claims).role is Role.VIEWER


@pytest.mark.parametrize("claims", [{}, {"realm_access": ["viewer"]}, {"realm_access": None}])
def test_a_claim_that_is_not_there_gives_no_role(claims: dict[str, Any]):
    with pytest.raises(Forbidden, match=r"realm_access\.roles"):
        an_account("realm_access.roles", **claims)


@pytest.mark.parametrize("name", [None, "", "<b>", ["a", "b"], 7])
def test_an_account_without_a_usable_name_is_refused(name: Any):
    with pytest.raises(Forbidden, match="no name that can be used"):
        an_account(roles="x=viewer", role_claim="r", r="x", name=name)


@pytest.mark.parametrize("text", ["ml", "ml=", "=viewer", "ml=owner", "ml=viewer,"])
def test_a_table_of_roles_that_is_none_is_refused(text: str):
    with pytest.raises(Invalid, match="write VALUE=ROLE"):
        parse_roles(text)
